// BeTheMiner: a game of picking negatives by eye, and an album of triplets that miners picked.
//
// Everything a view shows follows from a few traits (`game`, `round`, `picks`, ...) and from the
// rounds that Python drew; right and wrong are worked out here, so that it needs no kernel.

import {
  BaseView,
  DISTANCE_NAMES,
  Sprite,
  clamp,
  formatted,
  intsOf,
  make,
  makeSvg,
  mount,
  roleIcon,
  rolePath,
} from "./shared.js";

const KINDS = ["hard", "semi-hard", "easy"]; // from the anchor outwards
const STRATEGY_NAMES = {
  batch_all: "batch all",
  batch_hard: "batch hard",
  batch_semi_hard: "batch semi-hard",
};
const STRATEGY_RULES = {
  batch_all: "Batch all: every positive triplet, that is, every one whose loss is above 0.",
  batch_hard: "Batch hard: for each anchor its farthest positive and its nearest negative.",
  batch_semi_hard:
    "Batch semi-hard: for each anchor and positive the nearest negative that is farther than the " +
    "positive; where there is none, the farthest.",
};

// ---------------------------------------------------------------- definitions

export function categoryOf(positive, negative, margin) {
  if (negative <= positive) return "hard";
  return negative < positive + margin ? "semi-hard" : "easy";
}

export const lossOf = (positive, negative, margin) => Math.max(positive - negative + margin, 0);

const nearestOf = (distances) => distances.indexOf(Math.min(...distances));

// What a miner picks, from 0: by the network's distances or by those of the pixels. The hardest
// negative; or semi-hard's choice, the nearest one farther than the positive, else the farthest.
export function pickBy(played, kind) {
  const { positive, candidates } = played[kind];
  if (played.task === "hardest") return nearestOf(candidates);
  const farther = candidates.map((d) => (d > positive ? d : Infinity));
  const found = farther.some(Number.isFinite);
  return found ? nearestOf(farther) : candidates.indexOf(Math.max(...candidates));
}

// All candidates that answer a round.
export function rightPicks(played, margin) {
  if (played.task === "hardest") return [pickBy(played, "network")];
  const { positive, candidates } = played.network;
  const isRight = (k) => categoryOf(positive, candidates[k], margin) === "semi-hard";
  return candidates.map((_, k) => k).filter(isRight);
}

export function pointsOf(played, pick, margin) {
  if (rightPicks(played, margin).includes(pick)) return 10;
  const { positive, candidates } = played.network;
  const isNear =
    played.task === "hardest"
      ? candidates.filter((d) => d < candidates[pick]).length === 1
      : candidates[pick] <= positive;
  return isNear ? 5 : 0;
}

// A game's score so far. `picks` count from 1, 0 is none yet; `labels` are those of the pictures.
export function resultOf(game, picks, margin, labels) {
  const result = { answered: 0, right: 0, score: 0, longest_streak: 0, chance: 0, pixels: 0 };
  const fooled = [];
  let streak = 0;
  game.forEach((played, index) => {
    const pick = picks[index] - 1;
    if (pick < 0) return;
    const right = rightPicks(played, margin);
    const isRight = right.includes(pick);
    streak = isRight ? streak + 1 : 0;
    result.answered += 1;
    result.right += Number(isRight);
    result.score += pointsOf(played, pick, margin);
    result.longest_streak = Math.max(result.longest_streak, streak);
    result.chance += right.length / played.candidates.length;
    result.pixels += Number(right.includes(pickBy(played, "pixels")));
    const labelOf = (k) => labels[played.candidates[k]];
    if (!isRight) {
      fooled.push({
        round: index + 1,
        task: played.task,
        anchor: labels[played.anchor],
        picked: labelOf(pick),
        miner: labelOf(pickBy(played, "network")),
      });
    }
  });
  return { ...result, fooled, streak };
}

// ---------------------------------------------------------------- places on the number line

// Puts chips of one size above their places `xs`, in as few lanes as it takes that none covers
// another. Gives each one's left edge and lane, the lowest being 0.
export function stackChips(xs, size, width) {
  const ends = [];
  const places = xs.map(() => null);
  const order = xs.map((_, k) => k).sort((a, b) => xs[a] - xs[b]);
  for (const k of order) {
    const left = clamp(xs[k] - size / 2, 0, Math.max(width - size, 0));
    let lane = ends.findIndex((end) => end + 3 <= left);
    if (lane < 0) lane = ends.push(0) - 1;
    ends[lane] = left + size;
    places[k] = { left, lane };
  }
  return places;
}

// Centres of words of the given widths, as near as may be to where they want to be, in order, none
// over another, all within `width`.
export function spreadWords(centres, widths, width) {
  const lefts = centres.map((centre, k) => centre - widths[k] / 2);
  let free = 0;
  lefts.forEach((left, k) => {
    lefts[k] = Math.max(left, free);
    free = lefts[k] + widths[k];
  });
  let limit = width;
  for (let k = lefts.length - 1; k >= 0; k -= 1) {
    lefts[k] = Math.min(lefts[k], limit - widths[k]);
    limit = lefts[k];
  }
  return lefts.map((left, k) => left + widths[k] / 2);
}

// Round numbers from 0 to `high`, about `wanted` of them.
export function ticksUpTo(high, wanted) {
  const rough = high / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? 10 * power;
  const ticks = [];
  for (let k = 0; k * step <= high * (1 + 1e-9); k += 1) {
    ticks.push(Number((k * step).toPrecision(6))); // 0.3, not 0.30000000000000004
  }
  return ticks;
}

// ---------------------------------------------------------------- the number line

const EDGE = 18; // left and right of the axis, in CSS pixels

// Distances to the anchor along one line: zones, the positive, and, once they are revealed, the
// candidates.
class NumberLine {
  constructor(element, sprite) {
    this.element = element;
    this.sprite = sprite;
  }

  draw({ played, margin, pick, metric, light }) {
    const width = this.element.clientWidth;
    if (!width) return;
    const { positive, candidates } = played.network;
    const distances = [0, positive, ...candidates];
    const size = width < 420 ? 24 : 32;
    const high = 1.03 * Math.max(...distances, positive + margin);
    this.xOf = (d) => EDGE + (d / high) * (width - 2 * EDGE);
    const chips = stackChips(distances.map(this.xOf), size, width);
    this.pitch = size + 18;
    const lanes = Math.max(...chips.map(({ lane }) => lane)) + 1;
    this.bottom = 24 + lanes * this.pitch + 8;
    this.svg = makeSvg("svg", { width, height: this.bottom + 42, "aria-hidden": "true" });
    this.drawZones(positive, margin, width);
    this.drawAxis(high, width, `${metric} to the anchor`);
    this.element.replaceChildren(this.svg);
    const shown = pick < 0 ? 2 : distances.length;
    for (let k = shown - 1; k >= 0; k -= 1) {
      this.drawChip({ played, margin, pick, k, size, x: this.xOf(distances[k]), place: chips[k] });
    }
    this.light(light);
  }

  add(tag, attributes, text) {
    const element = makeSvg(tag, attributes);
    if (text !== undefined) element.textContent = text;
    this.svg.append(element);
    return element;
  }

  drawZones(positive, margin, width) {
    const edges = [0, positive, positive + margin].map(this.xOf);
    edges.push(width);
    edges[0] = 0;
    const zones = KINDS.map((kind, k) => ({ kind, left: edges[k], right: edges[k + 1] }));
    for (const { kind, left, right } of zones) {
      this.add("rect", {
        class: "zone",
        style: `fill: var(--${kind})`,
        x: left,
        y: 20,
        width: Math.max(right - left, 0),
        height: this.bottom - 20,
      });
    }
    for (const x of edges.slice(1, 3)) {
      this.add("line", { class: "edge", x1: x, x2: x, y1: 20, y2: this.bottom });
    }
    const widths = zones.map(({ kind }) => 24 + 6.5 * kind.length);
    const centres = spreadWords(zones.map(({ left, right }) => (left + right) / 2), widths, width);
    zones.forEach(({ kind }, k) => {
      const left = centres[k] - widths[k] / 2 + 4;
      const square = { x: left, y: 4, width: 10, height: 10, rx: 2 };
      this.add("rect", { style: `fill: var(--${kind})`, ...square });
      this.add("text", { class: "zone-name", x: left + 14, y: 13 }, kind);
    });
  }

  drawAxis(high, width, title) {
    const { bottom } = this;
    this.add("line", { class: "axis", x1: 0, x2: width, y1: bottom, y2: bottom });
    for (const tick of ticksUpTo(high, width < 420 ? 5 : 8)) {
      const x = this.xOf(tick);
      this.add("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 9 });
      this.add("text", { class: "tick", x, y: bottom + 20 }, tick);
    }
    this.add("text", { class: "tick", x: width / 2, y: bottom + 37 }, title);
  }

  drawChip({ played, margin, pick, k, size, x, place }) {
    const top = 22 + (this.bottom - 24 - 8 - (place.lane + 1) * this.pitch);
    const role = ["anchor", "positive"][k] ?? "negative";
    const low = { x1: place.left + size / 2, y1: top + this.pitch - 4, x2: x, y2: this.bottom };
    this.svg.prepend(makeSvg("line", { class: "leader", ...low }));
    const mark = this.add("path", { class: `mark ${role}`, d: rolePath(role, 5) });
    mark.setAttribute("transform", `translate(${x} ${this.bottom})`);
    const chip = make("div", "chip");
    chip.style.left = `${place.left}px`;
    chip.style.top = `${top}px`;
    const caption = make("div", "chip-caption");
    const frame = make("div", "frame");
    chip.append(caption, frame);
    this.element.append(chip);
    if (k < 2) {
      caption.innerHTML = roleIcon(role);
      frame.append(this.sprite.make([played.anchor, played.positive][k], size));
    } else {
      const candidate = k - 2;
      const right = rightPicks(played, margin).includes(candidate);
      chip.dataset.candidate = candidate;
      chip.classList.toggle("right", right);
      chip.classList.toggle("wrong", !right && pick === candidate);
      caption.textContent = `${candidate + 1}${right ? " ✓" : pick === candidate ? " ✗" : ""}`;
      frame.append(this.sprite.make(played.candidates[candidate], size));
    }
  }

  // Brings out one candidate, or none for -1.
  light(candidate) {
    for (const chip of this.element.querySelectorAll(".chip")) {
      chip.classList.toggle("lit", chip.dataset.candidate === String(candidate));
    }
  }
}

function makeSwatch(kind) {
  const swatch = make("i", "swatch");
  swatch.style.background = `var(--${kind})`;
  return swatch;
}

// ---------------------------------------------------------------- words

const withArticle = (name) => `${/^(8|11$|18$|[aeiou])/i.test(name) ? "an" : "a"} ${name}`;
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const listed = (parts) =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
const trainingOf = (step) =>
  step === 0 ? "the untrained network" : `the network after ${plural(step, "step")}`;
const shortly = (value) => (value === 0 ? "0" : formatted(value));

// The sentences that explain one answered round.
export function explain(played, pick, margin, nameOf) {
  const words = played.task === "hardest" ? explainHardest : explainSemiHard;
  return words(played, pick, margin, nameOf);
}

function explainHardest(played, pick, margin, nameOf) {
  const { positive, candidates } = played.network;
  const miner = pickBy(played, "network");
  const at = (k) => formatted(candidates[k]);
  const second = Math.min(...candidates.filter((_, k) => k !== miner));
  const other =
    pick === miner
      ? `the next nearest of the eight at ${formatted(second)}`
      : `the miner's ${nameOf(played.candidates[miner])} (candidate ${miner + 1}) at ${at(miner)}`;
  const kind = categoryOf(positive, candidates[miner], margin);
  const loss = shortly(lossOf(positive, candidates[miner], margin));
  return [
    `Your ${nameOf(played.candidates[pick])} lies at ${at(pick)}, ${other}.`,
    `The positive lies at ${formatted(positive)}, so the hardest of these eight makes ` +
      `${withArticle(kind)} triplet with a loss of ${loss}.`,
  ];
}

function explainSemiHard(played, pick, margin, nameOf) {
  const { positive, candidates } = played.network;
  const at = (k) => formatted(candidates[k]);
  const kind = categoryOf(positive, candidates[pick], margin);
  const loss = shortly(lossOf(positive, candidates[pick], margin));
  const others = rightPicks(played, margin).filter((k) => k !== pick);
  const sentences = [
    `Your ${nameOf(played.candidates[pick])} lies at ${at(pick)}: ${kind}, loss ${loss}.`,
    `The semi-hard ring reaches from the positive at ${formatted(positive)} to ` +
      `${formatted(positive + margin)}.`,
  ];
  if (others.length) {
    const places = others.map((k) => `${candidateOf(played, k, nameOf)}, at ${at(k)}`);
    const also = kind === "semi-hard" ? " also" : "";
    sentences.push(`In it ${others.length > 1 ? "lie" : "lies"}${also} ${listed(places)}.`);
  }
  return sentences;
}

const candidateOf = (played, k, nameOf) =>
  `candidate ${k + 1}, ${withArticle(nameOf(played.candidates[k]))}`;

// What the pixels say of the same round, and what another network.
export function compare(played, margin, nameOf) {
  const { positive, candidates } = played.network;
  const name = (k) => candidateOf(played, k, nameOf);
  const pixels = pickBy(played, "pixels");
  const isRight = rightPicks(played, margin).includes(pixels);
  const kind = categoryOf(positive, candidates[pixels], margin);
  const nearest = nearestOf(candidates);
  const other = played.other_hardest;
  return [
    `Raw pixels would pick ${name(pixels)}, ` +
      (isRight
        ? "and be right."
        : `which for this network lies at ${formatted(candidates[pixels])} (${kind}).`),
    `To ${trainingOf(played.other_step)} the nearest of the eight is ${name(other)}` +
      (other === nearest ? ", just as to this one." : `; to this one it is ${name(nearest)}.`),
  ];
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget miner" tabindex="0" role="group">
  <header><h3 class="title"></h3><span class="readout"></span></header>
  <div class="tabs" role="tablist" aria-label="Game or album">
    <button role="tab" id="tab-game" data-tab="game" aria-controls="panel-game">Game</button>
    <button role="tab" id="tab-album" data-tab="album" aria-controls="panel-album">Album of mined
      triplets</button>
  </div>
  <div class="panel game" id="panel-game" role="tabpanel" aria-labelledby="tab-game">
    <div class="journey">
      <ol class="dots" aria-label="Rounds"></ol>
      <p class="axis-name">each round, and the training step of its network</p>
    </div>
    <div class="play">
      <div class="question">
        <h4 class="task"></h4>
        <p class="network quiet"></p>
      </div>
      <div class="stage">
        <div class="pair">
          <figure class="shown anchor"><div class="picture" role="img"></div>
            <figcaption>${roleIcon("anchor")} anchor</figcaption></figure>
          <figure class="shown positive"><div class="picture" role="img"></div>
            <figcaption>${roleIcon("positive")} positive</figcaption></figure>
        </div>
        <div class="candidates" role="group" aria-label="Candidates"></div>
      </div>
      <div class="answer">
        <div class="line" role="img"></div>
        <div class="verdict"></div>
        <div class="controls"><button class="next" hidden></button></div>
      </div>
    </div>
    <div class="summary" hidden></div>
  </div>
  <div class="panel album" id="panel-album" role="tabpanel" aria-labelledby="tab-album" hidden>
    <div class="controls">
      <div class="choice strategies" role="group" aria-label="Strategy"></div>
      <div class="choice snapshots" role="group" aria-label="Before or after training"></div>
    </div>
    <div><p class="album-count"></p><p class="album-rule quiet"></p></div>
    <div class="kinds"></div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "be-the-miner", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.classOf = intsOf(model.get("_class_of"));
    this.classes = model.get("_classes");
    this.labels = [...this.classOf].map((k) => this.classes[k].label);
    this.nameOf = (picture) => this.classes[this.classOf[picture]].name;
    this.margin = model.get("_margin");
    this.sprite = new Sprite(model);
    this.undo.push(() => this.sprite.remove());
    this.line = new NumberLine(this.find(".line"), this.sprite);
    this.pictureSize = 84;
    this.lit = -1;
    this.build();
    this.listen();
    this.update();
  }

  // ---- building

  build() {
    const { candidates } = this.games[0][0];
    this.find(".candidates").append(...candidates.map((_, k) => this.makeCandidate(k)));
    this.find(".dots").append(...this.games[0].map((_, k) => make("li", "dot", k + 1)));
    for (const [name, words] of Object.entries(STRATEGY_NAMES)) {
      this.addChoice(".strategies", "album_strategy", name, words);
    }
    for (const name of ["before", "after"]) {
      const { step } = this.model.get("_album")[name];
      const words = `${name} training (step ${step})`;
      this.addChoice(".snapshots", "album_snapshot", name, words);
    }
  }

  makeCandidate(k) {
    const button = make("button", "candidate");
    const top = make("span", "top");
    top.append(make("span", "key"), make("span", "distance number"));
    button.append(top, make("span", "picture"), make("span", "kind-name"), make("span", "tags"));
    button.title = `Pick candidate ${k + 1} (key ${k + 1})`;
    this.on(button, "click", () => this.pick(k));
    for (const name of ["pointerenter", "focus"]) this.on(button, name, () => this.light(k));
    for (const name of ["pointerleave", "blur"]) this.on(button, name, () => this.light(-1));
    return button;
  }

  addChoice(place, trait, value, words) {
    const button = make("button", "", words);
    button.dataset.value = value;
    this.on(button, "click", () => this.send(trait, value));
    this.find(place).append(button);
  }

  // ---- listening

  listen() {
    this.follow(["tab", "game", "round", "picks", "title"], () => this.update());
    this.follow(["album_strategy", "album_snapshot"], () => this.update());
    for (const tab of this.findAll("[role=tab]")) {
      this.on(tab, "click", () => this.send("tab", tab.dataset.tab));
    }
    this.on(this.find(".next"), "click", () => this.goOn());
    const digits = this.findAll(".candidate").map((_, k) => [k + 1, () => this.pick(k)]);
    this.onKeys({
      ...Object.fromEntries(digits),
      Enter: () => this.goOn(),
      ArrowLeft: (event) => this.moveFocus(event.target, -1, 0),
      ArrowRight: (event) => this.moveFocus(event.target, 1, 0),
      ArrowUp: (event) => this.moveFocus(event.target, 0, -1),
      ArrowDown: (event) => this.moveFocus(event.target, 0, 1),
    });
    this.onLook(this.root, () => this.resize());
  }

  // ---- the state

  get games() {
    return this.model.get("_games");
  }

  get rounds() {
    return this.games[0].length;
  }

  get picks() {
    const picks = this.model.get("picks");
    return this.games[0].map((_, k) => picks[k] ?? 0);
  }

  get game() {
    return this.games[this.model.get("game") - 1];
  }

  get played() {
    return this.game[this.model.get("round") - 1]; // undefined at the result
  }

  // The candidate picked in this round, from 0; -1 before.
  get picked() {
    return (this.picks[this.model.get("round") - 1] ?? 0) - 1;
  }

  get result() {
    return resultOf(this.game, this.picks, this.margin, this.labels);
  }

  get playing() {
    return this.model.get("tab") === "game" && this.played !== undefined;
  }

  // ---- acting

  pick(k) {
    if (!this.playing || this.picked >= 0) return false;
    const picks = this.picks;
    picks[this.model.get("round") - 1] = k + 1;
    const inside = this.find(".stage").contains(this.shadow.activeElement);
    this.send("picks", picks);
    if (inside) this.find(".next").focus({ preventScroll: true }); // Enter goes on
    return true;
  }

  goOn() {
    if (this.model.get("tab") !== "game") return false;
    if (!this.played) return this.playAgain();
    if (this.picked < 0) return false;
    const round = this.model.get("round");
    const isOver = !this.picks.includes(0);
    // Looked back at from the result, a round leads back to it.
    this.showRound(isOver ? this.rounds + 1 : round + 1);
    return true;
  }

  showRound(round) {
    this.send("round", round);
    this.root.focus({ preventScroll: true }); // what had the focus may be hidden now
  }

  playAgain() {
    this.model.set("picks", this.picks.fill(0));
    this.model.set("round", 1);
    this.send("game", (this.model.get("game") % this.games.length) + 1);
    this.root.focus({ preventScroll: true });
    return true;
  }

  moveFocus(target, right, down) {
    if (target.matches("[role=tab]")) {
      const other = this.find("[role=tab][aria-selected=false]");
      if (!right) return false;
      other.click();
      other.focus();
      return true;
    }
    if (!this.playing) return false;
    const buttons = this.findAll(".candidate");
    const { gridTemplateColumns } = getComputedStyle(this.find(".candidates"));
    const columns = gridTemplateColumns.split(" ").length;
    const from = buttons.indexOf(target);
    const to = from < 0 ? 0 : from + right + columns * down;
    buttons[to]?.focus();
    return true;
  }

  light(k) {
    this.lit = k;
    this.line.light(k);
  }

  // ---- showing

  update() {
    const title = this.model.get("title");
    this.find(".title").textContent = title;
    this.root.setAttribute("aria-label", title || "Be the miner");
    const tab = this.model.get("tab");
    for (const button of this.findAll("[role=tab]")) {
      const selected = button.dataset.tab === tab;
      button.setAttribute("aria-selected", selected);
      button.tabIndex = selected ? 0 : -1;
    }
    this.find(".panel.game").hidden = tab !== "game";
    this.find(".panel.album").hidden = tab !== "album";
    // What stands on the page already, an answer or the album's count, is only heard.
    const isRead = tab === "album" || !this.played || this.picked >= 0;
    this.find(".status").classList.toggle("heard", isRead);
    if (tab === "game") this.updateGame();
    else this.updateAlbum();
  }

  updateGame() {
    const { score, streak } = this.result;
    this.find(".readout").textContent = `${plural(score, "point")} · streak ${streak}`;
    this.updateDots();
    this.find(".play").hidden = !this.played;
    this.find(".summary").hidden = Boolean(this.played);
    if (this.played) this.updateRound();
    else this.updateSummary();
  }

  updateDots() {
    const round = this.model.get("round");
    this.find(".dots").childNodes.forEach((dot, k) => {
      const pick = this.picks[k] - 1;
      const played = this.game[k];
      const isRight = rightPicks(played, this.margin).includes(pick);
      const state = pick < 0 ? "" : isRight ? "right" : "wrong";
      dot.className = `dot ${state} ${k + 1 === round ? "current" : ""}`;
      dot.replaceChildren(make("b", "", pick < 0 ? k + 1 : isRight ? "✓" : "✗"));
      dot.append(make("span", "step", played.step));
      dot.setAttribute("aria-label", `Round ${k + 1}, step ${played.step}: ${state || "open"}`);
    });
  }

  updateRound() {
    const { played, picked } = this;
    const round = this.model.get("round");
    const isHardest = played.task === "hardest";
    const task = this.find(".task");
    const what = make("strong", "", isHardest ? "the hardest" : "a semi-hard");
    const meaning = isHardest
      ? " negative, the one nearest to the anchor."
      : " negative, farther from the anchor than the positive, but by less than the margin of " +
        `${Number(formatted(this.margin))}.`;
    task.replaceChildren(`Round ${round}: pick `, what, meaning);
    this.find(".network").textContent =
      `What counts is the distance in the embedding of ${trainingOf(played.step)}. ` +
      (isHardest
        ? "Another network would see the same digits differently."
        : describeRing(played, this.margin));
    this.updatePictures();
    this.updateTags();
    this.updateVerdict();
    this.updateLine();
    this.say(this.describeRound(round, played, picked));
  }

  updatePictures() {
    const { played, pictureSize } = this;
    for (const role of ["anchor", "positive"]) {
      const picture = this.find(`.shown.${role} .picture`);
      this.sprite.place(picture, played[role], pictureSize);
      picture.setAttribute("aria-label", `${role}, ${withArticle(this.nameOf(played[role]))}`);
    }
    this.findAll(".candidate").forEach((button, k) => {
      this.sprite.place(button.querySelector(".picture"), played.candidates[k], pictureSize);
    });
  }

  // What is known of each candidate: before the pick its number alone.
  updateTags() {
    const { played, picked, margin } = this;
    const { positive, candidates } = played.network;
    const right = picked < 0 ? [] : rightPicks(played, margin);
    const picks = [
      [picked, "you"],
      [pickBy(played, "network"), "miner"],
      [pickBy(played, "pixels"), "pixels"],
    ];
    this.find(".candidates").classList.toggle("open", picked < 0);
    this.findAll(".candidate").forEach((button, k) => {
      const isRight = right.includes(k);
      const isWrong = picked === k && !isRight;
      const sign = isRight ? " ✓" : isWrong ? " ✗" : "";
      button.classList.toggle("right", isRight);
      button.classList.toggle("wrong", isWrong);
      button.querySelector(".key").textContent = `${k + 1}${sign}`;
      const tags = picked < 0 ? [] : picks.flatMap(([by, word]) => (by === k ? word : []));
      const kind = categoryOf(positive, candidates[k], margin);
      this.describeCandidate(button, k, picked < 0 ? "" : kind, tags);
    });
  }

  describeCandidate(button, k, kind, tags) {
    const distance = kind && formatted(this.played.network.candidates[k]);
    button.querySelector(".distance").textContent = distance;
    button.querySelector(".kind-name").replaceChildren(...(kind ? [makeSwatch(kind), kind] : []));
    button.querySelector(".tags").textContent = tags.join(" · ");
    const words = [candidateOf(this.played, k, this.nameOf)];
    if (kind) words.push(`at ${distance}`, kind);
    if (tags.length) words.push(`picked by ${listed(tags)}`);
    button.setAttribute("aria-label", words.join(", "));
  }

  updateVerdict() {
    const { played, picked, margin } = this;
    const verdict = this.find(".verdict");
    const next = this.find(".next");
    next.hidden = picked < 0;
    if (picked < 0) {
      const hint = make("p", "quiet");
      hint.textContent =
        "The eight candidates will appear on this line. A negative is hard if it lies no farther " +
        "from the anchor than the positive, semi-hard up to the margin beyond, easy from there on.";
      verdict.replaceChildren(hint);
      return;
    }
    const points = pointsOf(played, picked, margin);
    const heading = { 10: "✓ Right", 5: "✗ Close", 0: "✗ Not this one" }[points];
    const sentences = explain(played, picked, margin, this.nameOf);
    const others = compare(played, margin, this.nameOf);
    const title = make("p", "outcome", heading);
    title.append(make("span", "quiet", ` ${plural(points, "point")}`));
    const explanation = make("p", "", sentences.join(" "));
    verdict.replaceChildren(title, explanation, ...others.map((words) => make("p", "", words)));
    const isOver = !this.picks.includes(0);
    const isLast = this.model.get("round") === this.rounds;
    next.textContent = isOver || isLast ? "See the result" : "Next round";
    next.title = `${next.textContent} (Enter)`;
  }

  updateLine() {
    const { played, picked, margin, lit } = this;
    if (!played) return;
    const metric = DISTANCE_NAMES[this.model.get("_metric")];
    this.line.draw({ played, margin, pick: picked, metric, light: lit });
    const { positive, candidates } = played.network;
    const places = candidates.map((d, k) => `candidate ${k + 1} at ${formatted(d)}`);
    const known = [`the positive at ${formatted(positive)}`, ...(picked < 0 ? [] : places)];
    this.find(".line").setAttribute("aria-label", `Distances to the anchor: ${listed(known)}.`);
  }

  describeRound(round, played, picked) {
    const where = `Round ${round} of ${this.rounds}`;
    if (picked < 0) {
      const what = played.task === "hardest" ? "the hardest negative" : "a semi-hard negative";
      return `${where}: pick ${what} with a click or a key from 1 to ${played.candidates.length}.`;
    }
    const isRight = rightPicks(played, this.margin).includes(picked);
    const [why] = explain(played, picked, this.margin, this.nameOf);
    const { score, streak } = this.result;
    const outcome = isRight ? "right" : "wrong";
    return `${where}: ${outcome}. ${why} ${plural(score, "point")}, streak ${streak}.`;
  }

  // ---- the result

  updateSummary() {
    const { result } = this;
    const summary = this.find(".summary");
    const heading = `${result.right} of ${result.answered} right, ${plural(result.score, "point")}`;
    const left = make("div", "findings");
    left.append(
      make("h4", "", heading),
      this.makeBars(result),
      ...summarise(result, this.model.get("_classes")).map((words) => make("p", "", words)),
      this.makeAgain(),
    );
    summary.replaceChildren(left, this.makeTable());
    this.say(
      `Game ${this.model.get("game")} of ${this.games.length}: ${heading}. ` +
        `Raw pixels ${result.pixels}, chance ${result.chance.toFixed(1)}.`,
    );
  }

  makeBars({ answered, right, pixels, chance }) {
    const bars = make("div", "bars");
    const add = (name, value, text) => {
      const bar = make("div", "bar");
      bar.append(make("i"));
      bar.firstChild.style.width = `${answered ? (100 * value) / answered : 0}%`;
      bars.append(make("span", "", name), bar, make("span", "number", text));
    };
    add("you", right, right);
    add("raw pixels", pixels, pixels);
    add("chance", chance, chance.toFixed(1));
    bars.append(make("span", "axis-name", `right picks of ${answered}`));
    return bars;
  }

  makeAgain() {
    const row = make("div", "controls");
    const again = make("button", "again", "Play again with other digits");
    again.title = "Play again (Enter)";
    again.addEventListener("click", () => this.playAgain());
    const count = `game ${this.model.get("game")} of ${this.games.length}`;
    row.append(again, make("span", "quiet", count));
    return row;
  }

  makeTable() {
    const table = make("table", "rounds");
    const head = table.createTHead().insertRow();
    for (const name of ["round", "step", "task", "anchor", "you", "miner", "pixels"]) {
      const cell = make("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    this.game.forEach((played, k) => this.fillRow(body.insertRow(), played, k));
    return table;
  }

  fillRow(row, played, index) {
    const button = make("button", "look", index + 1);
    button.title = `Look at round ${index + 1} again`;
    button.setAttribute("aria-label", button.title);
    button.addEventListener("click", () => this.showRound(index + 1));
    row.insertCell().append(button);
    row.insertCell().textContent = played.step;
    row.insertCell().textContent = played.task;
    row.insertCell().append(this.makePicture(played.anchor, 28));
    const right = rightPicks(played, this.margin);
    const miner = pickBy(played, "network");
    for (const k of [this.picks[index] - 1, miner, pickBy(played, "pixels")]) {
      const cell = row.insertCell();
      if (k < 0) cell.textContent = "–";
      else {
        cell.append(this.makePicture(played.candidates[k], 28));
        cell.append(make("span", "sign", right.includes(k) ? "✓" : "✗"));
      }
    }
  }

  makePicture(index, size) {
    const picture = this.sprite.make(index, size);
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", this.nameOf(index));
    return picture;
  }

  // ---- the album

  updateAlbum() {
    this.find(".readout").textContent = "";
    const album = this.model.get("_album");
    const strategy = this.model.get("album_strategy");
    const when = this.model.get("album_snapshot");
    for (const [place, value] of [
      [".strategies", strategy],
      [".snapshots", when],
    ]) {
      for (const button of this.find(place).children) {
        button.setAttribute("aria-pressed", button.dataset.value === value);
      }
    }
    const words = describeAlbum(album, strategy, when);
    this.find(".album-count").textContent = words;
    this.find(".album-rule").textContent = STRATEGY_RULES[strategy];
    const kinds = kindsInOrder(album[when].strategies[strategy]);
    this.find(".kinds").replaceChildren(
      ...kinds.map((kind) => this.makeKind(album, strategy, when, kind)),
    );
    this.say(words);
  }

  makeKind(album, strategy, when, kind) {
    const { count, rows } = album[when].strategies[strategy][kind];
    const section = make("section", "kind");
    const heading = make("h4");
    const shown = rows.length < count ? `, ${rows.length} shown` : "";
    const numbers = `${count.toLocaleString("en")} picked${shown}`;
    heading.append(makeSwatch(kind), `${kind} `, make("span", "quiet", numbers));
    section.append(heading);
    if (!count) section.append(make("p", "none", whyNone(album, strategy, when, kind)));
    else section.append(this.makeMined(rows));
    return section;
  }

  makeMined(rows) {
    const table = make("table", "mined");
    const head = table.createTHead().insertRow();
    for (const role of ["anchor", "positive", "negative", "loss"]) {
      const cell = make("th");
      cell.scope = "col";
      cell.innerHTML = role === "loss" ? role : `${roleIcon(role)} ${role}`;
      head.append(cell);
    }
    const body = table.createTBody();
    const { items } = this.model.get("_album");
    for (const [anchor, positive, negative, inner, outer] of rows) {
      const row = body.insertRow();
      [anchor, positive, negative].forEach((item, k) => {
        const cell = row.insertCell();
        cell.append(this.makePicture(items[item], 56));
        if (k > 0) cell.append(make("span", "number", `at ${formatted([inner, outer][k - 1])}`));
      });
      const loss = shortly(lossOf(inner, outer, this.margin));
      row.insertCell().append(make("span", "number loss", loss));
    }
    return table;
  }

  // ---- the size

  resize() {
    const size = this.root.clientWidth < 440 ? 56 : 84; // whole multiples of 28 keep pixels square
    if (size !== this.pictureSize) {
      this.pictureSize = size;
      if (this.played) this.updatePictures();
    }
    this.updateLine();
  }
}

// What a whole game has taught, in sentences.
export function summarise({ answered, right, pixels, fooled }, classes) {
  if (!answered) return ["No round is answered yet."];
  const nameOf = (label) => classes.find((c) => c.label === label).name;
  const missed = answered - pixels;
  const words = [
    missed
      ? `Raw-pixel distance missed ${missed} of ${plural(answered, "answer")}: ` +
        "what is near for pixels is not what is near for the network."
      : "Here raw-pixel distance found every answer.",
  ];
  if (right === answered) return [...words, "Nothing fooled you."];
  const pairs = fooled.map(({ anchor, picked, miner }) =>
    picked === miner
      ? `one ${nameOf(picked)} against another (anchor ${nameOf(anchor)})`
      : `${nameOf(picked)} against ${nameOf(miner)} (anchor ${nameOf(anchor)})`,
  );
  return [...words, `You were fooled by ${listed([...new Set(pairs)])}.`];
}

// How narrow a target the semi-hard ring is, beside how far apart the candidates lie.
export function describeRing({ network: { positive, candidates } }, margin) {
  const [nearest, farthest] = [Math.min(...candidates), Math.max(...candidates)].map(formatted);
  return (
    `The eight lie from ${nearest} to ${farthest} away from the anchor; the ring is ` +
    `${Number(formatted(margin))} wide and begins at the positive, at ${formatted(positive)}.`
  );
}

// The kinds of mined triplets from easy to hard, those of which there are none last.
export const kindsInOrder = (mined) =>
  [...KINDS].reverse().sort((a, b) => !mined[a].count - !mined[b].count);

// What a strategy picked from the album's batch.
export function describeAlbum(album, strategy, when) {
  const { step, valid, strategies } = album[when];
  const countsOf = (group) => KINDS.map((kind) => group[kind].count ?? group[kind]);
  const total = (group) => countsOf(group).reduce((sum, count) => sum + count);
  const mined = strategies[strategy];
  const share = KINDS.map((kind, k) => `${countsOf(mined)[k].toLocaleString("en")} ${kind}`);
  const name = STRATEGY_NAMES[strategy];
  return (
    `One batch of ${album.classes} classes with ${album.images} images each, step ${step}: ` +
    `of its ${plural(total(valid), "valid triplet")} ${name} picks ` +
    `${total(mined).toLocaleString("en")}: ${listed(share)}.`
  );
}

// Why an album's page is empty.
export function whyNone(album, strategy, when, kind) {
  const left = album[when].valid[kind];
  if (strategy === "batch_all" && kind === "easy") {
    return (
      "None, by definition: batch all learns from positive triplets, and the loss of an easy " +
      `one is 0. It leaves out ${plural(left, "easy triplet")}.`
    );
  }
  const before = album.before.strategies[strategy][kind].count;
  const gone = when === "after" && before > 0;
  const past = `None left: before training it picked ${before.toLocaleString("en")}.`;
  const start = gone ? past : "None.";
  const name = STRATEGY_NAMES[strategy];
  return left
    ? `${start} The batch has ${plural(left, `${kind} triplet`)}, but ${name} picks none of them.`
    : `${start} The batch has no ${kind} triplet.`;
}

const STYLE = `
.miner {
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 68%, Canvas));
  display: grid; gap: 8px; position: relative;
}
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
h4 { font-size: 16px; font-weight: 600; }
.tabs { display: flex; flex-wrap: wrap; gap: 4px; border-bottom: 1px solid var(--line); }
.tabs button { border: none; border-radius: 4px 4px 0 0; border-bottom: 3px solid transparent; }
.tabs button[aria-selected="true"] { border-bottom-color: var(--accent); font-weight: 600; }
.journey { max-width: 620px; padding: 4px 0 8px; }
.dots { display: flex; padding: 0; list-style: none; }
.dot { flex: 1; display: grid; justify-items: center; gap: 2px; position: relative; min-width: 0; }
.dot::before {
  content: ""; position: absolute; top: 12px; left: -50%; width: 100%; height: 2px;
  background: var(--line);
}
.dot:first-child::before { display: none; }
.dot b {
  position: relative; z-index: 1; width: 26px; height: 26px; border-radius: 13px; line-height: 22px;
  border: 2px solid var(--line); background: var(--ground); text-align: center; font-weight: 500;
}
.dot.right b { border-color: var(--positive); }
.dot.wrong b { border-color: var(--negative); }
.dot.current b { outline: 2px solid var(--accent); outline-offset: 2px; font-weight: 700; }
.step { font-size: 11px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.play { display: grid; gap: 12px 28px; align-items: start; }
.question { display: grid; gap: 2px; }
.task { font-weight: 400; }
.stage { display: grid; gap: 12px 24px; }
.pair { display: flex; gap: 12px; }
figure { display: grid; justify-items: center; gap: 6px; padding: 8px; }
figcaption { white-space: nowrap; }
.candidates { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; }
.candidate {
  display: grid; justify-items: center; align-content: start; gap: 2px; padding: 4px 2px;
  border-width: 1px; position: relative;
}
.candidates:not(.open) .candidate { cursor: default; }
.candidate.right { border-color: var(--positive); box-shadow: inset 0 0 0 2px var(--positive); }
.candidate.wrong { border-color: var(--negative); box-shadow: inset 0 0 0 2px var(--negative); }
.top { display: flex; justify-content: space-between; width: 100%; padding: 0 8px; }
.key { font-weight: 700; }
.kind-name, .tags { height: 18px; line-height: 18px; white-space: nowrap; }
.tags { font-weight: 600; }
.swatch {
  display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px;
}
.line { position: relative; }
.line svg { display: block; overflow: visible; }
.zone { opacity: 0.14; }
.edge { stroke: var(--quiet); stroke-dasharray: 3 3; }
.axis { stroke: var(--quiet); }
.leader { stroke: var(--quiet); opacity: 0.6; }
.tick, .zone-name { font-size: 11px; fill: currentColor; }
.tick { text-anchor: middle; fill: var(--quiet); }
.mark { stroke: var(--ground); stroke-width: 1px; }
.mark.anchor { fill: currentColor; }
.mark.positive { fill: var(--positive); }
.mark.negative { fill: var(--negative); }
.chip { position: absolute; display: grid; justify-items: center; pointer-events: none; }
.frame { border-radius: 2px; }
.chip-caption { font-size: 11px; line-height: 14px; height: 14px; white-space: nowrap; }
.chip-caption { text-shadow: 0 0 2px var(--ground), 0 0 2px var(--ground), 0 0 3px var(--ground); }
.chip-caption .role-icon { width: 12px; height: 12px; vertical-align: top; }
.chip.right .frame { box-shadow: 0 0 0 2px var(--positive); }
.chip.wrong .frame { box-shadow: 0 0 0 2px var(--negative); }
.chip.lit { z-index: 1; }
.chip.lit .frame { outline: 2px solid var(--accent); outline-offset: 2px; }
.verdict { display: grid; gap: 4px; margin-top: 8px; }
.outcome { font-size: 16px; font-weight: 600; }
.outcome .quiet { font-weight: 400; }
.answer .controls { margin-top: 10px; }
.next, .again { border-color: var(--accent); color: inherit; font-weight: 600; }
.summary { display: grid; gap: 16px 36px; align-items: start; }
.findings { display: grid; gap: 10px; }
.bars {
  display: grid; grid-template-columns: max-content minmax(60px, 1fr) 32px; gap: 6px 10px;
  align-items: center; max-width: 460px;
}
.bar { height: 14px; background: color-mix(in srgb, currentColor 10%, transparent); }
.bar i { display: block; height: 100%; background: var(--accent); }
.bar:nth-of-type(n + 2) i { background: var(--quiet); }
.bars .axis-name { grid-column: 2; }
.axis-name { font-size: 11px; color: var(--quiet); }
table { border-collapse: collapse; font: inherit; }
th { font-weight: 400; color: var(--quiet); text-align: left; padding: 2px 8px 4px 0; }
td { padding: 2px 8px 2px 0; }
.rounds td { border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; }
.rounds .digit { display: inline-block; vertical-align: middle; }
.sign { margin-left: 4px; }
.look { padding: 0; border-color: transparent; text-decoration: underline; }
.choice { display: flex; flex-wrap: wrap; gap: 4px; margin-right: 16px; }
.choice [aria-pressed="true"] { color: inherit; font-weight: 600; }
.panel.album { display: grid; gap: 10px; }
.kinds {
  display: grid; gap: 20px; grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr));
}
.kind { min-width: 0; }
.kind h4 { padding-bottom: 4px; }
.kind h4 .quiet { font-size: 13px; font-weight: 400; }
.mined th { white-space: nowrap; }
.mined td { vertical-align: top; padding: 4px 20px 4px 0; }
.mined .number { display: block; width: 56px; text-align: center; }
.mined .loss { line-height: 56px; width: auto; text-align: left; }
.none { max-width: 40ch; padding-top: 6px; }
@container (min-width: 560px) {
  .stage { grid-template-columns: 104px minmax(0, 1fr); }
  .pair { flex-direction: column; justify-content: space-around; }
}
@container (min-width: 760px) {
  .summary { grid-template-columns: minmax(0, 1fr) max-content; }
}
@container (min-width: 940px) {
  .play { grid-template-columns: minmax(0, 560px) minmax(0, 1fr); }
  .question { grid-column: 1 / -1; }
}
@container (max-width: 439px) {
  .miner { padding: 8px; }
  .candidates { gap: 4px; }
  .candidate { padding: 4px 0; }
  .top { padding: 0 4px; }
  .top, .kind-name, .tags, .rounds, .mined th { font-size: 11px; }
  .kind-name .swatch { width: 8px; height: 8px; margin-right: 2px; }
  .mined td { padding-right: 14px; }
  .rounds td, .rounds th { padding-right: 3px; }
}
`;

export default { render };
