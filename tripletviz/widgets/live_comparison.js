// LiveComparison: several trainings side by side, and a form to add one.
//
// While a cell trains, an older front end's kernel hears no message; news from it proves then that
// it lives.

import {
  makeCheckbox,
  makeChoice,
  makeLearningRate,
  makeScale,
  makeSeed,
  makeSetting,
} from "./controls.js";
import { counted, linePath, nearestIndex, rangeOf, tickText } from "./curves.js";
import {
  CURVE_MEANINGS,
  DISTANCE_NAMES,
  clamp,
  formatted,
  make,
  makeSvg,
  mount,
  pointIn,
  readTheme,
  setAll,
} from "./shared.js";
import { TRAINABLE_STYLE, TrainableView } from "./trainable.js";

const SILENCE = 20; // seconds without news from a kernel that trains
const LONG_SILENCE = 120; // the same while it imports or compiles
const SIDE = { left: 42, top: 10, bottom: 18 }; // around a plot, in CSS pixels
const NAMES_FROM = 430; // width of a chart that has room for names at the lines' ends
const NAMES_WIDTH = 184;
const LETTERS_WIDTH = 30;
const LABEL_PITCH = 14;
const MOST_MARKS = 8; // on a line
const LOG_FROM = 40; // a loss whose runs differ by this factor needs a logarithmic axis

// Colour, dashes and mark of the runs, in the order in which they come.
const STYLES = [
  { color: "#0044dd", dash: "", mark: "circle" },
  { color: "#ee4400", dash: "8 4", mark: "square" },
  { color: "#882299", dash: "2 4", mark: "triangle" },
  { color: "#00891a", dash: "10 3 2 3", mark: "diamond" },
  { color: "#aa0000", dash: "5 3", mark: "cross" },
  { color: "#8a6d00", dash: "14 5", mark: "wedge" },
  { color: "#0088aa", dash: "1 3", mark: "plus" },
  { color: "#666666", dash: "6 3 1 3 1 3", mark: "ring" },
];
const MARKS = {
  circle: "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z",
  square: "M-3.3 -3.3h6.6v6.6h-6.6Z",
  triangle: "M0 -4.4L4.2 3.2H-4.2Z",
  diamond: "M0 -4.8L4.2 0L0 4.8L-4.2 0Z",
  cross: "M-4 -2.4L-2.4 -4L0 -1.6L2.4 -4L4 -2.4L1.6 0L4 2.4L2.4 4L0 1.6L-2.4 4L-4 2.4L-1.6 0Z",
  wedge: "M0 4.4L4.2 -3.2H-4.2Z",
  plus: "M-1.2 -4.2h2.4v3h3v2.4h-3v3h-2.4v-3h-3v-2.4h3Z",
  ring: "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0 -8.4 0ZM-2 0a2 2 0 1 1 4 0a2 2 0 1 1 -4 0Z",
};

const CHARTS = [
  { curve: "loss", title: "Loss", meaning: "(mean of the training batches)" },
  {
    curve: "fraction of positive triplets",
    title: "Positive triplets",
    meaning: CURVE_MEANINGS["positive triplets"],
  },
  { curve: "R@1", title: "R@1", meaning: "(held-out images)", near: true },
];
const EXTRAS = { "mean embedding norm": "Mean embedding norm", "mean distance": "Mean distance" };

const STRATEGY_NAMES = [
  ["batch_all", "batch all"],
  ["batch_hard", "batch hard"],
  ["batch_semi_hard", "semi-hard"],
  ["all_then_hard", "batch all, then batch hard"],
];
const MARGINS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10];
const HOW_TO_STOP = "· To stop: the ■ button of the toolbar (Kernel → Interrupt).";

// ---------------------------------------------------------------- numbers and words

// Index of the last look at or before a step, or -1.
export function lookAt(steps, step) {
  return steps.findLastIndex((each) => each <= step);
}

// All steps at which some run was looked at.
export function placesOf(runs) {
  return [...new Set(runs.flatMap((run) => run.steps))].sort((a, b) => a - b);
}

// Where a label of each line's end stands, so that no two overlap: `wanted` are heights, increasing
// downwards; the order is kept, and all stay between `top` and `bottom` if there is room.
export function spread(wanted, pitch, top, bottom) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const placed = [];
  let above = top - pitch;
  for (const i of order) {
    above = Math.max(wanted[i], above + pitch);
    placed[i] = above;
  }
  let below = bottom + pitch;
  for (const i of [...order].reverse()) {
    below = Math.min(placed[i], below - pitch);
    placed[i] = below;
  }
  return placed;
}

// Lower and upper end of an axis, and whether it is logarithmic.
export function axisOf(series, { near = false, loss = false } = {}) {
  const values = series.flat().filter((value) => value !== null);
  const positive = values.filter((value) => value > 0);
  const tops = series.map((each) => Math.max(...each.filter((value) => value !== null)));
  const apart = Math.max(...tops) / Math.min(...tops.filter((top) => top > 0));
  if (loss && apart > LOG_FROM) {
    const low = 10 ** Math.floor(Math.log10(Math.min(...positive)) + 1e-9);
    const high = 10 ** Math.ceil(Math.log10(Math.max(...positive)) - 1e-9);
    return { low, high: Math.max(high, 10 * low), log: true };
  }
  const [low, high] = rangeOf(values, near);
  return { low, high, log: false };
}

// Powers of ten from one to another, both among them, at most five of them.
export function decades(low, high) {
  const [first, last] = [low, high].map((value) => Math.round(Math.log10(value)));
  const by = Math.ceil((last - first) / 4);
  const count = Math.floor((last - first) / by) + 1;
  return Array.from({ length: count }, (_, i) => Number((10 ** (first + i * by)).toPrecision(1)));
}

// The levels of the untrained networks, each once: they differ where the distance does.
export function levelsOf(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return [...new Set(known.map((value) => Number(value.toFixed(3))))].sort((a, b) => a - b);
}

const shares = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
const arrow = (before, after) => `${shares(before)} → ${shares(after)}`;
const letterOf = (slot) => String.fromCharCode(65 + slot);
const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function secondsText(run) {
  return run.complete ? `${run.seconds < 10 ? run.seconds.toFixed(1) : Math.round(run.seconds)}` : "–";
}

// ---------------------------------------------------------------- one chart

class Chart {
  constructor({ curve, title, meaning = "", near = false }) {
    Object.assign(this, { curve, title, near });
    this.root = make("figure", "chart");
    this.root.dataset.curve = curve;
    const heading = make("figcaption");
    this.meaning = make("span", "quiet", meaning);
    this.usual = meaning;
    heading.append(make("span", "chart-name", title), " ", this.meaning);
    this.svg = makeSvg("svg", { role: "img" });
    this.layers = Object.fromEntries(
      ["grid", "levels", "lines", "labels", "cursor"].map((name) => [
        name,
        makeSvg("g", { class: name }),
      ]),
    );
    this.svg.append(...Object.values(this.layers));
    this.root.append(heading, this.svg);
  }

  // `runs`: those to draw, each with its slot and colour; `end`: last step; `cursor`: step or -1.
  paint(runs, end, cursor) {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width) return;
    const wide = width >= NAMES_FROM;
    const right = width - (wide ? NAMES_WIDTH : LETTERS_WIDTH);
    const bottom = height - SIDE.bottom;
    const series = runs.map((run) => run.curves[this.curve] ?? []);
    const levels = this.near ? levelsOf(runs.map((run) => run.untrained["R@1"])) : [];
    const axis = axisOf([...series, levels].filter((each) => each.some((v) => v !== null)), {
      near: this.near,
      loss: this.curve === "loss",
    });
    const place = axis.log ? Math.log : (value) => value;
    const [low, high] = [place(axis.low), place(axis.high)];
    const soft = this.curve.startsWith("fraction") && runs.some((run) => run.soft);
    this.words = soft ? `${this.usual.slice(0, -1)}; soft margin: hard ones)` : this.usual;
    this.toX = (step) => SIDE.left + (step / end) * (right - SIDE.left);
    this.toStep = (x) => ((x - SIDE.left) / (right - SIDE.left)) * end;
    this.toY = (value) => {
      if (value === null || (axis.log && value <= 0)) return null;
      return bottom - ((place(value) - low) / (high - low)) * (bottom - SIDE.top);
    };
    this.paintGrid(axis, right, bottom, end);
    this.paintLevels(levels, right, bottom);
    const drawn = runs.map((run, i) => ({
      ...run,
      xs: run.steps.map(this.toX),
      ys: series[i].map(this.toY),
    }));
    this.paintLines(drawn);
    this.paintLabels(drawn, right, bottom, wide);
    this.paintCursor(drawn, cursor, bottom);
    this.svg.setAttribute("aria-label", this.describe(runs));
  }

  text(content, attributes) {
    const element = makeSvg("text", { class: "axis-text", ...attributes });
    element.textContent = content;
    return element;
  }

  paintGrid({ low, high, log }, right, bottom, end) {
    const levels = log ? decades(low, high) : [low, (low + high) / 2, high];
    const lines = levels.flatMap((level) => [
      makeSvg("path", { d: `M${SIDE.left} ${this.toY(level)}H${right}` }),
      this.text(tickText(level), { x: SIDE.left - 6, y: this.toY(level) + 4, "text-anchor": "end" }),
    ]);
    const y = bottom + 14;
    this.layers.grid.replaceChildren(
      ...lines,
      this.text("0", { x: SIDE.left, y, "text-anchor": "middle" }),
      this.text("training step", { x: (SIDE.left + right) / 2, y, "text-anchor": "middle" }),
      this.text(counted(end), { x: right, y, "text-anchor": "middle" }),
    );
    const torn = !log && low > 0 ? `(axis from ${tickText(low)}, not 0)` : "";
    this.meaning.textContent = [this.words, log ? "(logarithmic axis)" : torn]
      .filter(Boolean)
      .join(" ");
  }

  paintLevels(levels, right, bottom) {
    const paths = levels.map((level) =>
      makeSvg("path", { d: `M${SIDE.left} ${this.toY(level)}H${right}` }),
    );
    if (levels.length) {
      const ends = [levels[0], levels.at(-1)].map(shares);
      const words = ends[0] === ends[1] ? ends[0] : `${ends[0]} to ${ends[1]}`;
      const y = this.toY(levels[0]);
      const below = y + 16 < bottom;
      const height = below ? y + 13 : this.toY(levels.at(-1)) - 5;
      paths.push(this.text(`untrained ${words}`, { x: right - 2, y: height, "text-anchor": "end" }));
    }
    this.layers.levels.replaceChildren(...paths);
  }

  paintLines(drawn) {
    const parts = drawn.map((run) => {
      const group = makeSvg("g", { class: "run" });
      group.dataset.name = run.name;
      group.style.setProperty("--run", run.color);
      const { dash, mark } = run.style;
      group.append(
        makeSvg("path", { class: "line", d: linePath(run.xs, run.ys), "stroke-dasharray": dash }),
      );
      const every = Math.ceil(run.xs.length / MOST_MARKS);
      run.xs.forEach((x, i) => {
        // Where a run ends its mark stands in any case; the others are dealt from there.
        if ((run.xs.length - 1 - i) % every || run.ys[i] === null) return;
        const place = `translate(${x.toFixed(1)} ${run.ys[i].toFixed(1)})`;
        group.append(makeSvg("path", { class: "mark", d: MARKS[mark], transform: place }));
      });
      return group;
    });
    this.layers.lines.replaceChildren(...parts);
  }

  paintLabels(drawn, right, bottom, wide) {
    const there = drawn.filter((run) => run.ys.some((y) => y !== null));
    const ends = there.map((run) => run.ys.findLast((y) => y !== null));
    const heights = spread(ends, LABEL_PITCH, SIDE.top, bottom - 2);
    const labels = there.map((run, i) => {
      const x = run.xs[run.ys.findLastIndex((y) => y !== null)];
      const words = wide ? `${run.letter} ${shortened(run.name, 24)}` : run.letter;
      const group = makeSvg("g", { class: "label" });
      group.style.setProperty("--run", run.color);
      const lead = `M${x + 3} ${ends[i]}L${right + 8} ${heights[i]}`;
      group.append(
        makeSvg("path", { class: "lead", d: lead }),
        this.text(words, { x: right + 11, y: heights[i] + 4, class: "label-text" }),
      );
      return group;
    });
    this.layers.labels.replaceChildren(...labels);
  }

  paintCursor(drawn, cursor, bottom) {
    if (cursor < 0) {
      this.layers.cursor.replaceChildren();
      return;
    }
    const x = this.toX(cursor);
    const dots = drawn.flatMap((run) => {
      const i = lookAt(run.steps, cursor);
      if (i < 0 || run.ys[i] === null || run.ys[i] === undefined) return [];
      const dot = makeSvg("circle", { cx: run.xs[i], cy: run.ys[i], r: 5 });
      dot.style.setProperty("--run", run.color);
      return [dot];
    });
    this.layers.cursor.replaceChildren(
      makeSvg("path", { d: `M${x} ${SIDE.top}V${bottom}` }),
      ...dots,
    );
  }

  describe(runs) {
    const words = runs.map((run) => {
      const known = (run.curves[this.curve] ?? []).filter((value) => value !== null);
      const ends = [known[0], known.at(-1)].map(formatted);
      return known.length ? `${run.name} from ${ends[0]} to ${ends[1]}` : `${run.name} nothing`;
    });
    return `${this.title} over training: ${words.join("; ") || "nothing yet"}.`;
  }
}

// ---------------------------------------------------------------- the form

function makeSwitch(total) {
  const input = make("input");
  const last = Math.max(total - 1, 1);
  Object.assign(input, { type: "number", min: 1, max: last, step: 1 });
  return makeSetting("switch_step", "Batch hard from step", input, {
    read: () => clamp(Math.round(Number(input.value)) || 1, 1, last),
    write: (value) => (input.value = value),
  });
}

function makeForm(total) {
  return [
    makeChoice("metric", "Distance", Object.entries(DISTANCE_NAMES)),
    makeCheckbox("normalize", "L2 normalisation"),
    makeChoice("strategy", "Strategy", STRATEGY_NAMES),
    makeSwitch(total),
    makeScale("margin", "Margin", MARGINS),
    makeLearningRate(),
    makeSeed(),
  ];
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget comparison" tabindex="0" role="group">
  <header><h3 class="title"></h3></header>
  <p class="empty">No run yet.</p>
  <div class="charts"></div>
  <div class="reader controls">
    <label class="at"><span>Read at step</span>
      <input class="place" type="range" min="0" step="1"><output class="number"></output></label>
    <label><span>Also show</span><select class="extra"></select></label>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
  <div class="rows" tabindex="0" role="region" aria-label="Table of the runs"><table>
    <thead><tr><th scope="col">Run</th><th scope="col">Settings that differ</th>
      <th scope="col" class="figures">R@1 untrained<br>→ trained</th>
      <th scope="col" class="figures">MAP@R untrained<br>→ trained</th>
      <th scope="col" class="figures">Seconds</th><th scope="col">What came of it</th>
      <th scope="col">Curve</th></tr></thead>
    <tbody></tbody></table></div>
  <div class="activity">
    <button class="stop" title="Stop this training after its step, and train no others">Stop</button>
    <div class="activity-words"><p class="message"></p>
      <progress class="progress" max="1" aria-label="Training"></progress></div>
  </div>
  <p class="note quiet"></p>
  <details class="training">
    <summary>Train another run</summary>
    <div class="settings"></div>
    <div class="act">
      <button class="train" title="Train in the kernel with these settings">Train</button>
      <p class="advice"></p>
    </div>
  </details>
</section>`;

const render = (context) =>
  mount(context, "live-comparison", TRAINABLE_STYLE + STYLE, TEMPLATE, View);

class View extends TrainableView {
  constructor(model, shadow) {
    super(model, shadow);
    this.slots = new Map(); // from a run's name to its place among the styles
    this.charts = [];
    this.form = makeForm(model.get("total_steps"));
    this.news = false; // whether the kernel has told anything since
    this.heard = performance.now();
    this.build();
    this.listen();
    this.listenToKernel();
    this.update();
  }

  build() {
    const extras = Object.entries({ "": "nothing more", ...EXTRAS });
    this.find(".extra").append(...extras.map(([value, text]) => new Option(text, value)));
    this.find(".settings").append(...this.form.map((setting) => setting.root));
  }

  // ---- listening

  listen() {
    this.follow(["_runs", "state", "message", "progress"], () => {
      this.news = true;
      this.heard = performance.now();
      this.update();
    });
    const names = this.form.map(({ name }) => name);
    this.follow(["hidden", "extra", "title", "_finding", "_note", "total_steps", ...names], () =>
      this.update(),
    );
    this.follow("cursor", () => this.repaint());
    const place = this.find(".place");
    this.on(place, "input", () => this.readAt(Number(place.value)));
    this.on(this.find(".extra"), "change", (event) => this.send("extra", event.target.value));
    this.on(this.find(".stop"), "click", () => this.stop());
    this.listenToForm();
    // The form and the table keep their keys.
    const unless = (action) => (event) =>
      event.target.closest(".settings, .rows") ? false : action();
    this.onKeys({
      ArrowLeft: unless(() => this.move(-1)),
      ArrowDown: unless(() => this.move(-1)),
      ArrowRight: unless(() => this.move(1)),
      ArrowUp: unless(() => this.move(1)),
      Home: unless(() => this.readAt(0)),
      End: unless(() => this.readAt(Infinity)),
    });
    this.onLook(this.root, () => {
      this.theme = readTheme(this.root);
      this.update();
    });
    const ticking = setInterval(() => this.busy && this.update(), 1000);
    this.undo.push(() => clearInterval(ticking));
  }

  hear(type) {
    if (type === "alive" && !this.alive) this.find(".training").open = true;
    super.hear(type);
    if (type === "stopping") this.endWaiting();
    this.heard = performance.now();
  }

  // ---- acting

  get isTold() {
    return this.alive || this.news;
  }

  get places() {
    return placesOf(this.shownRuns());
  }

  stop() {
    if (this.busy) this.ask("stop");
  }

  // Reads the curves at a place among the looks; at the last one it is the end.
  readAt(index) {
    const { places } = this;
    if (!places.length) return;
    const last = index >= places.length - 1;
    this.sendSoon("cursor", last ? -1 : places[Math.max(index, 0)]);
  }

  move(direction) {
    const { places } = this;
    const cursor = this.model.get("cursor");
    const at = cursor < 0 ? places.length - 1 : nearestIndex(places, cursor);
    this.readAt(at + direction);
  }

  toggle(name) {
    const hidden = this.model.get("hidden");
    const isHidden = hidden.includes(name);
    this.send("hidden", isHidden ? hidden.filter((each) => each !== name) : [...hidden, name]);
  }

  // ---- showing

  // A run keeps its style as long as it is there.
  allRuns() {
    const runs = this.model.get("_runs");
    const names = runs.map((run) => run.name);
    for (const name of [...this.slots.keys()]) if (!names.includes(name)) this.slots.delete(name);
    for (const name of names) {
      if (this.slots.has(name)) continue;
      const taken = new Set(this.slots.values());
      this.slots.set(name, [...STYLES.keys(), 0].find((slot) => !taken.has(slot)) ?? 0);
    }
    return runs.map((run) => {
      const slot = this.slots.get(run.name);
      const style = STYLES[slot];
      const color = this.theme ? `rgb(${this.theme.markColor(style.color)})` : style.color;
      return { ...run, style, color, letter: letterOf(slot) };
    });
  }

  shownRuns() {
    const hidden = this.model.get("hidden");
    return this.allRuns().filter((run) => !hidden.includes(run.name));
  }

  // Everything but the curves, which are painted.
  update() {
    const { model } = this;
    const title = model.get("title") || model.get("_finding");
    this.find(".title").textContent = title;
    this.root.setAttribute("aria-label", title);
    this.find(".note").textContent = model.get("_note");
    const none = !model.get("_runs").length;
    this.find(".empty").hidden = !none || this.busy;
    for (const part of ["charts", "reader", "rows"]) this.find(`.${part}`).hidden = none;
    this.find(".extra").value = model.get("extra");
    this.updateCharts();
    this.updateRows();
    this.updateForm();
    this.updateActivity();
    this.repaint();
  }

  updateCharts() {
    const extra = this.model.get("extra");
    const kinds = extra ? [...CHARTS, { curve: extra, title: EXTRAS[extra] }] : CHARTS;
    if (String(kinds.map((k) => k.curve)) === String(this.charts.map((c) => c.curve))) return;
    this.charts = kinds.map((kind) => new Chart(kind));
    this.find(".charts").replaceChildren(...this.charts.map((chart) => chart.root));
    for (const chart of this.charts) {
      this.onDrag(chart.svg, (event) => {
        const [x] = pointIn(chart.svg, event);
        const step = clamp(chart.toStep(x), 0, this.model.get("total_steps"));
        this.readAt(nearestIndex(this.places, step));
      });
    }
  }

  updateRows() {
    const body = this.find("tbody");
    const runs = this.allRuns();
    const rows = new Map([...body.children].map((row) => [row.dataset.name, row]));
    const wanted = runs.map((run) => {
      const row = rows.get(run.name) ?? this.makeRow(run);
      this.fillRow(row, run);
      return row;
    });
    // Rows stay the same elements, so that a button keeps its focus.
    if (String(wanted.map((r) => r.dataset.name)) !== String([...rows.keys()])) {
      body.replaceChildren(...wanted);
    }
  }

  makeRow({ name, own }) {
    const row = make("tr");
    row.dataset.name = name;
    const head = make("th", "run-name");
    head.scope = "row";
    const figures = () => make("td", "figures number");
    const cells = [head, make("td"), figures(), figures(), figures(), make("td"), make("td", "acts")];
    row.append(...cells);
    const show = make("button", "show");
    show.addEventListener("click", () => this.toggle(name));
    cells[6].append(show);
    if (own) {
      const remove = make("button", "remove", "Remove");
      remove.setAttribute("aria-label", `Remove ${name}`);
      remove.addEventListener("click", () => this.tell({ type: "remove", name }));
      cells[6].append(remove);
    }
    return row;
  }

  fillRow(row, run) {
    const [head, settings, recall, map, seconds, verdict] = row.children;
    const isHidden = this.model.get("hidden").includes(run.name);
    const looks = `${run.color} ${run.letter}`;
    if (head.dataset.looks !== looks) {
      head.dataset.looks = looks;
      const sample = makeSvg("svg", { viewBox: "0 0 40 12", "aria-hidden": "true", class: "sample" });
      sample.style.setProperty("--run", run.color);
      const { dash, mark } = run.style;
      sample.append(
        makeSvg("path", { class: "line", d: "M1 6H39", "stroke-dasharray": dash }),
        makeSvg("path", { class: "mark", d: MARKS[mark], transform: "translate(20 6)" }),
      );
      head.replaceChildren(sample, make("span", "letter", run.letter), ` ${run.name}`);
    }
    const write = (cell, text) => cell.textContent !== text && (cell.textContent = text);
    write(settings, run.differ || "the same");
    const now = run.curves["R@1"]?.at(-1);
    const before = run.untrained;
    write(recall, arrow(before["R@1"], run.complete ? run.trained["R@1"] : now));
    write(map, run.complete ? arrow(before["MAP@R"], run.trained["MAP@R"]) : shares(before["MAP@R"]));
    write(seconds, secondsText(run));
    const ended = run.stopped ? `stopped at step ${run.steps.at(-1)}; ` : "";
    write(verdict, run.complete ? ended + run.verdict : `at step ${run.steps.at(-1)}`);
    row.classList.toggle("hidden-run", isHidden);
    const show = row.querySelector(".show");
    write(show, isHidden ? "Show" : "Hide");
    show.setAttribute("aria-label", `${isHidden ? "Show" : "Hide"} ${run.name}`);
    const remove = row.querySelector(".remove");
    if (remove) remove.hidden = !this.alive || !run.complete;
  }

  updateForm() {
    super.updateForm();
    const { root } = this.form.find(({ name }) => name === "switch_step");
    root.hidden = this.model.get("strategy") !== "all_then_hard";
    this.find(".advice").textContent = this.adviceNow();
  }

  adviceNow() {
    if (this.busy) return "One training at a time: the form waits until this one has ended.";
    return this.alive
      ? "The curves of the new run grow in the charts above; it takes some seconds in the kernel."
      : "Training needs a running kernel. The runs above can be read and hidden without one.";
  }

  updateActivity() {
    const { busy } = this;
    this.updateMessage();
    this.find(".activity").hidden = !this.find(".message").textContent;
    const stop = this.find(".stop");
    stop.hidden = !busy || !this.alive; // a kernel that has not answered hears no button
    stop.disabled = this.pending === "stop";
    if (!busy && this.pending === "stop") this.endWaiting();
  }

  messageNow(state) {
    const { busy, pending } = this;
    if (pending === "train") return this.askingWords;
    if (busy) {
      const silent = (performance.now() - this.heard) / 1000;
      const limit = this.model.get("progress") > 0 ? SILENCE : LONG_SILENCE;
      if (silent > limit) return `No news from the kernel for ${Math.round(silent)} s.`;
      if (pending === "stop" && this.late) {
        return "The kernel does not hear this button while it trains: press ■ in the toolbar.";
      }
      if (pending === "stop") return "Stopping ...";
      return this.model.get("message") + (this.alive ? "" : ` ${HOW_TO_STOP}`);
    }
    return this.isTold ? this.model.get("message") : "";
  }

  paint() {
    const runs = this.shownRuns();
    const end = Math.max(this.model.get("total_steps"), 1);
    const cursor = this.model.get("cursor");
    for (const chart of this.charts) chart.paint(runs, end, cursor);
    const { places } = this;
    const place = this.find(".place");
    const at = cursor < 0 ? places.length - 1 : nearestIndex(places, cursor);
    place.max = Math.max(places.length - 1, 0);
    place.value = Math.max(at, 0);
    place.disabled = places.length < 2;
    const where = cursor < 0 ? `end (${counted(places.at(-1) ?? 0)})` : counted(cursor);
    this.find(".at output").textContent = places.length ? where : "";
    place.setAttribute("aria-valuetext", cursor < 0 ? `the end, ${where}` : `step ${where}`);
    this.say(this.words(runs, cursor));
  }

  words(runs, cursor) {
    if (!runs.length) return this.model.get("_runs").length ? "All runs are hidden." : "No run yet.";
    if (this.busy) return "Training: the newest curve is still growing.";
    const said = runs.map((run) => {
      const i = cursor < 0 ? run.steps.length - 1 : lookAt(run.steps, cursor);
      const value = (curve) => run.curves[curve]?.[i];
      const extra = this.model.get("extra");
      const more = extra ? `, ${extra} ${formatted(value(extra))}` : "";
      const ended = cursor > run.steps.at(-1) ? ` (ended at step ${run.steps.at(-1)})` : "";
      return (
        `${run.letter} ${run.name}${ended}: R@1 ${shares(value("R@1"))}, loss ` +
        `${formatted(value("loss"))}, positive triplets ` +
        `${formatted(value("fraction of positive triplets"))}${more}`
      );
    });
    return `${cursor < 0 ? "At the end" : `At step ${counted(cursor)}`}: ${said.join("; ")}.`;
  }
}

const STYLE = `
.comparison { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
.charts {
  display: grid; gap: 8px 14px;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) minmax(0, 1.5fr);
}
.charts:has(.chart:nth-child(4)) { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.chart { min-width: 0; align-self: end; }
.chart figcaption { margin-bottom: 2px; }
.chart-name { font-weight: 600; }
.chart svg { display: block; width: 100%; height: 196px; touch-action: none; cursor: crosshair; }
.grid path { stroke: var(--line); stroke-width: 1; opacity: 0.55; }
.axis-text { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.levels path { fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 3 4; }
.levels text, .label-text { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; }
.line { fill: none; stroke: var(--run); stroke-width: 2; stroke-linejoin: round; }
.mark { fill: var(--run); stroke: var(--ground); stroke-width: 0.8; fill-rule: evenodd; }
.lead { fill: none; stroke: currentColor; stroke-width: 1; stroke-dasharray: 1 4; opacity: 0.5; }
.label-text { font-size: 11px; fill: currentColor; font-weight: 600; }
.cursor path { stroke: currentColor; stroke-width: 1.5; }
.cursor circle { fill: var(--run); stroke: var(--ground); stroke-width: 2; }
.reader .at { flex: 1 1 300px; }
.place { flex: 1 1 auto; max-width: 520px; }
.at output { min-width: 76px; }
.rows { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: var(--text); }
:host(.projected) details { display: none; }
th, td { padding: 2px 8px; text-align: left; vertical-align: middle; }
thead th { color: var(--quiet); font-weight: 400; vertical-align: bottom; line-height: 1.2; }
tbody tr { border-top: 1px solid var(--line); }
.figures { text-align: right; white-space: nowrap; }
.run-name { font-weight: 600; min-width: 200px; }
.sample { width: 40px; height: 12px; vertical-align: -1px; margin-right: 8px; }
.letter { display: inline-block; min-width: 16px; }
.hidden-run :is(.run-name, td:not(.acts)) { opacity: 0.6; }
.acts { white-space: nowrap; }
.acts button { min-width: 60px; margin-right: 4px; }
.activity { display: flex; align-items: center; gap: 12px; min-height: 44px; }
.activity-words { flex: 1; min-width: 0; }
.training { border: 1px solid var(--line); border-radius: 4px; padding: 0 12px; }
summary { min-height: 44px; padding: 12px 0; font-weight: 600; cursor: pointer; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.act { flex-wrap: wrap; padding-bottom: 8px; }
@container (max-width: 859px) {
  .charts, .charts:has(.chart:nth-child(4)) { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .chart:last-child:nth-child(odd) { grid-column: 1 / -1; }
  th, td { padding: 2px 4px; }
  .figures { white-space: normal; }
  td:nth-child(2) { min-width: 132px; }
  .run-name { min-width: 0; }
  .sample { display: block; margin-bottom: 3px; }
}
@container (max-width: 519px) {
  .charts, .charts:has(.chart:nth-child(4)) { grid-template-columns: minmax(0, 1fr); }
  .comparison { padding: 8px; }
  .setting { flex: 1 1 100%; justify-content: space-between; }
  .tick { flex-direction: row; }
}
`;

export default { render };
