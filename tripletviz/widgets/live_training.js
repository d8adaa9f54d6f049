// LiveTraining: how far a training is, with its curves as they come.
//
// Python sends a new state up to five times a second while a training runs. What a view has to
// know besides is whether anybody still sends: the state alone would say "running" for ever, in an
// exported page or after the kernel is gone.

import { counted, linePath, nearestIndex, rangeOf, roundUp, tickText } from "./curves.js";
import {
  BaseView,
  CURVE_MEANINGS,
  clamp,
  formatted,
  make,
  makeSvg,
  mount,
  pointIn,
  setAll,
} from "./shared.js";

const PATIENCE = 15; // seconds without news in which a training may still be on a long step
const FIRST_PATIENCE = 90; // the same before the first step, when TensorFlow prepares it
const SIDE = { left: 44, right: 10, top: 8, bottom: 18 }; // around a plot, in CSS pixels
const LAST_PICTURE = "This is the last picture of a training; a new one needs a running kernel.";
const HOW_TO_STOP =
  "To stop: the ■ button of the toolbar (Kernel → Interrupt); " +
  "the model keeps what it has learned.";
const STATE_WORDS = {
  waiting: "not begun",
  running: "training",
  finished: "finished",
  interrupted: "interrupted",
  failed: "failed",
};

// ---------------------------------------------------------------- numbers and words

// As `duration_text` in Python.
export function durationText(seconds) {
  const tenths = Math.floor(10 * seconds + 0.5);
  if (tenths < 100) return `${(tenths / 10).toFixed(1)} s`;
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

// Time left changes with every step; no more of it is said than can be relied on.
export function timeLeftText(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "a moment left";
  if (seconds < 60) return `about ${Math.round(seconds)} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

// Seconds since this view last heard of the training. A view that never heard anything itself has
// only the time written in the state, by a clock that may not be ours.
export function silence({ now, beats, heard, shown, updated }) {
  if (beats > 0) return now - heard;
  return Math.max(now - shown, now - updated);
}

function clockText(seconds) {
  const moment = new Date(1000 * seconds);
  const time = moment.toLocaleTimeString("en-GB");
  if (moment.toDateString() === new Date().toDateString()) return time;
  const options = { day: "numeric", month: "long", year: "numeric" };
  return `${time} on ${moment.toLocaleDateString("en-GB", options)}`;
}

// ---------------------------------------------------------------- one plot

class Plot {
  constructor(name, near = false) {
    this.name = name;
    this.near = near;
    this.root = make("figure", "plot");
    const heading = make("figcaption", "plot-heading");
    this.value = make("span", "plot-value number");
    const title = make("span", "plot-name", name);
    this.meaning = make("span", "quiet", CURVE_MEANINGS[name] ?? "");
    title.append(" ", this.meaning);
    heading.append(title, this.value);
    this.svg = makeSvg("svg", { role: "img" });
    this.parts = {
      grid: makeSvg("g", { class: "grid" }),
      torn: makeSvg("path", { class: "torn" }),
      baseline: makeSvg("path", { class: "baseline" }),
      line: makeSvg("path", { class: "line" }),
      marks: makeSvg("g", { class: "marks" }),
      baselineText: makeSvg("text", { class: "tick baseline-words" }),
      cursor: makeSvg("path", { class: "cursor" }),
      dot: makeSvg("circle", { class: "dot", r: 4.5 }),
    };
    this.svg.append(...Object.values(this.parts));
    this.root.append(heading, this.svg);
  }

  // `end`: the training's last step; `cursor`: where to read, or -1 for the latest.
  paint({ steps, values }, end, cursor) {
    const width = this.svg.clientWidth;
    const height = this.svg.clientHeight;
    if (!width) return;
    const [low, high] = rangeOf(values, this.near);
    this.toX = (step) => SIDE.left + (step / end) * (width - SIDE.left - SIDE.right);
    this.toStep = (x) => ((x - SIDE.left) / (width - SIDE.left - SIDE.right)) * end;
    const bottom = height - SIDE.bottom;
    this.toY = (value) => bottom - ((value - low) / (high - low)) * (bottom - SIDE.top);
    this.paintGrid(width, bottom, [low, (low + high) / 2, high], end);
    const xs = steps.map(this.toX);
    const ys = values.map((value) => (value === null ? null : this.toY(value)));
    this.parts.line.setAttribute("d", linePath(xs, ys));
    if (this.near) this.paintSnapshots(steps, values, xs, ys, width);
    this.paintCursor(steps, values, xs, ys, cursor, bottom);
  }

  paintGrid(width, bottom, levels, end) {
    const key = `${width} ${bottom} ${levels} ${end}`;
    if (key === this.gridKey) return;
    this.gridKey = key;
    const right = width - SIDE.right;
    const text = (content, attributes) => {
      const element = makeSvg("text", { class: "tick", ...attributes });
      element.textContent = content;
      return element;
    };
    if (this.near) this.showBeginning(levels[0], bottom);
    const lines = levels.flatMap((level) => [
      makeSvg("path", { d: `M${SIDE.left} ${this.toY(level)}H${right}` }),
      text(tickText(level), { x: SIDE.left - 6, y: this.toY(level) + 4, "text-anchor": "end" }),
    ]);
    const y = bottom + 14;
    this.parts.grid.replaceChildren(
      ...lines,
      text("0", { x: SIDE.left, y, "text-anchor": "middle" }),
      text("training step", { x: (SIDE.left + right) / 2, y, "text-anchor": "middle" }),
      text(counted(end), { x: right, y, "text-anchor": "end" }),
    );
  }

  // An axis that does not begin at 0 says so, and its foot is torn off.
  showBeginning(low, bottom) {
    this.meaning.textContent = low > 0 ? `axis from ${tickText(low)}, not 0` : "";
    const [x, y] = [SIDE.left, bottom];
    const tear = `M${x - 5} ${y - 3}l10 -4M${x - 5} ${y}l10 -4`;
    this.parts.torn.setAttribute("d", low > 0 ? `M${x} ${SIDE.top}V${y - 5}${tear}` : "");
  }

  paintSnapshots(steps, values, xs, ys, width) {
    const known = xs.flatMap((x, i) => (ys[i] === null ? [] : [[x, ys[i]]]));
    const marks = known.map(([cx, cy]) => makeSvg("circle", { cx, cy, r: 3 }));
    this.parts.marks.replaceChildren(...marks);
    const { baseline, baselineText } = this.parts;
    const before = steps[0] === 0 && values[0] !== null;
    for (const part of [baseline, baselineText]) part.toggleAttribute("hidden", !before);
    if (!before) return;
    const y = ys[0];
    baseline.setAttribute("d", `M${SIDE.left} ${y}H${width - SIDE.right}`);
    // Under the dashed line the curve seldom goes; only at the foot of the plot is no room there.
    const below = y + 16 < this.toY(rangeOf(values, true)[0]);
    const at = { x: width - SIDE.right, y: below ? y + 14 : y - 6, "text-anchor": "end" };
    setAll(baselineText, at);
    baselineText.textContent = `before training ${values[0].toFixed(3)}`;
  }

  paintCursor(steps, values, xs, ys, cursor, bottom) {
    const latest = values.findLastIndex((value) => value !== null);
    const index = cursor < 0 ? latest : nearestIndex(steps, cursor);
    const value = values[index] ?? null;
    this.value.textContent = this.near && value !== null ? value.toFixed(3) : formatted(value);
    const { dot, cursor: line } = this.parts;
    dot.toggleAttribute("hidden", value === null);
    line.toggleAttribute("hidden", cursor < 0 || index < 0);
    if (value !== null) setAll(dot, { cx: xs[index], cy: ys[index] });
    if (cursor >= 0 && index >= 0) line.setAttribute("d", `M${xs[index]} ${SIDE.top}V${bottom}`);
    this.svg.setAttribute("aria-label", this.describe(steps, values));
  }

  describe(steps, values) {
    const known = values.filter((value) => value !== null);
    if (!known.length) return `${this.name}: nothing measured yet.`;
    const [first, last] = [known[0], known.at(-1)].map(formatted);
    return `${this.name} over training: from ${first} to ${last}, up to step ${steps.at(-1)}.`;
  }

  // What stands at a step, for a reader who cannot see the heading.
  readAt({ steps, values }, step) {
    const index = nearestIndex(steps, step);
    const value = values[index] ?? null;
    if (!this.near || value === null) return `${this.name} ${formatted(value)}`;
    // Snapshots are few: the nearest one may be at another step.
    return `R@1 ${value.toFixed(3)}${steps[index] === step ? "" : ` at step ${steps[index]}`}`;
  }
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget live" tabindex="0" role="group">
  <header><h3 class="title"></h3><div class="readout"></div></header>
  <div class="progress">
    <div class="bar" role="progressbar" aria-label="Training" aria-valuemin="0"><div></div></div>
    <div class="below"><span class="steps number"></span><span class="time number"></span></div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
  <div class="plots"></div>
  <p class="reading quiet" aria-live="polite"></p>
</section>`;

const NEWS = ["state", "step", "total_steps", "updated", "title", "cursor", "summary"];

const secondsNow = () => Date.now() / 1000;

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.plots = [];
    Object.assign(this, { beats: 0, heard: 0, longest: 0, shown: secondsNow() });
    this.listen();
    this.repaint();
  }

  listen() {
    this.follow([...NEWS, "_curves", "_snapshots"], () => this.repaint());
    this.follow("updated", () => this.beat());
    this.onLook(this.root, () => this.repaint());
    this.onKeys({
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      Home: () => this.read(this.places()[0] ?? -1),
      End: () => this.read(-1),
    });
    const ticking = setInterval(() => this.running && this.repaint(), 1000);
    this.undo.push(() => clearInterval(ticking));
  }

  // ---- hearing

  get running() {
    return this.model.get("state") === "running";
  }

  beat() {
    const now = secondsNow();
    if (this.beats > 0) this.longest = Math.max(this.longest, now - this.heard);
    this.beats += 1;
    this.heard = now;
  }

  get silent() {
    if (!this.running) return false;
    const { beats, heard, shown } = this;
    const now = secondsNow();
    this.quiet = silence({ now, beats, heard, shown, updated: this.model.get("updated") });
    const patience = this.model.get("step") ? PATIENCE : FIRST_PATIENCE;
    return this.quiet > Math.max(patience, 3 * this.longest);
  }

  // ---- reading the curves

  // Steps at which there is something to read.
  places() {
    return this.model.get("_curves")[0]?.steps ?? this.model.get("_snapshots").steps;
  }

  step(direction) {
    const places = this.places();
    if (!places.length) return;
    const cursor = this.model.get("cursor");
    const at = cursor < 0 ? places.length - 1 : nearestIndex(places, cursor) + direction;
    this.read(at >= places.length ? -1 : places[Math.max(at, 0)]);
  }

  // In the middle of a training nothing is sent: the kernel would get it in the middle of a step.
  read(step) {
    if (step === this.model.get("cursor")) return;
    if (this.running) this.model.set("cursor", step);
    else this.sendSoon("cursor", step);
  }

  listenTo(plot) {
    const point = (event) => {
      if (!plot.toStep) return;
      const [x] = pointIn(plot.svg, event);
      const places = this.places();
      const step = clamp(plot.toStep(x), 0, this.end);
      this.read(places[nearestIndex(places, step)] ?? -1);
    };
    this.onDrag(plot.svg, point);
    this.on(plot.svg, "pointermove", point);
    // What a finger found stays when it lifts: it has covered the picture until then.
    this.on(plot.svg, "pointerleave", (e) => e.pointerType !== "touch" && this.read(-1));
  }

  // ---- showing

  get end() {
    return this.model.get("total_steps") || Math.max(this.model.get("step"), 1);
  }

  paint() {
    const silent = this.silent;
    this.root.dataset.state = silent ? "silent" : this.model.get("state");
    const title = this.model.get("title");
    this.find(".title").textContent = title;
    this.root.setAttribute("aria-label", title || "Live training");
    this.find(".readout").textContent = silent ? "no news" : STATE_WORDS[this.model.get("state")];
    this.paintBar(silent);
    this.paintState(silent);
    this.paintPlots();
    this.paintReading();
  }

  paintBar(silent) {
    const [step, total] = [this.model.get("step"), this.model.get("total_steps")];
    const share = total ? clamp(step / total, 0, 1) : this.model.get("state") === "finished";
    const bar = this.find(".bar");
    bar.firstElementChild.style.width = `${100 * share}%`;
    bar.classList.toggle("unknown", this.running && !total && !silent);
    const words = total
      ? `step ${counted(step)} of ${counted(total)}, ${Math.floor(100 * share)} %`
      : `step ${counted(step)}`;
    this.find(".steps").textContent = words;
    const spent = this.model.get("seconds");
    let time = spent === null ? "" : durationText(spent);
    if (silent) time = `no news for ${durationText(Math.round(this.quiet))}`;
    else if (this.running) time = this.runningTime(step);
    this.find(".time").textContent = time;
    setAll(bar, { "aria-valuemax": total || 1, "aria-valuenow": total ? step : Number(share) });
    bar.setAttribute("aria-valuetext", [words, time].filter(Boolean).join(", "));
  }

  runningTime(step) {
    if (!step) return "getting ready: the first step takes longest";
    return timeLeftText(this.model.get("seconds_left"));
  }

  paintState(silent) {
    const words = this.stateWords(silent);
    const status = this.find(".status");
    if (status.textContent !== words) status.textContent = words; // said again only if it changed
  }

  stateWords(silent) {
    if (silent) {
      const at = clockText(this.beats ? this.heard : this.model.get("updated"));
      return `No news from the kernel since ${at}. ${LAST_PICTURE}`;
    }
    // No button here: a kernel hears nothing of the kind while it trains.
    if (this.running) return HOW_TO_STOP;
    const summary = this.model.get("summary");
    // Who saw the training run knows that the picture is of it.
    return this.beats || this.model.get("state") === "waiting"
      ? summary
      : `${summary} ${LAST_PICTURE}`;
  }

  paintPlots() {
    const curves = this.model.get("_curves");
    const names = curves.map((curve) => curve.name);
    if (this.model.get("_snapshots").steps.length) names.push("R@1");
    if (String(names) !== String(this.plots.map((plot) => plot.name))) this.makePlots(names);
    const cursor = this.model.get("cursor");
    for (const plot of this.plots) plot.paint(this.dataOf(plot), this.end, cursor);
  }

  makePlots(names) {
    this.plots = names.map((name) => new Plot(name, name === "R@1"));
    this.find(".plots").replaceChildren(...this.plots.map((plot) => plot.root));
    for (const plot of this.plots) this.listenTo(plot);
  }

  dataOf(plot) {
    if (plot.near) return this.model.get("_snapshots");
    return this.model.get("_curves").find((curve) => curve.name === plot.name);
  }

  paintReading() {
    const cursor = this.model.get("cursor");
    const size = this.model.get("_steps_per_point");
    const marks = this.plots.some((plot) => plot.near)
      ? " R@1 is measured now and then: each mark is such a snapshot."
      : "";
    const mean = size > 1 ? ` Each point of a curve is the mean of ${size} steps.` : "";
    const values = this.plots.map((plot) => plot.readAt(this.dataOf(plot), cursor));
    const words =
      cursor < 0
        ? `Point at a curve, or press ← and →, to read it.${marks}${mean}`
        : `Step ${counted(cursor)}: ${values.join(", ")}.`;
    const reading = this.find(".reading");
    if (reading.textContent !== words) reading.textContent = words;
  }
}

const STYLE = `
.live { --tone: var(--accent); display: grid; gap: 8px; }
.readout { font-weight: 600; }
.readout::before {
  content: ""; display: inline-block; width: 10px; height: 10px; margin-right: 7px;
  border-radius: 50%; background: var(--tone);
}
.live[data-state="waiting"], .live[data-state="silent"] { --tone: var(--quiet); }
.live[data-state="finished"] { --tone: #2e8b57; }
.live[data-state="interrupted"], .live[data-state="failed"] { --tone: var(--negative); }
.live[data-state="running"] .readout::before { animation: breathe 1.6s ease-in-out infinite; }
@keyframes breathe { 50% { opacity: 0.25; } }
.bar {
  height: 10px; border-radius: 5px; overflow: hidden;
  background: color-mix(in srgb, currentColor 14%, transparent);
}
.bar div {
  height: 100%; border-radius: 5px; background: var(--tone); transition: width 0.2s linear;
}
.bar.unknown div {
  width: 30% !important; transition: none; animation: wander 2s ease-in-out infinite alternate;
}
@keyframes wander { to { transform: translateX(233%); } }
.below {
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; margin-top: 4px;
}
.live .status { color: inherit; min-height: 36px; }
.plots { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 10px 16px; }
.plot { min-width: 0; align-self: end; }
.plot-heading { display: flex; justify-content: space-between; gap: 8px; margin-bottom: 2px; }
.plot-value { font-weight: 600; }
.plot svg { display: block; width: 100%; height: 148px; touch-action: none; cursor: crosshair; }
.grid path { stroke: var(--line); stroke-width: 1; opacity: 0.55; }
.tick { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.line {
  fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round;
  stroke-linecap: round;
}
.marks circle { fill: var(--accent); }
.baseline { fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 5 4; }
.torn { fill: none; stroke: var(--quiet); stroke-width: 1; }
.cursor { stroke: currentColor; stroke-width: 1.5; }
.dot { fill: var(--accent); stroke: var(--ground); stroke-width: 2; }
.reading { min-height: 18px; }
@container (max-width: 759px) {
  .plot-heading { flex-direction: column; gap: 0; }
}
@container (max-width: 559px) {
  .plot-heading { flex-direction: row; }
  .live { padding: 8px; }
  .plots { grid-auto-flow: row; }
  .plot svg { height: 118px; }
}
@media (prefers-reduced-motion: reduce) {
  .readout::before, .bar div, .bar.unknown div { animation: none !important; transition: none; }
}
`;

const render = (context) => mount(context, "live-training", STYLE, TEMPLATE, View);

export { linePath, nearestIndex, rangeOf, roundUp };

export default { render };
