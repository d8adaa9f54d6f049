// NeighbourExplorer: what a query finds in the gallery, in one embedding or in two.
//
// Python has looked up the neighbours of every query; the script counts, filters and shows them.

import {
  BaseView,
  Sprite,
  clamp,
  floatsOf,
  formatted,
  intsOf,
  make,
  mount,
} from "./shared.js";

const CELL = 48; // a query of the strip with the gap beside it, in CSS pixels
const PICTURE_SIZES = [84, 56, 42, 28]; // of a neighbour
const QUERY_SIZE = 112;
const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

// ---------------------------------------------------------------- the numbers

// For each query and rank in turn: 1 where the neighbour is of the query's class, else 0.
export function hitsOf(neighbours, queries, classOf) {
  const count = neighbours.length / queries.length;
  return Uint8Array.from(neighbours, (item, i) =>
    Number(classOf[item] === classOf[queries[Math.floor(i / count)]]),
  );
}

// Recall@k: the share of queries with a hit among their `k` nearest of the `count` listed.
export function recallAt(hits, count, k) {
  let found = 0;
  for (let row = 0; row < hits.length; row += count) {
    found += Number(hits.slice(row, row + k).includes(1));
  }
  return found / (hits.length / count);
}

// Places, among the queries, of those that the filter leaves. `hits` holds a list for each name.
export function placesLeft(hits, names, count, filter) {
  const wanted = names
    .map((name, e) => [hits[e], filter[name]])
    .filter(([, want]) => want)
    .map(([list, want]) => [list, Number(want === "right")]);
  const places = [];
  for (let place = 0; place < hits[0].length / count; place += 1) {
    if (wanted.every(([list, hit]) => list[place * count] === hit)) places.push(place);
  }
  return places;
}

// The first of `places`, increasing, after `place` for which `fits`; from the start again, if need.
export function nextPlace(places, place, fits) {
  const candidates = places.filter(fits);
  return candidates.find((other) => other > place) ?? candidates[0];
}

// ---------------------------------------------------------------- words

function wordsOf(filter, names) {
  const parts = names.filter((name) => filter[name]).map((name) => [filter[name], name]);
  if (!parts.length) return "right or wrong";
  if (parts.length === 2 && parts[0][0] === parts[1][0]) return `${parts[0][0]} in both`;
  return parts.map(([want, name]) => `${want} in ${name}`).join(", ");
}

// What can be chosen, the surprising first.
function filtersOf(names) {
  const [a, b] = names;
  const filters = [{}, ...names.map((name) => ({ [name]: "wrong" }))];
  if (b !== undefined) {
    filters.push({ [a]: "wrong", [b]: "wrong" });
    filters.push({ [a]: "wrong", [b]: "right" }, { [a]: "right", [b]: "wrong" });
    filters.push({ [a]: "right", [b]: "right" });
  }
  return [...filters, ...names.map((name) => ({ [name]: "right" }))];
}

const thousands = (count) => count.toLocaleString("en-US");

function settingWords(queries, items, isOneSet) {
  const who = isOneSet
    ? `all ${thousands(items)} items. Gallery of each: the other ${thousands(items - 1)}, ` +
      "so that no query finds itself."
    : `${thousands(queries)} of ${thousands(items)} items. ` +
      `Gallery: the other ${thousands(items - queries)}.`;
  return `Press a query to look it up in the gallery. Queries: ${who}`;
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget neighbours" tabindex="0" role="group">
  <header><div class="title"></div></header>
  <p class="setting quiet"></p>
  <div class="chooser">
    <div class="card">
      <div class="card-frame"><div class="card-picture"></div></div>
      <div class="card-words">
        <label class="quiet">Query <input type="number" class="number-field" min="0"
          title="Type the number of an item and press Enter"></label>
        <div class="card-class"></div>
      </div>
    </div>
    <div class="picker">
      <div class="controls">
        <label class="show">First neighbour <select class="filter"
          title="Which queries are shown: by their first, that is nearest, neighbour"
          ></select></label>
        <span class="pages">
          <button class="page-back" title="Queries before (page up)" aria-label="Queries before"
            >‹</button>
          <span class="page number"></span>
          <button class="page-forward" title="Queries after (page down)"
            aria-label="Queries after">›</button>
        </span>
      </div>
      <div class="strip" role="group" aria-label="Queries: press one to look it up"></div>
      <p class="signs quiet"></p>
      <p class="nothing quiet" hidden>No query is like that.</p>
      <div class="classes" role="group" aria-label="Next query of a class">
        <span class="quiet">Next of class</span>
      </div>
    </div>
  </div>
  <div class="panels"></div>
  <p class="pixels number quiet"></p>
  <p class="note quiet"></p>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "neighbour-explorer", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.readData();
    this.sprite = new Sprite(model);
    this.undo.push(() => this.sprite.remove());
    this.cells = [];
    this.start = 0; // of the page, among the places left
    this.build();
    this.listen();
    this.update();
  }

  readData() {
    const { model } = this;
    this.names = model.get("_names");
    this.classes = model.get("_classes");
    this.classOf = intsOf(model.get("_class_of"));
    this.queries = intsOf(model.get("_queries"));
    this.count = model.get("_count");
    this.isOneSet = model.get("_one_set");
    this.means = model.get("_mean_distances");
    const size = this.queries.length * this.count;
    const lists = (array) => this.names.map((_, e) => array.subarray(e * size, (e + 1) * size));
    this.neighbours = lists(intsOf(model.get("_neighbours")));
    this.distances = lists(floatsOf(model.get("_distances")));
    this.hits = this.neighbours.map((list) => hitsOf(list, this.queries, this.classOf));
    this.placeOf = new Map(Array.from(this.queries, (item, place) => [item, place]));
  }

  // ---- building

  build() {
    this.root.setAttribute("aria-label", this.model.get("title") || "Neighbour explorer");
    this.find(".setting").textContent = settingWords(
      this.queries.length,
      this.classOf.length,
      this.isOneSet,
    );
    this.find(".signs").textContent =
      `✓ or ✗: whether its first neighbour is of its class, in ${this.names.join(", then in ")}`;
    this.find(".pixels").textContent = this.pixelWords();
    this.find(".note").textContent = this.noteWords();
    this.find(".number-field").max = this.classOf.length - 1;
    this.find(".classes").append(...this.classes.map((c) => this.makeClassButton(c)));
    this.panels = this.names.map((name, e) => this.makePanel(name, e));
    this.find(".panels").append(...this.panels.map((panel) => panel.root));
  }

  // What both embeddings are to be measured against: no network at all.
  pixelWords() {
    const recalls = Object.entries(this.model.get("_pixel_recalls"));
    const words = recalls.map(([k, recall]) => `R@${k} ${recall.toFixed(3)}`).join(" · ");
    return (
      `For comparison, without a network: raw pixels (Euclidean distance) reach ${words} ` +
      "with the same queries and gallery."
    );
  }

  noteWords() {
    const means = this.names.map((name, e) => `${formatted(this.means[e])} in ${name}`);
    const pairs = this.isOneSet ? "all pairs" : "all pairs of query and gallery";
    const numbers =
      `Numbers: ${this.model.get("_metric")}, and below it the same as a multiple (×) of the ` +
      `mean over ${pairs}, which is ${means.join(", ")}.`;
    if (this.names.length === 1) return numbers;
    return (
      `${numbers} Distances of two embeddings are not on one scale; ` +
      "their multiples of the mean can be compared."
    );
  }

  makeClassButton({ label, mark, name, color }) {
    const button = make("button", "class", mark);
    button.style.setProperty("--class-color", color);
    button.title = `Next query of class ${name}${mark.length === 1 ? ` (key ${mark})` : ""}`;
    button.setAttribute("aria-label", `Next query of class ${name}`);
    button.addEventListener("click", () => this.goToClass(label));
    return button;
  }

  makePanel(name, e) {
    const root = make("div", "panel");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", `Neighbours in ${name}`);
    const heading = make("div", "panel-heading");
    const score = make("span", "readout score");
    heading.append(make("span", "panel-name", name), score);
    const ks = [...new Set([1, this.count])];
    const recalls = ks.map((k) => `R@${k} ${recallAt(this.hits[e], this.count, k).toFixed(3)}`);
    const baseline = make(
      "div",
      "quiet baseline number",
      `${recalls.join(" · ")} over all ${thousands(this.queries.length)} queries`,
    );
    baseline.title = ks
      .map((k) => `R@${k}, recall@${k}: share of queries with their class among the ${k} nearest.`)
      .join(" ");
    const list = make("ol", "tiles");
    const tiles = Array.from({ length: this.count }, (_, rank) => this.makeTile(e, rank));
    list.append(...tiles.map((tile) => tile.root));
    root.append(heading, baseline, list);
    return { root, score, tiles, list };
  }

  // Where each item is a query, a neighbour can be looked up in its turn.
  makeTile(e, rank) {
    const root = make("li");
    const face = make(this.isOneSet ? "button" : "div", "tile");
    const frame = make("span", "frame");
    const picture = make("span", "picture");
    frame.append(picture);
    const verdict = make("span", "verdict");
    const distance = make("span", "number");
    const relative = make("span", "relative number quiet");
    face.append(frame, verdict, distance, relative);
    if (this.isOneSet) face.addEventListener("click", () => this.goTo(this.neighbourAt(e, rank)));
    else face.setAttribute("role", "img");
    root.append(face);
    return { root, face, frame, picture, verdict, distance, relative };
  }

  // ---- listening

  listen() {
    this.follow("query", () => this.queryChanged());
    this.follow(["filter", "title"], () => this.update());
    this.on(this.find(".filter"), "change", (event) =>
      this.choose(this.filters[event.target.selectedIndex]),
    );
    this.on(this.find(".number-field"), "change", (event) => this.typed(event.target));
    this.on(this.find(".page-back"), "click", () => this.turn(-1));
    this.on(this.find(".page-forward"), "click", () => this.turn(1));
    this.listenToKeys();
    this.onLook(this.root, () => this.resize());
  }

  listenToKeys() {
    const actions = {
      ArrowUp: () => this.move(-this.columns),
      ArrowDown: () => this.move(this.columns),
      PageUp: () => this.move(-this.cells.length),
      PageDown: () => this.move(this.cells.length),
      Home: () => this.move(-Infinity),
      End: () => this.move(Infinity),
    };
    for (const [key, step] of Object.entries(STEPS)) actions[key] = () => this.move(step);
    for (const { mark, label } of this.classes) actions[mark] = () => this.goToClass(label);
    this.onKeys(actions);
  }

  // ---- acting

  get place() {
    return this.placeOf.get(this.model.get("query")) ?? 0;
  }

  neighbourAt(e, rank) {
    return this.neighbours[e][this.place * this.count + rank];
  }

  labelOf(item) {
    return this.classes[this.classOf[item]].label;
  }

  goTo(item) {
    if (item !== undefined) this.send("query", item);
  }

  // By so many of the queries left; one that is not among them stands just before the next.
  move(steps) {
    const { places, place } = this;
    if (!places.length) return;
    const after = places.findIndex((other) => other >= place);
    const at = after < 0 ? places.length : after;
    const isLeft = places[at] === place;
    const to = steps > 0 && !isLeft ? at + steps - 1 : at + steps;
    this.goTo(this.queries[places[clamp(to, 0, places.length - 1)]]);
  }

  goToClass(label) {
    const next = nextPlace(
      this.places,
      this.place,
      (place) => this.labelOf(this.queries[place]) === label,
    );
    if (next === undefined) this.say(`No query of class ${label} is among those shown.`, 0);
    this.goTo(this.queries[next]);
  }

  typed(field) {
    const item = field.valueAsNumber;
    if (this.placeOf.has(item)) return this.goTo(item);
    const words = Number.isInteger(item)
      ? `Item ${item} is none of the ${thousands(this.queries.length)} queries.`
      : "Type the number of a query.";
    field.value = this.model.get("query");
    return this.say(words, 0);
  }

  // The reader asked for other queries: show one of them.
  choose(filter) {
    this.model.set("filter", filter);
    if (this.places.length && !this.places.includes(this.place)) {
      this.model.set("query", this.queries[nextPlace(this.places, this.place, () => true)]);
    }
    this.model.save_changes();
  }

  turn(pages) {
    this.start = clamp(
      this.start + pages * this.cells.length,
      0,
      Math.max(this.places.length - 1, 0),
    );
    this.repaint();
  }

  // ---- showing

  update() {
    const filter = this.model.get("filter");
    this.find(".title").textContent = this.model.get("title");
    this.places = placesLeft(this.hits, this.names, this.count, filter);
    this.updateFilters(filter);
    this.queryChanged();
  }

  updateFilters(filter) {
    this.filters = filtersOf(this.names);
    this.find(".filter").replaceChildren(
      ...this.filters.map((each) => {
        const { length } = placesLeft(this.hits, this.names, this.count, each);
        return new Option(`${wordsOf(each, this.names)} (${thousands(length)})`);
      }),
    );
    const words = wordsOf(filter, this.names);
    this.find(".filter").selectedIndex = this.filters.findIndex(
      (each) => wordsOf(each, this.names) === words,
    );
  }

  queryChanged() {
    this.showPageOfQuery();
    this.repaint();
  }

  showPageOfQuery() {
    const at = this.places.indexOf(this.place);
    const size = this.cells.length;
    if (size && at >= 0) this.start = at - (at % size);
    else if (this.start >= this.places.length) this.start = 0;
  }

  resize() {
    const strip = this.find(".strip");
    const room = this.find(".picker").clientWidth; // the strip may be hidden
    this.columns = Math.max(1, Math.floor((room + 4) / CELL));
    strip.style.setProperty("--columns", this.columns);
    const length = this.columns * (this.root.clientWidth < 720 ? 3 : 2);
    if (length !== this.cells.length) {
      this.cells = Array.from({ length }, () => this.makeCell());
      strip.replaceChildren(...this.cells.map((cell) => cell.root));
      this.showPageOfQuery();
    }
    const [{ list }] = this.panels;
    const most = list.clientWidth / 5 - 10;
    this.size = PICTURE_SIZES.find((size) => size <= most) ?? PICTURE_SIZES.at(-1);
    this.paint();
  }

  makeCell() {
    const root = make("button", "cell");
    const picture = make("span", "picture");
    const marks = make("span", "marks");
    root.append(picture, marks);
    root.addEventListener("click", () => this.goTo(root.item));
    return { root, picture, marks };
  }

  paint() {
    if (!this.size) return; // no room yet
    const { place } = this;
    const item = this.queries[place];
    this.paintCard(item);
    this.paintStrip(place);
    this.panels.forEach((panel, e) => this.paintPanel(panel, e, place));
    this.say(this.statusWords(place));
  }

  paintCard(item) {
    const { name } = this.classes[this.classOf[item]];
    this.sprite.place(this.find(".card-picture"), item, QUERY_SIZE);
    this.find(".card-class").textContent = `class ${name}`;
    const field = this.find(".number-field");
    if (this.shadow.activeElement !== field || field.valueAsNumber !== item) field.value = item;
  }

  paintStrip(place) {
    const { places, start, cells } = this;
    const hadFocus = cells.some(({ root }) => root === this.shadow.activeElement);
    const current = places.indexOf(place) - start; // none of the page, perhaps
    const entrance = current >= 0 && current < cells.length ? current : 0;
    cells.forEach((cell, i) => {
      this.paintCell(cell, places[start + i], i === current);
      cell.root.tabIndex = i === entrance ? 0 : -1; // one stop of the tab key, then arrows
    });
    if (hadFocus) cells[entrance].root.focus({ preventScroll: true });
    const end = Math.min(start + cells.length, places.length);
    this.find(".page").textContent = places.length
      ? `${thousands(start + 1)}–${thousands(end)} of ${thousands(places.length)}`
      : "0 of 0";
    this.find(".page-back").disabled = start === 0;
    this.find(".page-forward").disabled = end >= places.length;
    this.find(".nothing").hidden = places.length > 0;
    this.find(".strip").hidden = places.length === 0;
  }

  paintCell({ root, picture, marks }, place, isCurrent) {
    root.style.visibility = place === undefined ? "hidden" : "";
    if (place === undefined) return;
    const item = this.queries[place];
    root.item = item;
    this.sprite.place(picture, item, 28);
    const verdicts = this.hits.map((hits) => Boolean(hits[place * this.count]));
    marks.replaceChildren(
      ...verdicts.map((right) => make("span", right ? "right" : "wrong", right ? "✓" : "✗")),
    );
    const words = this.names.map((name, e) => `${verdicts[e] ? "right" : "wrong"} in ${name}`);
    const text = `Query ${item}, class ${this.labelOf(item)}; first neighbour ${words.join(", ")}`;
    root.title = text;
    root.setAttribute("aria-label", text);
    root.setAttribute("aria-pressed", isCurrent);
  }

  paintPanel({ score, tiles }, e, place) {
    const first = place * this.count;
    const hits = this.hits[e].subarray(first, first + this.count);
    score.textContent = `${hits.reduce((sum, hit) => sum + hit, 0)} of ${this.count} right`;
    tiles.forEach((tile, rank) => {
      const distance = this.distances[e][first + rank];
      this.paintTile(tile, {
        rank,
        item: this.neighbours[e][first + rank],
        isRight: hits[rank] === 1,
        distance: formatted(distance),
        relative: (distance / this.means[e]).toFixed(2),
      });
    });
  }

  paintTile(tile, { rank, item, isRight, distance, relative }) {
    const { mark, name } = this.classes[this.classOf[item]];
    const verdict = isRight ? "right" : "wrong";
    this.sprite.place(tile.picture, item, this.size);
    tile.face.classList.toggle("right", isRight);
    tile.face.classList.toggle("wrong", !isRight);
    tile.verdict.textContent = `${isRight ? "✓" : "✗"} ${mark}`;
    tile.distance.textContent = distance;
    tile.relative.textContent = relative === "NaN" ? "–" : `${relative}×`;
    const words =
      `Neighbour ${rank + 1}: item ${item}, class ${name}, ${verdict}, distance ${distance}`;
    tile.face.title = this.isOneSet ? `${words}. Press to look it up.` : words;
    tile.face.setAttribute("aria-label", words);
  }

  statusWords(place) {
    const item = this.queries[place];
    const { name } = this.classes[this.classOf[item]];
    const parts = this.names.map((embedding, e) => {
      const hits = this.hits[e].subarray(place * this.count, (place + 1) * this.count);
      const right = hits.reduce((sum, hit) => sum + hit, 0);
      const first = this.classes[this.classOf[this.neighbours[e][place * this.count]]].name;
      const verdict = hits[0] ? "right" : `wrong, class ${first}`;
      return (
        `In ${embedding}, ${right} of its ${this.count} neighbours are of its class; ` +
        `the first is ${verdict}.`
      );
    });
    const outside = this.places.includes(place) ? "" : " It is not among the queries shown.";
    return `Query ${item} is of class ${name}.${outside} ${parts.join(" ")}`;
  }
}

const STYLE = `
.neighbours {
  /* Small print wants a contrast of 4.5: more than grey has, and more than vermilion on white. */
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 65%, Canvas));
  --negative-text: color-mix(in srgb, var(--negative) 82%, black);
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px;
}
.neighbours.dark { --negative-text: var(--negative); }
.setting { margin-top: -6px; }
.chooser { display: grid; grid-template-columns: 132px minmax(0, 1fr); gap: 8px 20px; }
.card { display: flex; flex-direction: column; align-items: center; gap: 6px; }
.card-frame { border: 2px solid currentColor; border-radius: 3px; padding: 3px; }
.card-words { display: flex; flex-direction: column; gap: 4px; align-items: center; }
.card-class { font-size: var(--large); }
.picker { display: flex; flex-direction: column; gap: 6px; min-width: 0; }
.picker .controls { justify-content: space-between; }
.show { min-width: 0; }
.filter { min-width: 0; max-width: 300px; }
.number-field { width: 76px; padding: 0 6px; margin-left: 2px; }
.pages { display: inline-flex; align-items: center; gap: 4px; }
.pages button { padding: 0; font-size: 24px; line-height: 1; }
.page { min-width: 104px; text-align: center; }
.strip { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 4px; }
.cell {
  display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 1px;
  height: 48px; padding: 0; border-color: transparent;
}
.cell .picture, .tile .picture { display: block; }
.cell[aria-pressed="true"] { color: inherit; }
.signs { font-size: var(--small); }
.marks { display: flex; gap: 5px; font-size: 11px; line-height: 1; font-weight: 700; }
.right { --verdict: var(--positive); --verdict-text: var(--positive); --frame: solid; }
.wrong { --verdict: var(--negative); --verdict-text: var(--negative-text); --frame: dashed; }
.marks .right, .marks .wrong, .verdict { color: var(--verdict-text); }
.classes { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; }
.classes .quiet { padding-right: 4px; }
.class { padding: 0; border-color: transparent; font-weight: 700; position: relative; }
.class::after {
  content: ""; position: absolute; left: 12px; right: 12px; bottom: 7px; height: 3px;
  border-radius: 2px; background: var(--class-color);
}
.panels {
  display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 14px 28px;
}
.panel { border-top: 1px solid var(--line); padding-top: 8px; min-width: 0; max-width: 640px; }
.panel-heading { display: flex; justify-content: space-between; gap: 8px; flex-wrap: wrap; }
.panel-name { font-size: var(--large); font-weight: 600; overflow-wrap: anywhere; }
.tiles {
  display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 8px 0; padding: 0;
  margin-top: 8px; list-style: none;
}
.tile {
  display: flex; flex-direction: column; align-items: center; width: 100%; min-width: 0;
  padding: 4px 0; border: 0; line-height: 1.25; color: inherit;
}
.frame { border: 3px var(--frame) var(--verdict); border-radius: 3px; padding: 1px; }
.verdict { font-weight: 700; padding-top: 2px; }
.relative { font-size: var(--small); }
:host(.projected) .note { display: none; }
@container (max-width: 719px) {
  .chooser { grid-template-columns: minmax(0, 1fr); }
  .card { flex-direction: row; gap: 16px; }
  .card-words { align-items: flex-start; }
}
@container (max-width: 559px) {
  .panels { grid-auto-flow: row; }
  .show { flex: 1 1 100%; order: 1; }
  .filter { flex: 1; max-width: none; }
  .panel { max-width: none; }
}
`;

export default { render };
