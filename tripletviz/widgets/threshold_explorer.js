// ThresholdExplorer: which pairs a threshold on their distance accepts, and which wrongly.
//
// Python has counted all pairs on a grid of thresholds. Here a threshold is its place on that grid;
// place -1, below 0, exists only where some pairs have distance 0.

import {
  BaseView,
  Sprite,
  clamp,
  formatted,
  intsOf,
  make,
  makeSvg,
  mount,
  pointIn,
  roleIcon,
  setAll,
} from "./shared.js";

const ROW = 5; // pairs shown in a row
const BAR = 9; // width of a bar of the histogram, in CSS pixels, as nearly as whole bars allow
const FAR_STEPS = 10; // steps of the arrow keys in one of the page keys
const ARROW_STEPS = 400; // of the arrow keys from one end to the other
const RATES = [0.01, 0.001]; // false accept rates to go to
const KINDS = ["genuine", "impostor"];
const WIDEST_LETTER = 7.8; // of a share in the plot, in CSS pixels, on the average

// ---------------------------------------------------------------- the numbers

export const thresholdAt = (grid, place) => (place * grid.multiple) / grid.divisor;

export function placeOf(grid, threshold) {
  const place = Math.round(threshold / (grid.multiple / grid.divisor));
  return clamp(place, grid.lowest, grid.thresholds - 1);
}

// What a threshold accepts and rejects. `genuine` and `impostor` hold, for each place, how many
// pairs are accepted there.
export function measure({ genuine, impostor }, place) {
  const genuinePairs = genuine.at(-1);
  const impostorPairs = impostor.at(-1);
  const falseAccepts = place < 0 ? 0 : impostor[place];
  const falseRejects = genuinePairs - (place < 0 ? 0 : genuine[place]);
  return {
    falseAccepts,
    falseRejects,
    genuinePairs,
    impostorPairs,
    falseAcceptRate: falseAccepts / impostorPairs,
    falseRejectRate: falseRejects / genuinePairs,
  };
}

// The last place with at most this false accept rate.
export function placeAtRate(grid, rate) {
  let [low, high] = [grid.lowest - 1, grid.thresholds - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure(grid, middle).falseAcceptRate <= rate) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, grid.lowest);
}

// The first place where both error rates are nearest to each other.
export function placeOfEqualError(grid) {
  let best = 0;
  let bestGap = Infinity;
  for (let place = 0; place < grid.thresholds; place += 1) {
    const { falseAcceptRate, falseRejectRate } = measure(grid, place);
    const gap = Math.abs(falseAcceptRate - falseRejectRate);
    if (gap < bestGap) [best, bestGap] = [place, gap];
  }
  return best;
}

// Pairs wrong at a place. `examples` holds for each pair the first place that accepts it and its
// two items, by increasing distance; the worst pairs come first, and the last are at the line.
export function wrongPairs(examples, kind, place, count) {
  const isWrong = (i) => (kind === "impostor") === (examples[3 * i] <= place);
  const all = Array.from({ length: examples.length / 3 }, (_, i) => i).filter(isWrong);
  if (kind === "genuine") all.reverse();
  const worst = all.slice(0, count);
  return { worst, close: all.slice(worst.length).slice(-count).reverse() };
}

// The share of pairs in each of so many equal bars: those above the bar's start, up to its end.
export function sharesOf(accepted, bars) {
  const last = accepted.length - 1;
  const total = accepted.at(-1);
  const upTo = (bar) => accepted[Math.round((last * bar) / bars)];
  return Array.from(
    { length: bars },
    (_, bar) => (upTo(bar + 1) - (bar ? upTo(bar) : 0)) / total,
  );
}

// ---------------------------------------------------------------- words

const thousands = (count) => count.toLocaleString("en-US");

// A share in percent; one that only rounding would make whole says that it is not.
export function percent(share) {
  if (share === 0) return "0 %";
  if (share === 1) return "100 %";
  const value = 100 * share;
  return value > 99.94 ? "> 99.9 %" : `${formatted(value)} %`;
}

// A share on its side of the threshold, shorter where that is narrow and gone before the line would
// strike it out: the rates above the plot tell the same.
export function fittingShare(sign, word, share, room) {
  const texts = [`${sign} ${word} ${percent(share)}`, `${sign} ${percent(share)}`, ""];
  return texts.find((text) => !text || WIDEST_LETTER * text.length + 14 <= room);
}

const tickPercent = (share) => `${Number((100 * share).toPrecision(3))} %`;

// ---------------------------------------------------------------- plots

// Round numbers, some four to seven, from 0 to `most`.
export function niceTicks(most) {
  if (!(most > 0)) return [0];
  const raw = most / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((digit) => digit * power >= raw) * power;
  const ticks = [];
  for (let i = 0; i * step <= most * 1.0001; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function addText(parent, x, y, text, className, anchor = "middle") {
  const element = makeSvg("text", { x, y, class: className, "text-anchor": anchor });
  element.textContent = text;
  parent.append(element);
  return element;
}

const rectPath = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}Z`;

// Genuine pairs upwards, impostor pairs downwards; the threshold parts right from wrong in both.
class Histogram {
  constructor(svg) {
    this.svg = svg;
    this.left = 54;
    this.right = 10;
    this.top = 26;
    this.bottom = 40;
  }

  draw(width, height, grid, metric) {
    const { svg, left, right, top, bottom } = this;
    Object.assign(this, { width: width - left - right, height: height - top - bottom, grid });
    svg.replaceChildren();
    setAll(svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    this.middle = top + this.height / 2;
    this.drawAxes(metric);
    this.drawBars();
    this.drawLine();
    this.drawShares(); // above the line, which may run through them
  }

  xAt(place) {
    const last = this.grid.thresholds - 1;
    return this.left + this.width * (last ? clamp(place, 0, last) / last : 0);
  }

  placeAt(x) {
    const last = this.grid.thresholds - 1;
    const part = (x - this.left) / this.width;
    return part < 0 ? this.grid.lowest : Math.round(last * Math.min(part, 1));
  }

  drawAxes(metric) {
    const { svg, left, top, middle, width, height, grid } = this;
    const bottom = top + height;
    const last = thresholdAt(grid, grid.thresholds - 1);
    for (const tick of niceTicks(last)) {
      const x = left + (last ? (width * tick) / last : 0);
      svg.append(makeSvg("path", { d: `M${x} ${bottom}v4`, class: "axis" }));
      addText(svg, x, bottom + 16, String(tick), "tick");
    }
    svg.append(makeSvg("path", { d: `M${left} ${bottom}h${width}`, class: "axis" }));
    svg.append(makeSvg("path", { d: `M${left} ${middle}h${width}`, class: "axis" }));
    addText(svg, left + width / 2, bottom + 33, `${metric} of a pair`, "tick");
    const names = [
      [middle - height / 4, "genuine"],
      [middle + height / 4, "impostor"],
    ];
    for (const [y, kind] of names) {
      const text = addText(svg, 0, 0, `share of ${kind} pairs`, `tick ${kind}-text`);
      text.setAttribute("transform", `translate(${left - 41} ${y}) rotate(-90)`);
    }
  }

  drawBars() {
    const { svg, width, height, left, middle, grid } = this;
    const bars = Math.max(1, Math.min(Math.round(width / BAR), grid.thresholds - 1));
    const shares = KINDS.map((kind) => sharesOf(grid[kind], bars));
    const most = Math.max(...shares.flat());
    this.drawScale(most);
    this.drawDefinitions();
    KINDS.forEach((kind, k) => {
      const rects = shares[k].map((share, bar) => {
        const long = (share / most) * (height / 2 - 18);
        const x = left + (width * bar) / bars + 0.5;
        return rectPath(x, k ? middle : middle - long, Math.max(width / bars - 1, 1), long);
      });
      const d = rects.join("");
      const [right, wrong] = k ? ["rejected", "accepted"] : ["accepted", "rejected"];
      svg.append(
        makeSvg("path", { d, class: `${kind}-right`, "clip-path": `url(#${right})` }),
        makeSvg("path", { d, fill: `url(#hatch-${kind})`, "clip-path": `url(#${wrong})` }),
      );
    });
  }

  // What is accepted lies left of the line, what is rejected right of it; wrong is hatched.
  drawDefinitions() {
    const { svg, top, height } = this;
    const definitions = makeSvg("defs");
    this.clips = ["accepted", "rejected"].map((name) => {
      const clip = makeSvg("clipPath", { id: name });
      const rect = makeSvg("rect", { y: top, height });
      clip.append(rect);
      definitions.append(clip);
      return rect;
    });
    for (const kind of KINDS) {
      const hatch = makeSvg("pattern", {
        id: `hatch-${kind}`,
        width: 5,
        height: 5,
        patternUnits: "userSpaceOnUse",
        patternTransform: "rotate(45)",
      });
      hatch.append(
        makeSvg("rect", { width: 5, height: 5, class: `${kind}-solid` }),
        makeSvg("rect", { width: 1.2, height: 5, class: "hatch-line" }),
      );
      definitions.append(hatch);
    }
    svg.append(definitions);
  }

  // One round share, up and down: it tells how much a bar is.
  drawScale(most) {
    const share = niceTicks(most).at(-1);
    if (!share) return;
    for (const side of [-1, 1]) {
      const y = this.middle + side * (share / most) * (this.height / 2 - 18);
      this.svg.append(makeSvg("path", { d: `M${this.left} ${y}h${this.width}`, class: "guide" }));
      addText(this.svg, this.left - 5, y + 4, tickPercent(share), "tick", "end");
    }
  }

  // What becomes of each kind on each side of the line, in the corners.
  drawShares() {
    const { svg, left, width, top, height } = this;
    const [start, end] = [left + 4, left + width];
    const [above, below] = [top + 12, top + height - 5];
    this.shares = {
      trueAccepts: addText(svg, start, above, "", "share", "start"),
      falseRejects: addText(svg, end, above, "", "share wrong-share", "end"),
      falseAccepts: addText(svg, start, below, "", "share wrong-share", "start"),
      trueRejects: addText(svg, end, below, "", "share", "end"),
    };
  }

  drawLine() {
    const { svg, top, height, middle } = this;
    this.line = makeSvg("g", { class: "line" });
    this.line.append(
      makeSvg("path", { d: `M0 ${top - 6}V${top + height}` }),
      makeSvg("circle", { cy: middle, r: 10 }),
      makeSvg("path", { d: `M-3 ${middle - 4}l-4 4l4 4M3 ${middle - 4}l4 4l-4 4`, class: "grip" }),
    );
    this.flag = addText(svg, 0, top - 12, "", "flag");
    svg.append(this.line);
  }

  show(place, measured) {
    const { left, width, grid } = this;
    const x = this.xAt(place);
    this.line.setAttribute("transform", `translate(${x})`);
    this.flag.textContent = `threshold ${thresholdAt(grid, place)}`;
    const half = this.flag.getComputedTextLength() / 2;
    this.flag.setAttribute("x", clamp(x, half + 2, left + width + this.right - half - 2));
    setAll(this.clips[0], { x: left, width: x - left });
    setAll(this.clips[1], { x, width: left + width - x });
    const { falseAcceptRate, falseRejectRate } = measured;
    const [accepted, rejected] = [x - left, left + width - x];
    const write = (name, sign, word, share, room) => {
      this.shares[name].textContent = fittingShare(sign, word, share, room);
    };
    write("trueAccepts", "✓", "accepted", 1 - falseRejectRate, accepted);
    write("falseRejects", "✗", "rejected", falseRejectRate, rejected);
    write("falseAccepts", "✗", "accepted", falseAcceptRate, accepted);
    write("trueRejects", "✓", "rejected", 1 - falseAcceptRate, rejected);
  }
}

// The share of genuine pairs accepted, over the share of impostor pairs accepted.
class Roc {
  constructor(svg) {
    this.svg = svg;
    this.left = 54;
    this.right = 22;
    this.top = 12;
    this.bottom = 40;
  }

  draw(width, height, grids, shown, isLog) {
    const { svg, left, right, top, bottom } = this;
    Object.assign(this, { width: width - left - right, height: height - top - bottom, isLog });
    this.grid = grids[shown];
    // The smallest rate above 0 is one pair; 0 itself stands at the left edge of a log scale.
    this.decades = Math.max(1, Math.ceil(Math.log10(this.grid.impostor.at(-1)) - 1e-9));
    svg.replaceChildren();
    setAll(svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    this.drawAxes();
    this.drawReferences();
    grids.forEach((grid, e) => e !== shown && this.drawCurve(grid, "other-curve"));
    this.points = this.drawCurve(this.grid, "curve");
    this.drawEqualError();
    this.point = makeSvg("circle", { r: 10, class: "point" });
    svg.append(this.point);
  }

  xAt(rate) {
    if (!this.isLog) return this.left + this.width * rate;
    const part = rate > 0 ? 1 + Math.log10(rate) / this.decades : 0;
    return this.left + this.width * Math.max(part, 0);
  }

  yAt(rate) {
    return this.top + this.height * (1 - rate);
  }

  drawAxes() {
    const { svg, left, top, width, height } = this;
    const bottom = top + height;
    svg.append(makeSvg("path", { d: `M${left} ${top}V${bottom}H${left + width}`, class: "axis" }));
    const parts = [0, 0.2, 0.4, 0.6, 0.8, 1];
    for (const part of parts) {
      const y = this.yAt(part);
      svg.append(makeSvg("path", { d: `M${left} ${y}h-4`, class: "axis" }));
      addText(svg, left - 7, y + 4, `${Math.round(100 * part)} %`, "tick", "end");
    }
    for (const rate of this.isLog ? this.logTicks() : parts) {
      const x = this.xAt(rate);
      svg.append(makeSvg("path", { d: `M${x} ${bottom}v4`, class: "axis" }));
      addText(svg, x, bottom + 16, tickPercent(rate), "tick");
    }
    addText(svg, left + width / 2, bottom + 33, "false accept rate", "tick");
    const label = addText(svg, 0, 0, "true accept rate", "tick");
    label.setAttribute("transform", `translate(${left - 43} ${top + height / 2}) rotate(-90)`);
  }

  logTicks() {
    const every = Math.ceil((this.decades * 56) / this.width);
    const exponents = Array.from({ length: this.decades + 1 }, (_, i) => -i);
    return exponents.filter((exponent) => exponent % every === 0).map((exponent) => 10 ** exponent);
  }

  // What guessing gives, and where both errors are equal: straight lines, bent by a log scale.
  drawReferences() {
    const rates = Array.from({ length: 101 }, (_, i) =>
      this.isLog ? 10 ** (-this.decades * (1 - i / 100)) : i / 100,
    );
    const pathOf = (other) =>
      `M${rates.map((rate) => `${this.xAt(rate)} ${this.yAt(other(rate))}`).join("L")}`;
    this.svg.append(
      makeSvg("path", { d: pathOf((rate) => rate), class: "chance" }),
      makeSvg("path", { d: pathOf((rate) => 1 - rate), class: "guide" }),
    );
  }

  // A point for every threshold that moves it visibly. Gives them with their places.
  drawCurve(grid, className) {
    const points = [];
    let [lastX, lastY] = [-Infinity, 0];
    for (let place = grid.lowest; place < grid.thresholds; place += 1) {
      const { falseAcceptRate, falseRejectRate } = measure(grid, place);
      const [x, y] = [this.xAt(falseAcceptRate), this.yAt(1 - falseRejectRate)];
      const isLast = place === grid.thresholds - 1;
      if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.7 && !isLast) continue;
      points.push({ place, x, y });
      [lastX, lastY] = [x, y];
    }
    const corner = `M${this.xAt(0)} ${this.yAt(0)}`;
    const d = corner + points.map(({ x, y }) => `L${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    this.svg.append(makeSvg("path", { d, class: className }));
    return points;
  }

  drawEqualError() {
    const rate = this.grid.equal_error_rate;
    const [x, y] = [this.xAt(rate), this.yAt(1 - rate)];
    const d = `M${x} ${y - 7}l7 7l-7 7l-7 -7Z`;
    this.svg.append(makeSvg("path", { d, class: "equal-error" }));
    const toTheRight = x + 130 < this.left + this.width;
    const text = `equal error ${percent(rate)}`;
    const [labelX, anchor] = toTheRight ? [x + 12, "start"] : [x - 12, "end"];
    addText(this.svg, labelX, y + (toTheRight ? 14 : 18), text, "tick halo", anchor);
  }

  // The place whose point of the curve is nearest to one on the screen.
  placeAt(x, y) {
    const distance = (point) => (point.x - x) ** 2 + (point.y - y) ** 2;
    return this.points.reduce((best, point) => (distance(point) < distance(best) ? point : best))
      .place;
  }

  show({ falseAcceptRate, falseRejectRate }) {
    const [x, y] = [this.xAt(falseAcceptRate), this.yAt(1 - falseRejectRate)];
    setAll(this.point, { cx: x, cy: y });
  }
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget thresholds" tabindex="0" role="group">
  <header>
    <div class="title"></div>
    <div class="names" role="group" aria-label="Embedding"></div>
  </header>
  <p class="setting quiet"></p>
  <div class="rates">
    <div class="rate">
      <div class="rate-name">${roleIcon("negative")} False accept rate (FAR)</div>
      <div class="readout false-accept-rate"></div>
      <div class="quiet number false-accepts"></div>
    </div>
    <div class="rate">
      <div class="rate-name">${roleIcon("positive")} False reject rate</div>
      <div class="readout false-reject-rate"></div>
      <div class="quiet number false-rejects"></div>
    </div>
    <div class="rate baseline">
      <div class="rate-name baseline-name"></div>
      <div class="readout baseline-rate"></div>
      <div class="quiet baseline-words">at the same false accept rate</div>
    </div>
    <div class="controls goals">
      <span class="quiet">Go to</span>
      <button class="equal" title="Where both error rates are equal">equal error</button>
    </div>
  </div>
  <div class="plots">
    <figure>
      <figcaption>Distances of genuine and impostor pairs</figcaption>
      <p class="meaning quiet">How many pairs lie at each distance. Hatched: those on the wrong side
        of the line.</p>
      <div class="plot histogram" tabindex="0" role="slider" aria-label="Threshold"
        title="Drag, or use the arrow keys; with shift by the smallest step"><svg
        aria-hidden="true"></svg></div>
    </figure>
    <figure>
      <figcaption>ROC curve
        <span class="controls scales" role="group" aria-label="Scale of the false accept rate">
          <button data-scale="linear">linear</button><button data-scale="log">log</button>
        </span>
      </figcaption>
      <p class="meaning quiet">ROC, receiver operating characteristic: for every threshold, how many
        genuine pairs pass beside how many impostors.</p>
      <div class="plot roc" role="img" title="Drag the point along the curve"><svg
        aria-hidden="true"></svg></div>
      <div class="legend quiet"></div>
      <div class="areas number"></div>
    </figure>
  </div>
  <div class="examples">
    <div class="kind" data-kind="impostor"><div class="kind-name"></div></div>
    <div class="kind" data-kind="genuine"><div class="kind-name"></div></div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "threshold-explorer", STYLE, TEMPLATE, View);

function readGrids(model) {
  const counts = intsOf(model.get("_counts"));
  const examples = intsOf(model.get("_examples"));
  let [at, exampleAt] = [0, 0];
  const take = (count) => counts.subarray(at, (at += count));
  const takeExamples = (count) => examples.subarray(exampleAt, (exampleAt += 3 * count));
  return model.get("_embeddings").map((description) => {
    const genuine = take(description.thresholds);
    const impostor = take(description.thresholds);
    const [genuineExamples, impostorExamples] = description.examples.map(takeExamples);
    const lowest = genuine[0] + impostor[0] > 0 ? -1 : 0;
    const pairs = { genuine: genuineExamples, impostor: impostorExamples };
    return { ...description, genuine, impostor, lowest, pairs };
  });
}

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.grids = readGrids(model);
    this.items = intsOf(model.get("_items"));
    this.classOf = intsOf(model.get("_class_of"));
    this.classes = model.get("_classes");
    this.sprite = new Sprite(model);
    this.undo.push(() => this.sprite.remove());
    this.histogram = new Histogram(this.find(".histogram svg"));
    this.roc = new Roc(this.find(".roc svg"));
    this.build();
    this.listen();
    this.update();
  }

  // ---- building

  build() {
    this.root.setAttribute("aria-label", this.model.get("title") || "Threshold explorer");
    this.find(".setting").textContent = this.settingWords();
    const names = this.find(".names");
    names.hidden = this.grids.length === 1;
    names.append(...this.grids.map(({ name }, e) => this.makeName(name, e)));
    this.find(".baseline").hidden = this.grids.length === 1;
    this.find(".goals").append(...RATES.map((rate) => this.makeGoal(rate)));
    this.rows = {};
    for (const kind of KINDS) {
      this.rows[kind] = ["worst", "close"].map((which) => this.makeRow(kind, which));
    }
  }

  settingWords() {
    const { genuinePairs, impostorPairs } = measure(this.grids[0], 0);
    const { length } = this.items;
    const available = this.model.get("_available");
    const drawn = length < available ? ` drawn from ${thousands(available)}` : "";
    return (
      "Drag the line: what lies to its left is accepted as one class. " +
      `All pairs of ${thousands(length)} items${drawn}: ${thousands(genuinePairs)} genuine ` +
      `(one class) and ${thousands(impostorPairs)} impostor pairs (two classes).`
    );
  }

  makeName(name, e) {
    const button = make("button", "name", name);
    button.title = "Show this embedding, at the same false accept rate";
    button.addEventListener("click", () => this.choose(e));
    return button;
  }

  makeGoal(rate) {
    const button = make("button", "goal", `FAR ${percent(rate).replace(/\.?0+ /, " ")}`);
    button.title = "The largest threshold with at most this false accept rate";
    button.setAttribute("aria-label", `False accept rate ${Number(100 * rate)} percent`);
    button.addEventListener("click", () => this.goTo(placeAtRate(this.grid, rate)));
    return button;
  }

  makeRow(kind, which) {
    const root = make("div", "row");
    const name = make("div", "row-name quiet");
    const list = make("div", "pairs");
    const pairs = Array.from({ length: ROW }, () => {
      const pair = make("div", "pair");
      pair.setAttribute("role", "img");
      const pictures = make("div", "pictures");
      const items = [make("div", "item"), make("div", "item")];
      pictures.append(...items);
      const marks = make("div", "marks");
      const distance = make("div", "number quiet");
      pair.append(pictures, marks, distance);
      return { pair, items, marks, distance };
    });
    list.append(...pairs.map(({ pair }) => pair));
    root.append(name, list);
    this.find(`[data-kind="${kind}"]`).append(root);
    return { root, name, pairs, which };
  }

  // ---- listening

  listen() {
    this.follow("threshold", () => this.repaint());
    this.follow(["embedding", "scale", "title"], () => this.update());
    this.on(this.find(".equal"), "click", () => this.goTo(placeOfEqualError(this.grid)));
    for (const button of this.findAll("[data-scale]")) {
      this.on(button, "click", () => this.send("scale", button.dataset.scale));
    }
    this.listenToPlots();
    this.listenToKeys();
    this.onLook(this.root, () => this.draw());
  }

  listenToPlots() {
    const dragged = (plot, placeAt) => {
      const element = this.find(plot);
      const moved = (event) => this.goTo(placeAt(...pointIn(element, event)));
      this.onDrag(element, moved, () => this.sendNow());
    };
    dragged(".histogram", (x) => this.histogram.placeAt(x));
    dragged(".roc", (x, y) => this.roc.placeAt(x, y));
  }

  listenToKeys() {
    const move = (direction) => (event) => {
      const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.last / ARROW_STEPS));
      this.goTo(this.place + direction * step);
    };
    this.onKeys({
      ArrowLeft: move(-1),
      ArrowDown: move(-1),
      ArrowRight: move(1),
      ArrowUp: move(1),
      PageDown: move(-FAR_STEPS),
      PageUp: move(FAR_STEPS),
      Home: () => this.goTo(this.grid.lowest),
      End: () => this.goTo(this.last),
    });
  }

  // ---- acting

  get shown() {
    return Math.max(
      this.grids.findIndex(({ name }) => name === this.model.get("embedding")),
      0,
    );
  }

  get grid() {
    return this.grids[this.shown];
  }

  get last() {
    return this.grid.thresholds - 1;
  }

  get place() {
    return placeOf(this.grid, this.model.get("threshold"));
  }

  goTo(place) {
    this.setPlace(clamp(place, this.grid.lowest, this.last));
    this.sendSoon("threshold", this.model.get("threshold"));
  }

  // The threshold and what follows from it go together: Python checks one against the other.
  setPlace(place) {
    const { falseAcceptRate, falseRejectRate } = measure(this.grid, place);
    this.model.set("threshold", thresholdAt(this.grid, place));
    this.model.set("false_accept_rate", falseAcceptRate);
    this.model.set("false_reject_rate", falseRejectRate);
  }

  choose(e) {
    if (e === this.shown) return;
    const { falseAcceptRate } = measure(this.grid, this.place);
    this.model.set("embedding", this.grids[e].name);
    this.setPlace(placeAtRate(this.grid, falseAcceptRate));
    this.sendNow();
  }

  // ---- showing

  update() {
    const { shown, model } = this;
    this.find(".title").textContent = model.get("title");
    this.findAll(".name").forEach((button, e) => button.setAttribute("aria-pressed", e === shown));
    for (const button of this.findAll("[data-scale]")) {
      button.setAttribute("aria-pressed", button.dataset.scale === model.get("scale"));
    }
    const other = this.grids[1 - shown];
    const entry = (kind, text) => make("span", `entry ${kind}-entry`, text);
    this.find(".legend").replaceChildren(
      entry("curve", other ? this.grid.name : "curve"),
      ...(other ? [entry("other", other.name)] : []),
      entry("chance", "guessing"),
    );
    this.showAreas(this.grid, other);
    this.draw();
  }

  showAreas(grid, other) {
    const line = (name, valueOf) => {
      const words = make("div", "", `${name} `);
      words.append(make("b", "", valueOf(grid)));
      if (other) words.append(make("span", "quiet", `, ${other.name} ${valueOf(other)}`));
      return words;
    };
    this.find(".areas").replaceChildren(
      line("Area under the curve (AUC)", ({ roc_auc: area }) => area.toFixed(3)),
      line("Equal error rate", ({ equal_error_rate: rate }) => percent(rate)),
    );
  }

  draw() {
    const histogram = this.find(".histogram");
    const roc = this.find(".roc");
    if (!histogram.clientWidth) return; // no room yet
    this.histogram.draw(
      histogram.clientWidth,
      histogram.clientHeight,
      this.grid,
      this.model.get("_metric"),
    );
    const isLog = this.model.get("scale") === "log";
    this.roc.draw(roc.clientWidth, roc.clientHeight, this.grids, this.shown, isLog);
    const { clientWidth } = this.find(".pairs");
    this.size = clamp(Math.floor((clientWidth / ROW - 14) / 2), 20, 42);
    this.paint();
  }

  paint() {
    if (!this.size) return;
    const { grid, place } = this;
    const measured = measure(grid, place);
    this.histogram.show(place, measured);
    this.roc.show(measured);
    this.showRates(measured);
    for (const kind of KINDS) this.showExamples(kind, place, measured);
    this.describe(place, measured);
  }

  showRates(measured) {
    const { falseAccepts, falseRejects, genuinePairs, impostorPairs } = measured;
    this.find(".false-accept-rate").textContent = percent(measured.falseAcceptRate);
    this.find(".false-accepts").textContent =
      `${thousands(falseAccepts)} of ${thousands(impostorPairs)} impostor pairs accepted`;
    this.find(".false-reject-rate").textContent = percent(measured.falseRejectRate);
    this.find(".false-rejects").textContent =
      `${thousands(falseRejects)} of ${thousands(genuinePairs)} genuine pairs rejected`;
    const other = this.grids[1 - this.shown];
    if (!other) return;
    const there = measure(other, placeAtRate(other, measured.falseAcceptRate));
    this.find(".baseline-name").textContent = `${other.name}: false reject rate`;
    this.find(".baseline-rate").textContent = percent(there.falseRejectRate);
  }

  showExamples(kind, place, { falseAccepts, falseRejects }) {
    const isImpostor = kind === "impostor";
    const count = isImpostor ? falseAccepts : falseRejects;
    const examples = this.grid.pairs[kind];
    const wrong = wrongPairs(examples, kind, place, ROW);
    const heading = this.find(`[data-kind="${kind}"] .kind-name`);
    heading.innerHTML = roleIcon(isImpostor ? "negative" : "positive");
    const noun = count === 1 ? "pair" : "pairs";
    const verdict = isImpostor ? "accepted" : "rejected";
    heading.append(` ${thousands(count)} ${kind} ${noun} ${verdict} wrongly`);
    const names = isImpostor
      ? ["the nearest, which are the worst", "just accepted"]
      : ["the farthest, which are the worst", "just rejected"];
    this.rows[kind].forEach(({ root, name, pairs, which }, row) => {
      const chosen = wrong[which];
      root.style.visibility = chosen.length ? "" : "hidden";
      name.textContent = names[row];
      pairs.forEach((element, i) => this.showPair(element, examples, chosen[i]));
    });
  }

  showPair({ pair, items, marks, distance }, examples, index) {
    pair.style.visibility = index === undefined ? "hidden" : "";
    if (index === undefined) return;
    const [place, ...both] = examples.subarray(3 * index, 3 * index + 3);
    distance.textContent = formatted(thresholdAt(this.grid, place));
    const classes = both.map((item) => this.classes[this.classOf[item]]);
    both.forEach((item, side) => this.showItem(items[side], item, classes[side]));
    const [a, b] = classes.map(({ mark }) => mark);
    marks.textContent = a === b ? `both ${a}` : `${a} ≠ ${b}`;
    const numbers = both.map((item) => this.items[item]);
    const text =
      `Items ${numbers.join(" and ")}, classes ${classes.map(({ name }) => name).join(" and ")}, ` +
      `distance ${distance.textContent}`;
    pair.title = text;
    pair.setAttribute("aria-label", text);
  }

  showItem(element, item, { mark }) {
    if (!this.sprite.empty) {
      this.sprite.place(element, item, this.size);
      return;
    }
    element.textContent = mark;
    element.style.width = element.style.height = `${this.size}px`;
    element.classList.add("mark");
  }

  describe(place, measured) {
    const { falseAccepts, falseRejects, falseAcceptRate, falseRejectRate } = measured;
    const threshold = thresholdAt(this.grid, place);
    const words =
      `At threshold ${threshold}${this.grids.length > 1 ? ` in ${this.grid.name}` : ""}, ` +
      `${percent(falseAcceptRate)} of impostor pairs (${thousands(falseAccepts)}) are accepted ` +
      `and ${percent(falseRejectRate)} of genuine pairs (${thousands(falseRejects)}) are rejected.`;
    setAll(this.find(".histogram"), {
      "aria-valuemin": thresholdAt(this.grid, this.grid.lowest),
      "aria-valuemax": thresholdAt(this.grid, this.last),
      "aria-valuenow": threshold,
      "aria-valuetext": `${threshold}`,
    });
    this.find(".roc").setAttribute("aria-label", `ROC curve. ${words}`);
    this.say(words);
  }
}

const STYLE = `
.thresholds {
  /* Small print wants a contrast of 4.5: more than grey has, and more than vermilion on white. */
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 65%, Canvas));
  --negative-text: color-mix(in srgb, var(--negative) 82%, black);
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px;
}
.thresholds.dark { --negative-text: var(--negative); --accent: var(--jp-brand-color1, #64b5f6); }
.setting { margin-top: -6px; }
header { align-items: center; }
.names, .scales { display: inline-flex; gap: 0; }
.names button, .scales button { border-radius: 0; margin-left: -1px; }
.names button:first-child, .scales button:first-child { border-radius: 4px 0 0 4px; }
.names button:last-child, .scales button:last-child { border-radius: 0 4px 4px 0; }
.rates { display: flex; flex-wrap: wrap; gap: 8px 28px; align-items: flex-start; }
.rate { min-width: 150px; }
.rate-name { display: flex; align-items: center; gap: 5px; }
.rate .role-icon { flex: none; width: 14px; height: 14px; }
.rate .readout { font-size: var(--large); font-weight: 600; }
.role-icon path[fill="#d55e00"] { fill: var(--negative); }
.role-icon path[fill="#0072b2"] { fill: var(--positive); }
.baseline { border-left: 1px solid var(--line); padding-left: 14px; }
.goals { margin-left: auto; }
.plots { display: grid; grid-template-columns: minmax(0, 1.35fr) minmax(0, 1fr); gap: 10px 24px; }
figure { min-width: 0; }
figcaption {
  display: flex; align-items: center; justify-content: space-between; min-height: 44px;
  font-weight: 600;
}
.scales { font-weight: 400; }
.meaning { min-height: 36px; }
.plot { position: relative; height: 330px; touch-action: none; user-select: none; cursor: pointer; }
/* Both plots and what stands below the second end together. */
.histogram { height: 394px; cursor: ew-resize; }
.plot svg { position: absolute; inset: 0; display: block; }
.axis { stroke: var(--line); fill: none; }
.guide { stroke: var(--line); stroke-dasharray: 2 4; fill: none; }
.tick { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.halo, .share, .flag {
  paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round;
}
.genuine-text { fill: var(--positive); font-weight: 600; }
.impostor-text { fill: var(--negative-text); font-weight: 600; }
.share, .flag { font-size: 13px; fill: currentColor; font-variant-numeric: tabular-nums; }
.wrong-share, .flag { font-weight: 600; }
.genuine-solid { fill: var(--positive); }
.impostor-solid { fill: var(--negative); }
.genuine-right { fill: var(--positive); opacity: 0.4; }
.impostor-right { fill: var(--negative); opacity: 0.4; }
.hatch-line { fill: var(--ground); }
.line path { stroke: currentColor; stroke-width: 2px; fill: none; }
.line circle { fill: currentColor; stroke: var(--ground); stroke-width: 2px; }
.point { fill: none; stroke: currentColor; stroke-width: 3px; }
.line .grip { stroke: var(--ground); stroke-width: 1.5px; stroke-linecap: round; }
.curve { stroke: var(--accent); stroke-width: 2.5px; fill: none; stroke-linejoin: round; }
.other-curve { stroke: var(--quiet); stroke-width: 1.5px; stroke-dasharray: 6 3; fill: none; }
.chance { stroke: var(--quiet); stroke-width: 1.5px; stroke-dasharray: 1.5 3; fill: none; }
.equal-error { fill: var(--ground); stroke: currentColor; stroke-width: 1.5px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; padding-left: 54px; }
.entry { display: inline-flex; align-items: center; gap: 6px; }
.entry::before { content: ""; width: 22px; border-top: 2px dashed var(--quiet); }
.curve-entry::before { border-top: 3px solid var(--accent); }
.chance-entry::before { border-top-style: dotted; }
.areas { padding: 6px 0 0 54px; }
.examples { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px 24px; }
.kind { border-top: 1px solid var(--line); padding-top: 8px; min-width: 0; }
.kind-name { font-weight: 600; }
.row { padding-top: 4px; }
.pairs { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); padding-top: 2px; }
.pair { display: flex; flex-direction: column; align-items: center; min-width: 0; }
.pictures {
  display: flex; gap: 2px; padding: 1px; border: 2px dashed var(--negative); border-radius: 3px;
}
.marks { font-weight: 600; line-height: 1.2; padding-top: 2px; }
[data-kind="genuine"] .pictures { border-color: var(--positive); }
.mark { display: grid; place-items: center; font-size: var(--large); font-weight: 600; }
:host(.projected) :is(.meaning, .row ~ .row) { display: none; }
:host(.projected) .tick { font-size: 12px; }
@container (max-width: 719px) {
  .plots, .examples { grid-template-columns: minmax(0, 1fr); }
  .goals { margin-left: 0; }
  .plot.roc { height: 290px; }
  .plot.histogram { height: 370px; }
  .meaning { min-height: 0; }
}
@container (max-width: 460px) {
  .baseline { border: 0; padding: 0; }
  .names { width: 100%; }
  .names button { flex: 1; }
}
`;

export default { render };
