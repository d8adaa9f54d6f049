// CollapseSimulator: trainings that end in one point, and what saves them.
//
// `initialize` runs the clock, once for each model; `render` builds a view, as often as the widget
// is shown. They meet only in the model's traits.

import {
  makeCheckbox,
  makeChoice,
  makeLearningRate,
  makeMenu,
  makeRange,
  makeSeed,
  makeSetting,
  shortNumber,
} from "./controls.js";
import {
  clamp,
  floatsOf,
  formatted,
  icon,
  intsOf,
  make,
  makeSvg,
  mount,
  pixelRatio,
  readTheme,
  reducedMotion,
  runClock,
} from "./shared.js";
import { TRAINABLE_STYLE, TrainableView } from "./trainable.js";

const SNAPSHOTS_PER_SECOND = 8;
const EDGE = 22; // around the outermost points, in CSS pixels
const GLYPH = 13; // height of a digit in the plot, in CSS pixels
const STRATEGY_NAMES = {
  batch_all: "Batch all",
  batch_hard: "Batch hard",
  batch_semi_hard: "Semi-hard",
};
const SETTING_WORDS = {
  strategy: "strategy",
  learning_rate: "learning rate",
  margin: "margin",
  soft_margin: "soft margin",
  normalize: "L2 normalisation",
  classes_per_batch: "classes per batch",
  images_per_class: "images per class",
  warm_up: "warm-up",
  steps: "steps",
  seed: "seed",
};
const OWN = "own";
const NEEDS_KERNEL = "Training needs a running kernel.";

// ---------------------------------------------------------------- the data

// The floats of an array that Python sent as text.
export function floatsFromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

// What is drawn of the run that a model shows, or null: there may be none yet.
function shownRun(model) {
  const recipe = model.get("recipe");
  if (recipe === OWN) return model.get("_own").steps ? model.get("_own") : null;
  return model.get("_recipes").find((entry) => entry.name === recipe)?.run ?? null;
}

const lastSnapshot = (model) => Math.max((shownRun(model)?.steps.length ?? 1) - 1, 0);

// Left, right, bottom and top of points `from` to `to` (numbers of floats).
export function boundsOfPoints(points, from, to) {
  const bounds = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = from; i < to; i += 2) {
    bounds[0] = Math.min(bounds[0], points[i]);
    bounds[1] = Math.max(bounds[1], points[i]);
    bounds[2] = Math.min(bounds[2], points[i + 1]);
    bounds[3] = Math.max(bounds[3], points[i + 1]);
  }
  return bounds;
}

// All points at a fractional snapshot, on straight lines between the two around it.
export function pointsAt(points, count, position, last) {
  const before = Math.min(Math.floor(position), last);
  const after = Math.min(before + 1, last);
  const part = position - before;
  return Float32Array.from({ length: 2 * count }, (_, i) => {
    const start = points[2 * before * count + i];
    return part ? start + (points[2 * after * count + i] - start) * part : start;
  });
}

// The training step at a fractional snapshot.
export function stepAt(steps, position) {
  const before = Math.min(Math.floor(position), steps.length - 1);
  const after = Math.min(before + 1, steps.length - 1);
  return steps[before] + (steps[after] - steps[before]) * (position - before);
}

// One scale for both axes: pixels = origin + scale * value, upwards for y.
export function scaleFor([left, right, bottom, top], width, height) {
  const scale = Math.min(
    (width - 2 * EDGE) / (right - left || Number.MIN_VALUE),
    (height - 2 * EDGE) / (top - bottom || Number.MIN_VALUE),
  );
  const known = Number.isFinite(scale) ? scale : 1; // all points in one place
  return {
    scale: known,
    originX: width / 2 - (known * (left + right)) / 2,
    originY: height / 2 + (known * (bottom + top)) / 2,
  };
}

// The largest of 1, 2, 5 times a power of ten that is at most `limit`.
export function roundBelow(limit) {
  const power = 10 ** Math.floor(Math.log10(limit));
  const factor = [5, 2, 1].find((each) => each * power <= limit * (1 + 1e-9)) ?? 1;
  return Number((factor * power).toPrecision(1));
}

// Where an axis from 0 ends that has to hold `value`.
export function roundAbove(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * 1.02) ?? 15;
  return Number((factor * power).toPrecision(2));
}

// Which settings differ from those of a run, in words: what training anew would try.
export function describeChanges(now, before) {
  const said = (name, value) => {
    if (name === "strategy") return STRATEGY_NAMES[value].toLowerCase();
    return typeof value === "boolean" ? (value ? "on" : "off") : shortNumber(value);
  };
  const change = (name) => `${said(name, before[name])} → ${said(name, now[name])}`;
  return Object.keys(SETTING_WORDS)
    .filter((name) => now[name] !== before[name])
    .map((name) => `${SETTING_WORDS[name]} ${change(name)}`);
}

// What a run shows, for the heading: it must not speak of a collapse over one that is healthy.
export function titleOf(run) {
  const level = run?.settings.soft_margin ? "ln 2" : "the margin";
  const recall = run?.curves["R@1"] ?? [];
  const titles = {
    collapsed: `Collapse: all points draw together, and the loss stops at ${level}`,
    healthy:
      `No collapse: the classes come apart, R@1 rises from ${formatted(recall[0])} to ` +
      formatted(recall.at(-1)),
    undecided: "Neither collapsed nor healthy: what would more steps bring?",
    diverged: "The loss is no longer a number: the steps were too large",
  };
  return titles[run?.verdict] ?? "Do the classes come apart, or do all points draw together?";
}

// Small numbers keep their size; a zero is said to be one only if it is.
export function spoken(value) {
  if (value === 0) return "0";
  if (value !== null && Math.abs(value) < 0.001) return Number(value.toPrecision(2)).toString();
  return formatted(value);
}

// ---------------------------------------------------------------- the clock

const initialize = ({ model }) =>
  runClock(model, {
    last: () => lastSnapshot(model),
    speed: () => SNAPSHOTS_PER_SECOND,
    jumps: 4, // one every half second
  });

// ---------------------------------------------------------------- the plot

// The embedding as it is, two dimensions; a bar as long as the margin gives its size.
class Plot {
  constructor(canvas, classOf, classes) {
    Object.assign(this, { canvas, classOf, classes, count: classOf.length });
    this.context = canvas.getContext("2d");
  }

  resize(width, height, theme) {
    Object.assign(this, { width, height, theme });
    this.canvas.width = Math.round(width * pixelRatio());
    this.canvas.height = Math.round(height * pixelRatio());
    this.colors = this.classes.map((c) => `rgb(${theme.markColor(c.color)})`);
  }

  start() {
    const pen = this.context;
    pen.setTransform(pixelRatio(), 0, 0, pixelRatio(), 0, 0);
    pen.fillStyle = this.theme.background;
    pen.fillRect(0, 0, this.width, this.height);
    pen.textBaseline = "middle";
    return pen;
  }

  paintNothing(words) {
    const pen = this.start();
    pen.fillStyle = this.theme.foreground;
    pen.font = `13px ${this.theme.font}`;
    pen.textAlign = "center";
    pen.fillText(words, this.width / 2, this.height / 2, this.width - 20);
  }

  // `run` as `View.run`, `fit` whether to zoom to the points as they are now.
  paint(run, position, fit) {
    const points = pointsAt(run.points, this.count, position, run.last);
    const now = boundsOfPoints(points, 0, points.length);
    const { scale, originX, originY } = scaleFor(fit ? now : run.bounds, this.width, this.height);
    this.view = { scale, originX, originY };
    const pen = this.start();
    this.paintGround(pen, run);
    this.paintPoints(pen, points);
    const [left, right, bottom, top] = now;
    this.tight = Math.max(right - left, top - bottom) * scale < GLYPH;
    if (this.tight) this.paintCrowd(pen, (left + right) / 2, (bottom + top) / 2);
    this.paintBar(pen, run);
  }

  paintGround(pen, { settings }) {
    const { scale, originX, originY } = this.view;
    pen.strokeStyle = this.theme.foreground;
    pen.globalAlpha = 0.18;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, originY);
    pen.lineTo(this.width, originY);
    pen.moveTo(originX, 0);
    pen.lineTo(originX, this.height);
    pen.stroke();
    if (settings.normalize && scale < 1e6) {
      pen.globalAlpha = 0.4;
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.arc(originX, originY, scale, 0, 2 * Math.PI);
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.globalAlpha = 1;
  }

  paintPoints(pen, points) {
    const { scale, originX, originY } = this.view;
    pen.font = `600 ${GLYPH}px ${this.theme.font}`;
    pen.textAlign = "center";
    for (let i = 0; i < this.count; i += 1) {
      const k = this.classOf[i];
      pen.fillStyle = this.colors[k];
      pen.fillText(
        this.classes[k].mark,
        originX + scale * points[2 * i],
        originY - scale * points[2 * i + 1],
      );
    }
  }

  // Where all lie upon one another nobody can count them.
  paintCrowd(pen, x, y) {
    const { scale, originX, originY } = this.view;
    const place = [originX + scale * x, originY - scale * y];
    pen.strokeStyle = this.theme.foreground;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(...place, 16, 0, 2 * Math.PI);
    pen.stroke();
    const words = `all ${this.count} points`;
    pen.font = `600 13px ${this.theme.font}`;
    const isLeft = place[0] < this.width / 2;
    pen.textAlign = isLeft ? "left" : "right";
    this.write(pen, words, place[0] + (isLeft ? 22 : -22), place[1]);
  }

  paintBar(pen, { settings, level }) {
    const { scale } = this.view;
    pen.font = `11px ${this.theme.font}`;
    pen.textAlign = "left";
    const [left, bottom] = [12, this.height - 12];
    const room = this.width - 2 * left;
    const value = settings.soft_margin ? roundBelow((0.3 * room) / scale) : level;
    const name = `${settings.soft_margin ? "distance" : "margin"} ${shortNumber(value)}`;
    const length = scale * value;
    if (length > room) {
      const times = shortNumber(Number((length / this.width).toPrecision(2)));
      const words = `${name} is ${times} times as long as this picture is wide`;
      this.write(pen, words, left, bottom - 2);
      return;
    }
    pen.strokeStyle = this.theme.foreground;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(left, bottom - 5);
    pen.lineTo(left, bottom);
    pen.lineTo(left + length, bottom);
    pen.lineTo(left + length, bottom - 5);
    pen.stroke();
    this.write(pen, name, left, bottom - 14);
  }

  // Words that stay readable above points.
  write(pen, words, x, y) {
    pen.lineJoin = "round";
    pen.lineWidth = 4;
    pen.strokeStyle = this.theme.background;
    pen.fillStyle = this.theme.foreground;
    pen.strokeText(words, x, y, this.width - 24);
    pen.fillText(words, x, y, this.width - 24);
  }
}

// ---------------------------------------------------------------- the charts

// What the charts show of a run: `values` with their training steps, a line to compare with.
const CHARTS = [
  {
    name: "loss",
    title: "Loss of each batch",
    perStep: true,
    values: (run) => run.loss,
    mark: ({ settings, level }) => [
      level,
      settings.soft_margin ? "ln 2 = 0.693" : `margin ${shortNumber(level)}`,
    ],
  },
  {
    name: "fraction",
    title: "Positive triplets",
    meaning: "(loss above 0)",
    softTitle: "Hard triplets",
    softMeaning: "(loss above ln 2)",
    values: (run) => run.curves["fraction positive"],
    top: 1,
  },
  {
    name: "spread",
    title: "Mean distance of two points",
    values: (run) => run.curves.spread,
  },
  {
    name: "norm",
    title: "Mean embedding norm",
    values: (run) => run.curves.norm,
  },
  {
    name: "recall",
    title: "R@1 of the probe",
    values: (run) => run.curves["R@1"],
    top: 1,
    mark: (run) => [run.curves["R@1"][0], `untrained ${formatted(run.curves["R@1"][0])}`],
  },
  {
    name: "gradient",
    title: "Norm of the gradient",
    perStep: true,
    values: (run) => run.gradient,
  },
];

// A line through values at their steps, in a box of 1 x 1; a gap where a value is missing.
export function linePath(steps, values, total, top) {
  let path = "";
  let drawing = false;
  values.forEach((value, i) => {
    if (value !== null) {
      const x = Number((steps[i] / total).toFixed(5));
      path += `${drawing ? "L" : "M"}${x} ${Number((1 - value / top).toFixed(5))}`;
    }
    drawing = value !== null;
  });
  return path;
}

class Chart {
  constructor(kind) {
    this.kind = kind;
    this.root = make("div", "chart");
    this.root.dataset.name = kind.name;
    this.title = make("span", "", kind.title);
    this.meaning = make("span", "quiet", kind.meaning);
    this.value = make("span", "chart-value number");
    const heading = make("div", "chart-heading");
    const name = make("span");
    name.append(this.title, " ", this.meaning);
    heading.append(name, this.value);
    this.field = make("div", "chart-field");
    const svg = makeSvg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none" });
    svg.setAttribute("aria-hidden", "true");
    this.ghost = makeSvg("path", { class: "ghost" });
    this.line = makeSvg("path", { class: "line" });
    svg.append(this.ghost, this.line);
    this.mark = make("div", "mark");
    this.cursor = make("div", "cursor");
    // A line at the very top or bottom keeps its whole width.
    const inner = make("div", "chart-inner");
    inner.append(svg, this.mark);
    this.field.append(inner, this.cursor);
    this.top = make("span", "chart-top");
    this.steps = make("div", "chart-steps");
    this.root.append(heading, this.top, make("span", "chart-zero", "0"), this.field, this.steps);
  }

  stepsOf(run) {
    return this.kind.perStep ? run.loss.map((_, i) => i) : run.steps;
  }

  // `ghost`: another run to compare with, or null.
  draw(run, ghost) {
    const { kind } = this;
    const values = kind.values(run);
    const [level, words] = kind.mark?.(run) ?? [null, ""];
    const known = values.filter((value) => value !== null);
    const top = kind.top ?? roundAbove(Math.max(...known, level ?? 0));
    const total = run.settings.steps;
    const soft = run.settings.soft_margin;
    this.title.textContent = (soft && kind.softTitle) || kind.title;
    this.meaning.textContent = (soft && kind.softMeaning) || kind.meaning || "";
    this.line.setAttribute("d", linePath(this.stepsOf(run), values, total, top));
    const other = ghost ? linePath(this.stepsOf(ghost), kind.values(ghost), total, top) : "";
    this.ghost.setAttribute("d", other);
    this.mark.hidden = level === null;
    if (level !== null) {
      this.mark.style.top = `${100 * (1 - level / top)}%`;
      this.mark.replaceChildren(make("span", level / top > 0.75 ? "below" : "", words));
    }
    this.top.textContent = shortNumber(top);
    this.steps.replaceChildren(make("span", "", "0"), make("span", "", `${total} steps`));
    Object.assign(this, { run, values });
  }

  valueAt(position) {
    const { kind, values, run } = this;
    const step = Math.floor(stepAt(run.steps, position) + 1e-6);
    const index = kind.perStep ? step : Math.floor(position);
    return values[Math.min(index, values.length - 1)] ?? null;
  }

  show(position) {
    const { run } = this;
    this.cursor.style.left = `${(100 * stepAt(run.steps, position)) / run.settings.steps}%`;
    const value = this.valueAt(position);
    const isExact = this.kind.name === "gradient" && value === 0;
    this.value.textContent = spoken(value) + (isExact ? " exactly" : "");
  }
}

// ---------------------------------------------------------------- the settings

function makeMargin() {
  const output = make("output", "number");
  const input = makeRange(3, 0.1, 0.1);
  return makeSetting("margin", "Margin", input, {
    output,
    write(value) {
      input.value = value;
      output.textContent = shortNumber(value);
    },
  });
}

function makeSettings(classes) {
  const upTo = Array.from({ length: classes - 1 }, (_, i) => [i + 2]);
  const warmUps = [[0, "none"], [25], [50], [75], [100]].map(([n, text]) => [
    n,
    text ?? `${n} steps of batch all`,
  ]);
  return [
    makeChoice("strategy", "Strategy", Object.entries(STRATEGY_NAMES)),
    makeLearningRate(),
    makeMargin(),
    makeCheckbox("soft_margin", "Soft margin"),
    makeCheckbox("normalize", "L2 normalisation"),
    makeSetting("classes_per_batch", "Batch of P classes", makeMenu(upTo)),
    makeSetting(
      "images_per_class",
      "× K images each",
      makeMenu([2, 3, 4, 6, 8, 10, 15, 20].map((n) => [n])),
    ),
    makeSetting("warm_up", "Warm-up", makeMenu(warmUps)),
    makeSetting("steps", "Steps", makeMenu([60, 150, 300, 600].map((n) => [n]))),
    makeSeed(),
  ];
}

// ---------------------------------------------------------------- the view

const VERDICTS = {
  collapsed: "M5 5l10 10M15 5L5 15",
  healthy: "M4 10.5l4.5 4.5L16 6",
  undecided: "M4 10h12",
  diverged: "M10 3v9M10 15.5v1",
  "": "M5 10h0M10 10h0M15 10h0",
};
const verdictIcon = (verdict) =>
  `<svg viewBox="0 0 20 20" aria-hidden="true"><path d="${VERDICTS[verdict]}"/></svg>`;

const SOFT_FORMULA = "log(1 + exp(d(a,p) − d(a,n)))";

const TEMPLATE = `
<section class="widget simulator" tabindex="0" role="group">
  <header><h3 class="title"></h3><span class="readout"></span>
    <p class="hint"></p></header>
  <div class="menu">
    <label class="recipe-label"><span>Recipe</span><select class="recipe"></select></label>
    <p class="recipe-words"></p>
  </div>
  <div class="verdict"><span class="verdict-icon"></span><p class="verdict-words"></p></div>
  <div class="main">
    <div class="plot"><canvas role="img"></canvas></div>
    <div class="controls">
      <button class="back" title="Step back (left arrow)" aria-label="Step back">
        ${icon("back")}</button>
      <button class="play"></button>
      <button class="forward" title="Step forward (right arrow)" aria-label="Step forward">
        ${icon("forward")}</button>
      <input class="scrub" type="range" min="0" step="any" aria-label="Training step">
      <button class="fit" title="Zoom to the points (z), instead of one scale for the whole run"
        aria-label="Zoom to the points">${icon("fit")}</button>
    </div>
  </div>
  <div class="side"><div class="charts"></div><p class="ghost-words"></p></div>
  <div class="training" role="group" aria-label="Train your own">
    <div class="training-heading">Train your own</div>
    <div class="settings"></div>
    <p class="meanings">Soft margin: the loss ${SOFT_FORMULA}, which has no edge. Warm-up: first
      steps with batch all. Seed: first weights and batches are drawn from it; another seed, another
      training.</p>
    <div class="act">
      <button class="train" title="Train in the kernel with these settings">Train</button>
      <div class="training-words"><p class="message"></p>
        <progress class="progress" max="1" aria-label="Training"></progress></div>
    </div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) =>
  mount(context, "collapse-simulator", TRAINABLE_STYLE + STYLE, TEMPLATE, View);

class View extends TrainableView {
  constructor(model, shadow) {
    super(model, shadow);
    this.classes = model.get("_classes");
    this.plot = new Plot(this.find("canvas"), intsOf(model.get("_class_of")), this.classes);
    this.recorded = floatsOf(model.get("_points"));
    this.charts = CHARTS.map((kind) => new Chart(kind));
    this.form = makeSettings(this.classes.length);
    this.runs = new Map(); // from what Python sent to what is drawn of it
    this.build();
    this.listen();
    this.listenToKernel();
    this.updateRun();
    this.update();
  }

  // ---- building

  build() {
    this.find(".hint").textContent =
      "Choose a recipe, press play, and watch the points and the loss. Below, change a setting and " +
      `train anew. The points are the probe: ${this.plot.count} images that no training sees.`;
    this.find(".charts").append(...this.charts.map((chart) => chart.root));
    const batch = make("span", "batch"); // P x K stay side by side
    for (const { name, root } of this.form) {
      if (name === "classes_per_batch") this.find(".settings").append(batch);
      const isBatch = ["classes_per_batch", "images_per_class"].includes(name);
      (isBatch ? batch : this.find(".settings")).append(root);
    }
    const groups = new Map();
    for (const { name, group } of this.model.get("_recipes")) {
      if (!groups.has(group)) groups.set(group, Object.assign(make("optgroup"), { label: group }));
      groups.get(group).append(new Option(name, name));
    }
    this.ownOption = new Option("Your own run", OWN);
    this.find(".recipe").append(...groups.values(), this.ownOption);
  }

  // ---- listening

  listen() {
    this.follow("position", () => this.repaint());
    this.follow(["recipe", "_own"], () => this.updateRun());
    const names = Object.keys(SETTING_WORDS);
    this.follow(["playing", "fit_each", "title", "state", "message", "progress", ...names], () =>
      this.update(),
    );
    this.on(this.find(".play"), "click", () => this.togglePlay());
    this.on(this.find(".back"), "click", () => this.step(-1));
    this.on(this.find(".forward"), "click", () => this.step(1));
    this.on(this.find(".fit"), "click", () => this.toggleFit());
    this.on(this.find(".scrub"), "input", (event) => this.seek(event.target.valueAsNumber));
    this.on(this.find(".recipe"), "change", (event) => this.choose(event.target.value));
    this.listenToForm();
    for (const chart of this.charts) this.listenToChart(chart);
    this.listenToKeys();
    this.onLook(this.find(".plot"), () => this.resize());
  }

  listenToChart({ field }) {
    this.onDrag(field, (event) => {
      if (!this.run) return;
      const { left, width } = field.getBoundingClientRect();
      const step = clamp((event.clientX - left) / (width || 1), 0, 1) * this.run.settings.steps;
      const distance = this.run.steps.map((each) => Math.abs(each - step));
      this.seek(distance.indexOf(Math.min(...distance)));
    });
  }

  listenToKeys() {
    // A slider among the settings keeps its own keys.
    const unless = (action) => (event) => event.target.closest(".settings") ? false : action();
    this.onKeys({
      " ": unless(() => this.togglePlay()),
      ArrowLeft: unless(() => this.step(-1)),
      ArrowDown: unless(() => this.step(-1)),
      ArrowRight: unless(() => this.step(1)),
      ArrowUp: unless(() => this.step(1)),
      Home: unless(() => this.seek(0)),
      End: unless(() => this.seek(this.last)),
      z: () => this.toggleFit(),
    });
  }

  // ---- acting

  get last() {
    return this.run ? this.run.last : 0;
  }

  get position() {
    return clamp(this.model.get("position"), 0, this.last);
  }

  togglePlay() {
    if (this.last > 0 && !this.busy) this.send("playing", !this.model.get("playing"));
  }

  toggleFit() {
    this.send("fit_each", !this.model.get("fit_each"));
  }

  seek(position) {
    if (this.model.get("playing")) this.model.set("playing", false);
    this.sendSoon("position", position);
  }

  step(direction) {
    const next = direction > 0 ? Math.floor(this.position) + 1 : Math.ceil(this.position) - 1;
    this.seek(clamp(next, 0, this.last));
  }

  // Shows a recorded run from its beginning, or at its end where motion is not wanted.
  choose(name) {
    const { model } = this;
    model.set("playing", false);
    const recipe = model.get("_recipes").find((entry) => entry.name === name);
    model.set("recipe", name);
    const settings = recipe?.settings ?? model.get("_own").settings ?? {};
    for (const [setting, value] of Object.entries(settings)) model.set(setting, value);
    const plays = this.last > 0 && !reducedMotion();
    model.set("position", plays ? 0 : this.last);
    if (plays) model.set("playing", true);
    model.save_changes();
  }

  train() {
    if (this.alive && !this.busy) this.model.set("playing", false);
    super.train();
  }

  // ---- showing

  // Takes up the run that is to be drawn.
  updateRun() {
    const sent = shownRun(this.model);
    this.run = sent && this.decode(sent);
    const first = this.model.get("_recipes")[0];
    const compare = first?.run && first.name !== this.model.get("recipe") ? first : null;
    if (this.run) {
      for (const chart of this.charts) chart.draw(this.run, compare && this.decode(compare.run));
    }
    this.find(".side").hidden = !this.run;
    this.find(".ghost-words").textContent = compare
      ? `Thin line, to compare: ${compare.name}.`
      : "";
    this.find(".scrub").max = this.last;
    this.update();
  }

  // A recorded run is decoded once, a growing one as often as it comes.
  decode(sent) {
    if (this.runs.has(sent)) return this.runs.get(sent);
    const { count } = this.plot;
    const length = 2 * count * sent.steps.length;
    const points =
      sent.points === undefined
        ? this.recorded.subarray(sent.offset, sent.offset + length)
        : floatsFromBase64(sent.points);
    const bounds = boundsOfPoints(points, 0, length);
    // The origin belongs to the picture: the norm is the distance from it; so does the circle.
    const reach = sent.settings.normalize ? 1 : 0;
    const whole = bounds.map((side, i) => (i % 2 ? Math.max(side, reach) : Math.min(side, -reach)));
    const run = { ...sent, points, last: sent.steps.length - 1, bounds: whole };
    if (sent.points === undefined) this.runs.set(sent, run);
    return run;
  }

  // Everything that changes seldom; what moves is painted.
  update() {
    const { model } = this;
    const playing = model.get("playing");
    const play = this.find(".play");
    play.innerHTML = icon(playing ? "pause" : "play");
    play.title = `${playing ? "Pause" : "Play"} (space)`;
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    for (const name of ["back", "play", "forward", "scrub"]) {
      this.find(`.${name}`).disabled = !this.last || this.busy;
    }
    const title = model.get("title") || titleOf(this.run);
    this.find(".title").textContent = title;
    this.root.setAttribute("aria-label", title);
    this.find(".fit").setAttribute("aria-pressed", model.get("fit_each"));
    this.updateMenu();
    this.updateVerdict();
    this.updateForm();
    this.updateMessage();
    this.repaint();
  }

  updateMenu() {
    const recipe = this.model.get("recipe");
    this.ownOption.disabled = !this.model.get("_own").steps;
    const select = this.find(".recipe");
    select.value = recipe;
    select.disabled = this.busy;
    const words = this.model.get("_recipes").find((entry) => entry.name === recipe)?.words;
    this.find(".recipe-words").textContent = words ?? "Trained with the settings below.";
  }

  updateVerdict() {
    const verdict = this.run?.verdict ?? "";
    const box = this.find(".verdict");
    box.dataset.verdict = verdict;
    this.find(".verdict-icon").innerHTML = verdictIcon(verdict);
    const waiting = this.run ? "Training: the verdict comes at the end." : "Nothing trained yet.";
    this.find(".verdict-words").textContent = this.run?.words || waiting;
  }

  updateForm() {
    super.updateForm();
    const { input } = this.form.find(({ name }) => name === "margin");
    input.disabled ||= this.model.get("soft_margin");
  }

  messageNow(state) {
    if (this.late) return `${this.askingWords} Training begins when it answers.`;
    if (this.pending) return this.askingWords;
    if (!this.alive) return `${NEEDS_KERNEL} The recipes play without one.`;
    if (this.busy || state === "failed") return this.model.get("message");
    const changes = this.run ? describeChanges(this.settingsNow, this.run.settings) : [];
    if (changes.length) return `Not trained yet: ${changes.join(", ")}.`;
    if (state === "done" && this.model.get("recipe") === OWN) return this.model.get("message");
    return "Change a setting and train: a few seconds in the kernel.";
  }

  resize() {
    const { clientWidth, clientHeight } = this.find(".plot");
    this.plot.resize(clientWidth, clientHeight, readTheme(this.root));
    this.paint(); // at once: a resized canvas is empty
  }

  paint() {
    if (!this.plot.theme) return;
    const readout = this.find(".readout");
    const { run, position } = this;
    if (!run) {
      this.plot.paintNothing("Nothing trained yet: press Train.");
      readout.textContent = "";
      this.describe("Nothing trained yet.");
      return;
    }
    this.plot.paint(run, position, this.model.get("fit_each"));
    for (const chart of this.charts) chart.show(position);
    const step = `step ${Math.round(stepAt(run.steps, position))}`;
    readout.textContent = `${step} of ${run.settings.steps}`;
    const scrub = this.find(".scrub");
    scrub.value = position;
    scrub.setAttribute("aria-valuetext", step);
    this.describe(this.words());
  }

  words() {
    if (this.busy) return this.messageNow(this.model.get("state"));
    const { position, run } = this;
    if (this.model.get("playing")) return "Playing.";
    const value = Object.fromEntries(
      this.charts.map((chart) => [chart.kind.name, spoken(chart.valueAt(position))]),
    );
    return (
      `Step ${Math.round(stepAt(run.steps, position))} of ${run.settings.steps}: ` +
      `loss ${value.loss}, mean distance ${value.spread}, norm ${value.norm}, R@1 ${value.recall}.`
    );
  }

  describe(words) {
    this.say(words);
    const picture = `Embedding of ${this.plot.count} points in ${this.classes.length} classes.`;
    this.find("canvas").setAttribute("aria-label", `${picture} ${words}`);
  }
}

const STYLE = `
.simulator {
  display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.2fr); gap: 8px 20px;
}
.hint { flex: 1 0 100%; color: var(--quiet); }
header, .menu, .verdict, .training, .status { grid-column: 1 / -1; }
.menu { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; }
.recipe-label { display: flex; align-items: center; gap: 8px; min-width: 0; color: var(--quiet); }
.recipe { min-width: 0; flex: 1 1 auto; font-weight: 600; }
.recipe-words { flex: 1 1 320px; }
.verdict {
  --sign: var(--quiet); display: flex; align-items: center; gap: 12px; padding: 8px 12px;
  min-height: 54px; border-left: 5px solid var(--sign); border-radius: 3px;
  background: color-mix(in srgb, var(--sign) 10%, transparent);
}
.verdict[data-verdict="collapsed"], .verdict[data-verdict="diverged"] { --sign: var(--negative); }
.verdict[data-verdict="healthy"] { --sign: var(--positive); }
.verdict-icon svg {
  display: block; width: 24px; height: 24px; fill: none; stroke: var(--sign); stroke-width: 3;
  stroke-linecap: round; stroke-linejoin: round;
}
.main { min-width: 0; }
.plot {
  position: relative; width: 100%; aspect-ratio: 1; max-height: 440px; overflow: hidden;
  border: 1px solid var(--line); border-radius: 3px;
}
canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.controls { flex-wrap: nowrap; gap: 4px; margin-top: 6px; }
.controls button { flex: none; padding: 0; }
.scrub { flex: 1 1 80px; margin: 0 8px; }
.side { min-width: 0; display: flex; flex-direction: column; gap: 6px; }
.charts {
  flex: 1; display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px 20px;
}
.chart {
  display: grid; grid-template: auto 1fr auto / 34px minmax(0, 1fr); gap: 2px 6px;
  min-height: 116px;
}
.chart-heading {
  grid-column: 1 / -1; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 8px;
}
.chart-value { font-weight: 600; }
.chart-top, .chart-zero {
  grid-area: 2 / 1; font-size: 11px; line-height: 1; color: var(--quiet); text-align: right;
}
.chart-zero { align-self: end; }
.chart-field {
  grid-area: 2 / 2; position: relative; min-height: 56px; cursor: pointer; touch-action: none;
  border: solid var(--line); border-width: 0 0 1px 1px;
}
.chart-inner { position: absolute; inset: 2px 0; }
.chart-inner svg { display: block; width: 100%; height: 100%; overflow: visible; }
.chart-field { overflow: clip; overflow-clip-margin: 3px; }
.chart-field path {
  fill: none; vector-effect: non-scaling-stroke; stroke-linecap: round; stroke-linejoin: round;
}
.line { stroke: var(--accent); stroke-width: 2px; }
.ghost { stroke: currentColor; stroke-width: 1px; opacity: 0.45; }
.mark {
  position: absolute; left: 0; right: 0; border-top: 1.5px dashed currentColor;
  pointer-events: none;
}
.mark span {
  position: absolute; right: 0; bottom: 1px; padding: 0 3px; font-size: 11px; line-height: 1.2;
  background: color-mix(in srgb, var(--ground) 80%, transparent); border-radius: 2px;
}
.mark .below { bottom: auto; top: 2px; }
.cursor {
  position: absolute; top: -2px; bottom: 0; width: 2px; margin-left: -1px;
  background: currentColor; pointer-events: none;
}
.chart-steps {
  grid-column: 2; display: flex; justify-content: space-between; font-size: 11px; line-height: 1;
  color: var(--quiet);
}
.ghost-words { font-size: 11px; color: var(--quiet); min-height: 15px; }
.meanings { font-size: 11px; color: var(--quiet); }
.training {
  display: grid; gap: 4px; padding: 8px 12px; border: 1px solid var(--line); border-radius: 4px;
}
:host(.projected) .training { display: none; }
.training-heading { font-weight: 600; }
.batch { display: inline-flex; align-items: center; gap: 0 8px; }
.setting-margin output { min-width: 24px; }
.act { min-height: 48px; }
.training-words { flex: 1; min-width: 0; }
@container (max-width: 719px) {
  .simulator { grid-template-columns: minmax(0, 1fr); padding: 8px; }
  .recipe-label { flex: 1 1 100%; }
}
@container (max-width: 419px) {
  .controls { flex-wrap: wrap; }
  .scrub { order: 9; flex-basis: 100%; margin: 0; }
  .charts { gap: 10px; }
  .setting, .batch { flex: 1 1 100%; justify-content: space-between; }
  .batch { flex-wrap: wrap; }
  .tick { flex-direction: row; }
}
`;

export default { initialize, render };
