// TripletPlayground: one triplet to drag, its loss, and where the gradient sends it.
//
// `initialize` takes the steps of a run, once for each model; `render` builds a view, as often as
// the widget is shown. They meet only in the model's traits.

import {
  BaseView,
  SYNC_MILLISECONDS,
  Sprite,
  clamp,
  make,
  makeSvg,
  mount,
  pointIn,
  reducedMotion,
  roleIcon,
  rolePath,
  setAll,
} from "./shared.js";

const ROLES = ["anchor", "positive", "negative"];
const LIMIT = 2; // the plane reaches from -2 to 2, as in Python
const STEP_MILLISECONDS = 60;
const MAX_STEPS = 500; // of one run
const MAX_TRAIL = 200; // places kept of the way the points came
const REACH = 22; // radius in CSS pixels in which a pointer takes hold of a point
const MARK = 11; // radius of a mark, in CSS pixels
// Places that are right at a margin of 0.5, in the plane and, by their direction, on the circle.
const PRESETS = {
  easy: [[0.5, 0.3], [0.2, 0.75], [0.3, -1.1]],
  "semi-hard": [[0.5, 0.3], [0, 0.85], [0.5, -0.7]],
  hard: [[0.5, 0.3], [-0.55, 0.75], [0.75, -0.35]],
  "nearly collapsed": [[0.5, 0.3], [0.53, 0.34], [0.55, 0.27]],
  collapsed: [[0.5, 0.3], [0.5, 0.3], [0.5, 0.3]],
};
const PRESET_MARGIN = 0.5;
const RANGES = {
  margin: { least: 0, most: 2, step: 0.05 },
  rate: { least: 0.01, most: 0.5, step: 0.01 },
};
const METRIC_NAMES = {
  euclidean: "Euclidean",
  squared_euclidean: "squared Euclidean",
  cosine: "cosine, 1 − cos",
};
// What one unit of gradient measures on the axes: arrows stay readable, and within the plane.
const ARROW_SCALES = { euclidean: 0.4, squared_euclidean: 0.15, cosine: 0.4 };

// ---------------------------------------------------------------- distances and their gradients

const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];
const times = (factor, a) => [factor * a[0], factor * a[1]];
const squaredLength = (a) => a[0] * a[0] + a[1] * a[1];
const lengthOf = (a) => Math.sqrt(squaredLength(a));

// A vector scaled to unit length, or null for the zero vector, which has no direction.
export function unitVector(a) {
  const largest = Math.max(Math.abs(a[0]), Math.abs(a[1]));
  if (largest === 0) return null;
  const scaled = [a[0] / largest, a[1] / largest];
  const length = lengthOf(scaled);
  return [scaled[0] / length, scaled[1] / length];
}

// The point of the unit circle in the direction of a place; the origin goes to (1, 0).
export function toCircle(a) {
  // A second scaling might move the last digit.
  if (Math.abs(squaredLength(a) - 1) < 1e-12) return a;
  return unitVector(a) ?? [1, 0];
}

// As in distances.py: from differences, so that ties stay ties and nothing cancels.
export function distance(metric, a, b) {
  if (metric === "cosine") {
    const [u, v] = [unitVector(a), unitVector(b)];
    return u && v ? 0.5 * squaredLength(minus(u, v)) : 1;
  }
  const squared = squaredLength(minus(a, b));
  return metric === "euclidean" ? Math.sqrt(squared) : squared;
}

// Gradient of the distance with respect to `a`. Zero where the points coincide, as in the package.
export function distanceGradient(metric, a, b) {
  if (metric === "squared_euclidean") return times(2, minus(a, b));
  if (metric === "cosine") {
    const [u, v] = [unitVector(a), unitVector(b)];
    if (!u || !v) return [0, 0];
    const cross = u[0] * v[1] - u[1] * v[0];
    return times(cross / lengthOf(a), [u[1], -u[0]]);
  }
  const length = distance(metric, a, b);
  return length === 0 ? [0, 0] : times(1 / length, minus(a, b));
}

// ---------------------------------------------------------------- the triplet
//
// A triplet is { anchor, positive, negative }, its options are { metric, margin, soft }.

const distancesOf = (triplet, metric) => [
  distance(metric, triplet.anchor, triplet.positive),
  distance(metric, triplet.anchor, triplet.negative),
];

// The loss is strictly positive. Written as the package compares, so that ties fall the same way.
const isActive = (positive, negative, { margin, soft }) => soft || negative < positive + margin;

export function tripletLoss(triplet, options) {
  const [positive, negative] = distancesOf(triplet, options.metric);
  const difference = positive - negative;
  if (options.soft) return Math.max(difference, 0) + Math.log1p(Math.exp(-Math.abs(difference)));
  return isActive(positive, negative, options) ? Math.max(difference + options.margin, 0) : 0;
}

export function category(triplet, options) {
  const [positive, negative] = distancesOf(triplet, options.metric);
  if (negative <= positive) return "hard";
  if (options.soft) return "not hard";
  return isActive(positive, negative, options) ? "semi-hard" : "easy";
}

// How strongly the loss depends on d(a, p) - d(a, n): 0 or 1 for the hinge, the sigmoid if soft.
function slope(triplet, options) {
  const [positive, negative] = distancesOf(triplet, options.metric);
  if (!options.soft) return isActive(positive, negative, options) ? 1 : 0;
  return sigmoid(positive - negative);
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// Gradient of the loss with respect to each of the three points.
export function gradients(triplet, options) {
  const { anchor, positive, negative } = triplet;
  const { metric } = options;
  const weight = slope(triplet, options);
  const pull = distanceGradient(metric, anchor, positive);
  const push = distanceGradient(metric, anchor, negative);
  return {
    anchor: times(weight, minus(pull, push)),
    positive: times(weight, distanceGradient(metric, positive, anchor)),
    negative: times(-weight, distanceGradient(metric, negative, anchor)),
  };
}

const isZero = (triplet) => ROLES.every((role) => squaredLength(triplet[role]) === 0);

// Where a point may lie: in the plane, or on the unit circle.
export function placed(metric, a) {
  if (metric === "cosine") return toCircle(a);
  return [clamp(a[0], -LIMIT, LIMIT), clamp(a[1], -LIMIT, LIMIT)];
}

// The triplet after one step of gradient descent; on the circle along the tangent, then back.
export function stepped(triplet, options, rate) {
  const slopes = gradients(triplet, options);
  const after = (role) => placed(options.metric, minus(triplet[role], times(rate, slopes[role])));
  return Object.fromEntries(ROLES.map((role) => [role, after(role)]));
}

// Where the zones around the anchor end: radii in the plane, angles on the circle. `outer` is null
// where there is no ring, and pi on the circle where nothing lies beyond it.
export function zoneBounds(triplet, { metric, margin, soft }) {
  const [inside] = distancesOf(triplet, metric);
  const bound = {
    euclidean: (d) => d,
    squared_euclidean: (d) => Math.sqrt(d),
    cosine: (d) => 2 * Math.asin(Math.min(Math.sqrt(d / 2), 1)),
  }[metric];
  return { inner: bound(inside), outer: soft ? null : bound(inside + margin) };
}

// ---------------------------------------------------------------- in words

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function coincidence(options, loss) {
  const level = options.soft ? "log 2" : options.margin ? "the margin" : "0";
  return (
    `All three points coincide: the loss is ${level} and the gradient is zero. ` +
    (loss > 0 ? "No step can part them: collapse is absorbing." : "With margin 0 nothing is asked.")
  );
}

function hardReason([positive, negative], soft) {
  const place =
    negative === positive
      ? "The negative is just as far from the anchor as the positive is."
      : "The negative is nearer to the anchor than the positive is.";
  return soft ? `${place} The soft margin has no ring.` : place;
}

// Why the triplet is what it is, in one or two sentences.
export function reason(triplet, options) {
  const distances = distancesOf(triplet, options.metric);
  const loss = tripletLoss(triplet, options);
  const [positive, negative] = distances;
  if (positive === 0 && negative === 0) return coincidence(options, loss);
  const words = {
    hard: hardReason(distances, options.soft),
    "semi-hard":
      "The negative lies in the ring: farther than the positive, but not by the margin.",
    easy:
      "The negative is farther than the positive, by the margin or more: " +
      "loss and gradient are 0, nothing is left to learn.",
    "not hard":
      "The negative is farther than the positive. The soft margin has no ring: " +
      "the pull fades with distance, but the loss never reaches 0.",
  }[category(triplet, options)];
  if (loss > 0 && isZero(gradients(triplet, options))) {
    return `${words} The gradient is zero all the same: no step can help.`;
  }
  return loss > 0 && positive === 0
    ? `${words} The positive lies on the anchor: only the negative is moved against it.`
    : words;
}

const twoDigits = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2).replace("-", "−");
const lossText = (loss) =>
  loss === 0 ? "0" : loss < 0.0005 ? "< 0.001" : loss.toFixed(3);
const stepsText = (steps) => `${steps} ${steps === 1 ? "step" : "steps"}`;

// ---------------------------------------------------------------- the model

const readTriplet = (model) => Object.fromEntries(ROLES.map((role) => [role, model.get(role)]));

const readOptions = (model) => ({
  metric: model.get("metric"),
  margin: model.get("margin"),
  soft: model.get("soft_margin"),
});

function writeOutcome(model) {
  const [triplet, options] = [readTriplet(model), readOptions(model)];
  model.set("loss", tripletLoss(triplet, options));
  model.set("category", category(triplet, options));
}

function writeTriplet(model, triplet) {
  for (const role of ROLES) model.set(role, triplet[role]);
  writeOutcome(model);
}

const flat = (triplet) => ROLES.flatMap((role) => triplet[role]);

// The way the points came by gradient steps. It ends where they are, or they were put elsewhere
// since, and it is no longer theirs.
function readTrail(model) {
  const { steps, places } = model.get("_trail") ?? {};
  const here = flat(readTriplet(model));
  const isTheirs = places?.at(-1)?.every((value, i) => value === here[i]);
  return isTheirs ? { steps, places } : { steps: 0, places: [here] };
}

// One gradient step; false if there is none to take.
function takeStep(model) {
  const [triplet, options] = [readTriplet(model), readOptions(model)];
  if (isZero(gradients(triplet, options))) return false;
  const { steps, places } = readTrail(model);
  const next = stepped(triplet, options, model.get("learning_rate"));
  writeTriplet(model, next);
  const kept = [...places, flat(next)].slice(-MAX_TRAIL);
  model.set("_trail", { steps: steps + 1, places: kept });
  return true;
}

// Takes steps while `running`. Where motion is not wanted, all of them at once.
function initialize({ model }) {
  let timer;
  let sent = 0;
  let left = 0;

  function stepOnce() {
    left -= 1;
    const done = takeStep(model) && model.get("loss") > 0 && left > 0;
    if (!done) model.set("running", false);
    return done;
  }

  function tick() {
    timer = undefined;
    if (!model.get("running")) return;
    let goesOn = stepOnce();
    while (goesOn && reducedMotion()) goesOn = stepOnce();
    if (goesOn) timer = setTimeout(tick, STEP_MILLISECONDS);
    if (!goesOn || performance.now() - sent > SYNC_MILLISECONDS) {
      sent = performance.now();
      model.save_changes();
    }
  }

  function runningChanged() {
    if (!model.get("running")) return;
    left = MAX_STEPS;
    timer ??= setTimeout(tick, 0);
  }

  model.on("change:running", runningChanged);
  runningChanged();
  return () => {
    clearTimeout(timer);
    model.off("change:running", runningChanged);
  };
}

// ---------------------------------------------------------------- drawing

// From the plane to pixels of the picture, and back.
class Plane {
  constructor(width, height, limit) {
    Object.assign(this, { left: 30, top: 8, limit });
    this.side = Math.max(Math.min(width - this.left - 8, height - this.top - 34), 1);
    this.unit = this.side / (2 * limit);
  }

  toPixels([x, y]) {
    return [
      this.left + (x + this.limit) * this.unit,
      this.top + (this.limit - y) * this.unit,
    ];
  }

  toPlane([x, y]) {
    return [(x - this.left) / this.unit - this.limit, this.limit - (y - this.top) / this.unit];
  }

  get box() {
    return { x: this.left, y: this.top, width: this.side, height: this.side };
  }
}

const rectanglePath = ({ x, y, width, height }) => `M${x} ${y}h${width}v${height}h${-width}Z`;
const circlePath = ([x, y], r) =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
const onCircleAt = (angle) => [Math.cos(angle), Math.sin(angle)];
const angleOf = ([x, y]) => Math.atan2(y, x);

// A band along the unit circle from one angle to another, counterclockwise, at most all around.
function bandPath(plane, from, to) {
  const corner = (radius, angle) => plane.toPixels(times(radius, onCircleAt(angle))).join(" ");
  const [inside, outside] = [0.88, 1.12];
  const far = to - from > Math.PI ? 1 : 0;
  const end = Math.min(to, from + 2 * Math.PI - 1e-4); // an arc cannot close on itself
  const arc = (radius, sweep) => {
    const pixels = radius * plane.unit;
    return `A${pixels} ${pixels} 0 ${far} ${sweep} `;
  };
  return (
    `M${corner(outside, from)}${arc(outside, 0)}${corner(outside, end)}` +
    `L${corner(inside, end)}${arc(inside, 1)}${corner(inside, from)}Z`
  );
}

// Shapes of the zones, each with its class; `opacity` where it is not the style sheet's.
function zoneShapes(plane, triplet, options) {
  const { inner, outer } = zoneBounds(triplet, options);
  return options.metric === "cosine"
    ? zonesOnCircle(plane, angleOf(triplet.anchor), inner, outer, triplet, options)
    : zonesInPlane(plane, plane.toPixels(triplet.anchor), inner, outer);
}

function zonesInPlane(plane, center, inner, outer) {
  const disc = circlePath(center, inner * plane.unit);
  if (outer === null) {
    return [
      { name: "fading", d: rectanglePath(plane.box) },
      { name: "edge", d: disc },
    ];
  }
  const ring = circlePath(center, outer * plane.unit);
  return [
    { name: "easy", d: rectanglePath(plane.box) + ring },
    { name: "semi-hard", d: ring + disc },
    { name: "hard", d: disc },
    { name: "edge", d: disc },
    { name: "edge", d: ring },
  ];
}

function zonesOnCircle(plane, middle, inner, outer, triplet, options) {
  if (outer === null) return fadingBands(plane, middle, triplet, options);
  return [
    { name: "easy", d: bandPath(plane, middle + outer, middle + 2 * Math.PI - outer) },
    { name: "semi-hard", d: bandPath(plane, middle + inner, middle + outer) },
    { name: "semi-hard", d: bandPath(plane, middle - outer, middle - inner) },
    { name: "hard", d: bandPath(plane, middle - inner, middle + inner) },
  ];
}

// With the soft margin no zone ends: the shade is the strength of the pull on a negative there.
function fadingBands(plane, middle, triplet, options) {
  const [positive] = distancesOf(triplet, options.metric);
  const width = Math.PI / 36;
  return Array.from({ length: 72 }, (_, i) => {
    const from = middle + i * width;
    const opacity = pullAt(positive, 1 - Math.cos((i + 0.5) * width));
    return { name: "band", d: bandPath(plane, from, from + width), opacity };
  });
}

const pullAt = (positive, distanceThere) => 0.45 * sigmoid(positive - distanceThere);

// An arrow from `from` in pixels by `vector` in pixels, begun at the rim of the mark.
export function arrowPath(from, vector) {
  const length = lengthOf(vector);
  if (length < 0.5) return "";
  const along = times(1 / length, vector);
  const across = [-along[1], along[0]];
  const head = Math.min(12, length);
  const point = (forward, aside) =>
    `${from[0] + along[0] * forward + across[0] * aside} ` +
    `${from[1] + along[1] * forward + across[1] * aside}`;
  const [start, end] = [MARK + 4, MARK + 4 + length];
  const neck = end - head;
  const half = Math.min(2, head / 4);
  return (
    `M${point(start, -half)}L${point(neck, -half)}L${point(neck, -head / 2)}L${point(end, 0)}` +
    `L${point(neck, head / 2)}L${point(neck, half)}L${point(start, half)}Z`
  );
}

// ---------------------------------------------------------------- room for pictures and words

const boxAround = ([x, y], width, height = width) => ({
  x: x - width / 2,
  y: y - height / 2,
  width,
  height,
});

function overlap(a, b) {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(width, 0) * Math.max(height, 0);
}

const between = (a, b, part) => [a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])];

// Small boxes along a line, to keep words off it.
const boxesAlong = (from, to) => {
  const count = Math.max(Math.ceil(lengthOf(minus(to, from)) / 10), 1);
  return Array.from({ length: count + 1 }, (_, i) => boxAround(between(from, to, i / count), 8));
};

// The candidate that covers least of what must be seen, or the one chosen before if it is hardly
// worse: what is read must not jump about while a point is dragged.
function chooseSpot(candidates, obstacles, bounds, before) {
  const costs = candidates.map(
    (box) =>
      3 * (box.width * box.height - overlap(box, bounds)) +
      obstacles.reduce((sum, obstacle) => sum + overlap(box, obstacle), 0),
  );
  const best = costs.indexOf(Math.min(...costs));
  const index = before < costs.length && costs[before] <= costs[best] + 120 ? before : best;
  return { index, box: candidates[index], cost: costs[index] };
}

// Boxes around a point, outside a circle of the given radius, in 12 directions.
function boxesAround([x, y], radius, width, height, turn) {
  return Array.from({ length: 12 }, (_, i) => {
    const [cos, sin] = onCircleAt((Math.PI * i) / 6 + turn);
    const middle = [x + cos * (radius + width / 2), y - sin * (radius + height / 2)];
    return boxAround(middle, width, height);
  });
}

// ---------------------------------------------------------------- the view

const SOFT_MEANING =
  "Soft margin: log(1 + exp(d(a,p) − d(a,n))) instead of the loss with a margin. " +
  "It fades with distance, but has no edge beyond which it is 0.";

const button = (name, text, title) =>
  `<button class="${name}" title="${title}">${text}</button>`;

const TEMPLATE = `
<section class="widget playground" tabindex="0" role="group">
  <header><h3 class="title"></h3></header>
  <p class="hint"></p>
  <div class="plot">
    <svg class="picture" role="group" aria-label="The plane with the three points">
      <defs><radialGradient id="fading" gradientUnits="userSpaceOnUse"></radialGradient>
        <clipPath id="frame"><path></path></clipPath></defs>
      <g class="zones" clip-path="url(#frame)"></g>
      <g class="axes"></g>
      <g class="words"></g>
      <g class="trails"></g>
      <g class="lines"></g>
      <g class="arrows"></g>
      <g class="lengths"></g>
      <g class="points"></g>
    </svg>
    <div class="cards"></div>
  </div>
  <div class="side">
    <div class="verdict">
      <div class="verdict-head"><span class="badge"></span>
        <span class="readout">loss <b class="loss-value"></b></span></div>
      <p class="reason"></p>
    </div>
    <div class="loss">
      <div class="bar" role="img"><div class="fill"></div><div class="tick"></div></div>
      <div class="scale number" aria-hidden="true"></div>
      <div class="formula number"></div>
    </div>
    <div class="controls steps">
      ${button("step", "Gradient step", "Take one gradient step (S)")}
      ${button("run", "", "Take gradient steps until the loss is 0, or stop (space)")}
      ${button("reset", "Reset", "Back to the start (R)")}
    </div>
    <div class="controls presets" role="group" aria-label="Start from"></div>
  </div>
  <div class="settings">
    <div class="controls">
      <label class="wide">margin <input class="margin" type="range">
        <output class="margin-value number"></output></label>
      <label class="wide">learning rate <input class="rate" type="range">
        <output class="rate-value number"></output></label>
      <label>distance <select class="metric"></select></label>
      <label class="check" title="${SOFT_MEANING}"><input class="soft" type="checkbox"
        aria-description="${SOFT_MEANING}"> soft margin <span>(fades, has no edge)</span></label>
    </div>
    <div class="meanings">
      <ul class="legend"></ul>
      <p class="gradient number"></p>
    </div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "triplet-playground", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.spots = {}; // where each picture and word was put last
    this.build();
    this.listen();
    this.update();
  }

  get triplet() {
    return readTriplet(this.model);
  }

  get options() {
    return readOptions(this.model);
  }

  // ---- building

  build() {
    const metrics = Object.entries(METRIC_NAMES);
    this.find(".metric").append(...metrics.map(([value, text]) => new Option(text, value)));
    this.find(".presets").append(
      make("span", "quiet", "Start from"),
      ...Object.keys(PRESETS).map((name) => {
        const element = make("button", "preset", capital(name));
        element.dataset.preset = name;
        return element;
      }),
    );
    this.buildPoints();
    this.buildCards();
    this.buildLines();
  }

  buildPoints() {
    this.points = {};
    for (const role of ROLES) {
      const group = makeSvg("g", {
        class: `point ${role}`,
        tabindex: 0,
        role: "slider",
        "aria-label": capital(role),
        "aria-roledescription": "point in the plane",
      });
      group.append(
        makeSvg("circle", { class: "hit", r: REACH }),
        makeSvg("circle", { class: "focus", r: MARK + 7 }),
        makeSvg("path", { class: "mark", d: rolePath(role, MARK) }),
      );
      this.points[role] = group;
      this.find(".points").append(group);
    }
  }

  buildCards() {
    const sprite = new Sprite(this.model);
    this.undo.push(() => sprite.remove());
    this.sprite = sprite;
    this.cards = {};
    ROLES.forEach((role, index) => {
      const card = make("div", `card ${role}`);
      if (!sprite.empty) {
        const frame = make("div", "digit-frame");
        frame.setAttribute("role", "img");
        frame.setAttribute("aria-label", `picture of the ${role}`);
        frame.append(sprite.make(index, 28));
        card.append(frame);
      }
      card.append(make("div", "card-name", role));
      this.cards[role] = card;
      this.find(".cards").append(card);
    });
  }

  buildLines() {
    this.lines = {};
    this.lengths = {};
    this.arrows = {};
    this.trails = {};
    for (const role of ROLES) {
      this.arrows[role] = makeSvg("path", { class: `arrow ${role}` });
      this.find(".arrows").append(this.arrows[role]);
      this.trails[role] = makeSvg("path", { class: `trail ${role}` });
      this.find(".trails").append(this.trails[role]);
      if (role === "anchor") continue;
      this.lines[role] = makeSvg("path", { class: `line ${role}` });
      this.find(".lines").append(this.lines[role]);
      this.lengths[role] = makeSvg("text", { class: `length ${role}` });
      this.find(".lengths").append(this.lengths[role]);
    }
    this.words = {};
    for (const name of ["hard", "semi-hard", "easy", "not hard"]) {
      this.words[name] = makeSvg("text", { class: "word" });
      this.words[name].textContent = name;
      this.find(".words").append(this.words[name]);
    }
  }

  // ---- listening

  listen() {
    this.follow([...ROLES, "_trail"], () => this.repaint());
    const seldom = ["margin", "metric", "soft_margin", "learning_rate", "running", "title"];
    this.follow(seldom, () => this.update());
    this.listenToPoints();
    this.listenToControls();
    this.listenToKeys();
    this.onLook(this.find(".plot"), () => this.resize());
  }

  // The nearest mark is taken, not the topmost, and it keeps its place under the pointer.
  listenToPoints() {
    const picture = this.find(".picture");
    const placeOf = (pointer) => pointIn(picture, pointer);
    this.onDrag(
      picture,
      (event, isFirst) => {
        const pointer = placeOf(event);
        if (isFirst && !this.held) this.takeHold(pointer, event.pointerId);
        else if (this.held && event.pointerId === this.pointerId) this.drag(pointer);
      },
      (event) => event.pointerId === this.pointerId && this.letGo(),
    );
    // The focus goes to the point taken, not to what lies on top or holds the pointer.
    this.on(picture, "mousedown", (event) => this.held && event.preventDefault());
    // A finger on a point drags it, beside the points it scrolls the page: `touch-action` knows
    // no parts of an SVG.
    const keep = (event) => {
      if (this.nearestPoint(placeOf(event.touches[0]))[1] <= REACH) event.preventDefault();
    };
    this.on(picture, "touchstart", keep, { passive: false });
  }

  takeHold(pointer, pointerId) {
    const [role, away] = this.nearestPoint(pointer);
    if (away > REACH) return;
    this.held = role;
    this.pointerId = pointerId;
    this.offset = minus(this.plane.toPixels(this.model.get(role)), pointer);
    this.stop();
    this.points[role].focus({ preventScroll: true });
    this.points[role].classList.add("held");
  }

  nearestPoint(pointer) {
    const away = (role) =>
      lengthOf(minus(this.plane.toPixels(this.model.get(role)), pointer));
    return ROLES.map((role) => [role, away(role)]).reduce((a, b) => (b[1] <= a[1] ? b : a));
  }

  drag(pointer) {
    const goal = [pointer[0] + this.offset[0], pointer[1] + this.offset[1]];
    this.put(this.held, this.plane.toPlane(goal));
  }

  letGo() {
    for (const point of Object.values(this.points)) point.classList.remove("held");
    this.held = null;
    this.pointerId = null;
    this.sendNow();
  }

  listenToControls() {
    const on = (selector, name, listener) => this.on(this.find(selector), name, listener);
    on(".margin", "input", ({ target }) => this.change("margin", target.valueAsNumber));
    on(".rate", "input", ({ target }) => this.change("learning_rate", target.valueAsNumber));
    on(".soft", "change", ({ target }) => this.change("soft_margin", target.checked));
    on(".metric", "change", ({ target }) => this.chooseMetric(target.value));
    on(".step", "click", () => this.step());
    on(".run", "click", () => this.toggleRun());
    on(".reset", "click", () => this.reset());
    on(".presets", "click", ({ target }) => this.startFrom(target.dataset.preset));
  }

  listenToKeys() {
    const toward = (x, y, turn) => (event) => {
      const role = event.target.closest?.(".point") && this.roleOf(event.target);
      if (!role) return false;
      this.nudge(role, times(event.shiftKey ? 5 : 1, [x, y]), event.shiftKey ? 5 * turn : turn);
    };
    this.onKeys({
      ArrowLeft: toward(-1, 0, -1),
      ArrowRight: toward(1, 0, 1),
      ArrowUp: toward(0, 1, 1),
      ArrowDown: toward(0, -1, -1),
      s: () => this.step(),
      r: () => this.reset(),
      " ": () => this.toggleRun(),
    });
  }

  roleOf(element) {
    return ROLES.find((role) => this.points[role].contains(element));
  }

  // ---- acting

  // Moves a point, and shows it at once: a frame later the hand has gone on.
  put(role, place) {
    this.model.set(role, placed(this.options.metric, place));
    writeOutcome(this.model);
    this.sendSoon(role, this.model.get(role));
    this.paint();
  }

  nudge(role, direction, turn) {
    this.stop();
    const place = this.model.get(role);
    if (this.options.metric === "cosine") {
      this.put(role, onCircleAt(angleOf(place) + (turn * Math.PI) / 60));
    } else {
      // Hundredths, so that ten moves of 0.05 make 0.5.
      const moved = [0, 1].map((i) => Math.round(100 * (place[i] + 0.05 * direction[i])) / 100);
      this.put(role, moved);
    }
  }

  change(name, value) {
    this.model.set(name, value);
    writeOutcome(this.model);
    this.sendSoon(name, value);
  }

  chooseMetric(metric) {
    this.stop();
    this.model.set("metric", metric);
    const places = ROLES.map((role) => [role, placed(metric, this.model.get(role))]);
    writeTriplet(this.model, Object.fromEntries(places));
    this.sendNow();
  }

  step() {
    this.stop();
    const moved = takeStep(this.model);
    this.sendNow();
    if (!moved) this.describe();
  }

  toggleRun() {
    this.send("running", !this.model.get("running"));
  }

  stop() {
    if (this.model.get("running")) this.send("running", false);
  }

  startFrom(preset) {
    if (!preset) return;
    this.stop();
    const { metric, soft } = this.options;
    if (!soft) this.model.set("margin", PRESET_MARGIN);
    const places = PRESETS[preset].map((place, i) => [ROLES[i], placed(metric, place)]);
    writeTriplet(this.model, Object.fromEntries(places));
    this.sendNow();
  }

  reset() {
    this.stop();
    for (const [name, value] of Object.entries(this.model.get("_start"))) {
      this.model.set(name, value);
    }
    this.model.set("_trail", {});
    writeOutcome(this.model);
    this.sendNow();
  }

  // ---- showing

  // Everything that does not move with the points.
  update() {
    const { metric, margin, soft } = this.options;
    const rate = this.model.get("learning_rate");
    const running = this.model.get("running");
    const title = this.model.get("title");
    this.root.setAttribute("aria-label", title || "Triplet playground");
    this.find(".title").textContent = title;
    this.find(".hint").textContent =
      `Drag a point${metric === "cosine" ? " around the circle" : ""}, or reach it with Tab and ` +
      "use the arrow keys. Then let gradient steps move all three.";
    this.find(".metric").value = metric;
    this.find(".soft").checked = soft;
    this.showRange("margin", margin);
    this.showRange("rate", rate);
    this.find(".margin").disabled = soft;
    this.find(".margin-value").textContent = soft ? "none" : twoDigits(margin);
    this.find(".run").textContent = running ? "Stop" : "Run";
    this.find(".run").setAttribute("aria-pressed", running);
    this.showLegend(soft);
    this.showAxes();
    this.repaint();
  }

  showRange(name, value) {
    const range = this.find(`.${name}`);
    const { least, most, step } = RANGES[name];
    // Python may set what a reader hardly needs.
    range.min = Math.min(least, value);
    range.max = Math.max(most, Math.ceil(value));
    const part = (value - range.min) / step;
    range.step = Math.abs(part - Math.round(part)) < 1e-6 ? step : "any";
    range.value = value;
    this.find(`.${name}-value`).textContent = twoDigits(value);
  }

  showLegend(soft) {
    const rows = soft
      ? [
          ["hard", "d(a,n) ≤ d(a,p)"],
          ["not hard", "the rest; the shade is the pull on the negative there"],
        ]
      : [
          ["hard", "d(a,n) ≤ d(a,p)"],
          ["semi-hard", "d(a,p) < d(a,n) < d(a,p) + margin"],
          ["easy", "d(a,n) ≥ d(a,p) + margin"],
        ];
    this.find(".legend").replaceChildren(
      ...rows.map(([name, meaning]) => {
        const row = make("li");
        row.dataset.category = name;
        row.append(
          make("span", `swatch ${name.replace(" ", "-")}`),
          make("b", "", name),
          make("span", "quiet number", meaning),
        );
        return row;
      }),
    );
  }

  resize() {
    const { clientWidth, clientHeight } = this.find(".plot");
    this.width = clientWidth;
    setAll(this.find(".picture"), { width: clientWidth, height: clientHeight });
    const size = clientWidth < 420 ? 42 : 56; // 1.5 or 2 pixels for each of a digit's 28
    if (!this.sprite.empty) {
      ROLES.forEach((role, i) =>
        this.sprite.place(this.cards[role].querySelector(".digit"), i, size),
      );
    }
    this.showAxes();
    this.paint();
  }

  showAxes() {
    if (!this.width) return;
    const circle = this.options.metric === "cosine";
    const { clientWidth, clientHeight } = this.find(".plot");
    this.plane = new Plane(clientWidth, clientHeight, circle ? 1.5 : LIMIT);
    const { plane } = this;
    const { x, y, width, height } = plane.box;
    const [right, bottom] = [x + width, y + height];
    const marks = circle ? [-1, 0, 1] : [-2, -1, 0, 1, 2];
    const text = (content, attributes) => {
      const element = makeSvg("text", attributes);
      element.textContent = content;
      return element;
    };
    const lines = marks.flatMap((mark) => {
      const [along, across] = plane.toPixels([mark, mark]);
      const name = String(mark).replace("-", "−");
      return [
        makeSvg("path", { class: "grid", d: `M${along} ${y}V${bottom}M${x} ${across}H${right}` }),
        text(name, { x: along, y: bottom + 14, "text-anchor": "middle" }),
        text(name, { x: x - 6, y: across + 4, "text-anchor": "end" }),
      ];
    });
    const [middle, center] = [x + width / 2, y + height / 2];
    lines.push(
      makeSvg("path", { class: "frame", d: rectanglePath(plane.box) }),
      text("first dimension", { x: middle, y: bottom + 29, "text-anchor": "middle" }),
      text("second dimension", {
        transform: `translate(10 ${center}) rotate(-90)`,
        "text-anchor": "middle",
      }),
    );
    if (circle) {
      const d = circlePath(plane.toPixels([0, 0]), plane.unit);
      lines.push(makeSvg("path", { class: "unit-circle", d }));
    }
    this.find(".axes").replaceChildren(...lines);
    this.find("#frame path").setAttribute("d", rectanglePath(plane.box));
  }

  paint() {
    cancelAnimationFrame(this.request);
    this.request = 0;
    if (!this.plane) return;
    const { triplet, options, plane } = this;
    const pixels = Object.fromEntries(ROLES.map((r) => [r, plane.toPixels(triplet[r])]));
    const slopes = gradients(triplet, options);
    const kind = category(triplet, options);
    this.paintZones(triplet, options);
    this.paintPoints(triplet, pixels, options);
    const arrows = this.paintArrows(pixels, slopes, options);
    this.paintTrails();
    this.paintLines(triplet, pixels, options);
    this.arrange(triplet, pixels, arrows, options);
    this.paintSide(triplet, options, kind, slopes);
    this.say(this.sentence(triplet, options));
  }

  paintZones(triplet, options) {
    const shapes = zoneShapes(this.plane, triplet, options);
    const group = this.find(".zones");
    while (group.childElementCount > shapes.length) group.lastChild.remove();
    while (group.childElementCount < shapes.length) group.append(makeSvg("path"));
    shapes.forEach(({ name, d, opacity }, i) => {
      setAll(group.children[i], { class: `zone ${name}`, d });
      group.children[i].style.fillOpacity = opacity ?? "";
    });
    if (options.soft && options.metric !== "cosine") this.paintFading(triplet, options);
  }

  // The shade of the soft margin in the plane: as strong as the pull on a negative there.
  paintFading(triplet, { metric }) {
    const [positive] = distancesOf(triplet, metric);
    const [cx, cy] = this.plane.toPixels(triplet.anchor);
    const reach = 3 * LIMIT;
    const gradient = this.find("#fading");
    setAll(gradient, { cx, cy, r: reach * this.plane.unit });
    const stops = Array.from({ length: 49 }, (_, i) => {
      const radius = (reach * i) / 48;
      const there = metric === "euclidean" ? radius : radius * radius;
      return makeSvg("stop", { offset: i / 48, "stop-opacity": pullAt(positive, there) });
    });
    gradient.replaceChildren(...stops);
  }

  paintPoints(triplet, pixels, { metric }) {
    const circle = metric === "cosine";
    for (const role of ROLES) {
      const [x, y] = triplet[role];
      const degrees = Math.round((angleOf([x, y]) * 180) / Math.PI);
      setAll(this.points[role], {
        transform: `translate(${pixels[role]})`,
        "aria-valuemin": circle ? -180 : -LIMIT,
        "aria-valuemax": circle ? 180 : LIMIT,
        "aria-valuenow": circle ? degrees : twoDigits(x).replace("−", "-"),
        "aria-valuetext": circle ? `${degrees} degrees` : `(${twoDigits(x)}, ${twoDigits(y)})`,
      });
    }
  }

  // Gives where the arrows end, in pixels.
  paintArrows(pixels, slopes, { metric }) {
    const scale = -ARROW_SCALES[metric] * this.plane.unit;
    return ROLES.map((role) => {
      const vector = [scale * slopes[role][0], -scale * slopes[role][1]]; // pixels count downwards
      this.arrows[role].setAttribute("d", arrowPath(pixels[role], vector));
      const length = lengthOf(vector);
      const reach = length < 0.5 ? 0 : (length + MARK + 4) / length;
      return [0, 1].map((i) => pixels[role][i] + reach * vector[i]);
    });
  }

  paintTrails() {
    const { places } = readTrail(this.model);
    ROLES.forEach((role, i) => {
      const way = places.map((place) => this.plane.toPixels(place.slice(2 * i, 2 * i + 2)));
      this.trails[role].setAttribute("d", way.length > 1 ? `M${way.join("L")}` : "");
    });
  }

  paintLines(triplet, pixels, { metric }) {
    for (const role of ["positive", "negative"]) {
      const ends = [pixels.anchor, pixels[role]];
      this.lines[role].setAttribute("d", `M${ends.join("L")}`);
      const value = distance(metric, triplet.anchor, triplet[role]);
      this.lengths[role].textContent = `d(a,${role[0]}) ${twoDigits(value)}`;
    }
  }

  // Pictures, lengths and the zones' names, each where it covers least.
  arrange(triplet, pixels, arrows, options) {
    const obstacles = ROLES.map((role) => boxAround(pixels[role], 2 * MARK + 8));
    ROLES.forEach((role, i) => obstacles.push(...boxesAlong(pixels[role], arrows[i])));
    for (const role of ["positive", "negative"]) {
      obstacles.push(...boxesAlong(pixels.anchor, pixels[role]));
    }
    this.arrangeCards(pixels, obstacles);
    this.arrangeLengths(pixels, obstacles);
    this.arrangeWords(triplet, pixels, obstacles, options);
  }

  arrangeCards(pixels, obstacles) {
    ROLES.forEach((role, i) => {
      const card = this.cards[role];
      const [width, height] = [card.offsetWidth, card.offsetHeight];
      // Each begins in a direction of its own: coincident points keep their pictures apart.
      const turn = (2 * Math.PI * i) / 3;
      const boxes = [3, 12, 24].flatMap((gap) =>
        boxesAround(pixels[role], MARK + gap, width, height, turn),
      );
      const { x, y } = this.settleIn(`card ${role}`, boxes, obstacles).box;
      card.style.transform = `translate(${x}px, ${y}px)`;
    });
  }

  arrangeLengths(pixels, obstacles) {
    for (const role of ["positive", "negative"]) {
      const line = minus(pixels[role], pixels.anchor);
      const length = lengthOf(line);
      const text = this.lengths[role];
      text.style.display = length < 2 * MARK ? "none" : "";
      if (length < 2 * MARK) continue; // one mark covers the other: there is no line to name
      const [width, height] = [76, 16];
      const across = [-line[1] / length, line[0] / length];
      const aside = 6 + (Math.abs(across[0]) * width + Math.abs(across[1]) * height) / 2;
      const boxes = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0, 1].flatMap((part) =>
        [aside, -aside, aside + 14, -aside - 14].map((away) => {
          const at = [0, 1].map((i) => pixels.anchor[i] + part * line[i] + away * across[i]);
          return boxAround(at, width, height);
        }),
      );
      const { box, cost } = this.settleIn(`length ${role}`, boxes, obstacles);
      if (cost > 700) text.style.display = "none"; // the formula tells it as well
      setAll(text, { x: box.x + width / 2, y: box.y + 12 });
    }
  }

  arrangeWords(triplet, pixels, obstacles, options) {
    const { inner, outer } = zoneBounds(triplet, options);
    const spots =
      options.metric === "cosine"
        ? this.wordsOnCircle(angleOf(triplet.anchor), inner, outer)
        : this.wordsInPlane(pixels.anchor, inner, outer);
    for (const [name, text] of Object.entries(this.words)) {
      const boxes = spots[name] ?? [];
      const spot = boxes.length ? this.settleIn(`word ${name}`, boxes, obstacles) : null;
      const fits = spot && spot.cost < 150;
      text.style.display = fits ? "" : "none";
      if (fits) setAll(text, { x: spot.box.x + spot.box.width / 2, y: spot.box.y + 13 });
    }
  }

  // A zone too thin for its name goes without: the legend has it.
  wordsInPlane(center, inner, outer) {
    const { unit } = this.plane;
    const [near, far] = [inner * unit, (outer ?? inner) * unit];
    const at = (radius, width) =>
      Array.from({ length: 24 }, (_, i) => {
        const [cos, sin] = onCircleAt((i * Math.PI) / 12 + 0.26);
        return boxAround([center[0] + cos * radius, center[1] - sin * radius], width, 18);
      });
    const beyond = [26, 50, 80, 120].flatMap((gap) => at(far + gap, gap < 50 ? 44 : 60));
    const spots = { hard: near > 34 ? [...at(near * 0.62, 34), ...at(near * 0.4, 34)] : [] };
    if (outer === null) spots["not hard"] = beyond;
    else {
      spots["semi-hard"] = far - near > 22 ? at((near + far) / 2, 60) : [];
      spots.easy = beyond;
    }
    return spots;
  }

  wordsOnCircle(middle, inner, outer) {
    const { plane } = this;
    const along = (from, to, width) => {
      if (to - from < 0.24) return [];
      const angles = [0.5, 0.35, 0.65, 0.2, 0.8].map((part) => from + part * (to - from));
      return [1.26, 0.74].flatMap((radius) =>
        angles.map((angle) =>
          boxAround(plane.toPixels(times(radius, onCircleAt(angle))), width, 18),
        ),
      );
    };
    const hard = along(middle - inner, middle + inner, 34);
    const end = outer ?? inner;
    const rest = along(middle + end, middle + 2 * Math.PI - end, outer === null ? 54 : 34);
    if (outer === null) return { hard, "not hard": rest };
    const sides = [
      ...along(middle + inner, middle + outer, 60),
      ...along(middle - outer, middle - inner, 60),
    ];
    return { hard, "semi-hard": sides, easy: rest };
  }

  // Chooses a place for one thing, and makes it an obstacle to what comes after.
  settleIn(name, boxes, obstacles) {
    const spot = chooseSpot(boxes, obstacles, this.plane.box, this.spots[name]);
    this.spots[name] = spot.index;
    obstacles.push(spot.box);
    return spot;
  }

  paintSide(triplet, options, kind, slopes) {
    const loss = tripletLoss(triplet, options);
    this.find(".badge").textContent = kind;
    this.find(".badge").className = `badge ${kind.replace(" ", "-")}`;
    this.find(".reason").textContent = reason(triplet, options);
    for (const row of this.findAll(".legend li")) {
      row.classList.toggle("current", row.dataset.category === kind);
    }
    this.paintLoss(triplet, options, loss, kind);
    const [a, p, n] = ROLES.map((role) => twoDigits(lengthOf(slopes[role])));
    const away = options.metric === "cosine" ? ", along the circle's tangent" : "";
    this.find(".gradient").textContent = isZero(slopes)
      ? "No arrows: the gradient is zero."
      : `Arrows: −gradient${away}, drawn at ${ARROW_SCALES[options.metric]} of their length. ` +
      `True lengths: a\u00a0${a}, p\u00a0${p}, n\u00a0${n}.`;
  }

  paintLoss(triplet, options, loss, kind) {
    const { metric, margin, soft } = options;
    const [positive, negative] = distancesOf(triplet, metric).map(twoDigits);
    // At this loss the negative is as far as the positive: more is hard, less is not.
    const even = soft ? Math.LN2 : margin;
    const full = Math.max(2 * even, 0.2);
    this.find(".loss-value").textContent = lossText(loss);
    const fill = this.find(".fill");
    fill.className = `fill ${kind.replace(" ", "-")}${loss > full ? " beyond" : ""}`;
    fill.style.width = `${100 * clamp(loss / full, 0, 1)}%`;
    this.find(".tick").style.left = `${(100 * even) / full}%`;
    this.showScale(even, full, soft);
    this.find(".bar").setAttribute("aria-label", `Loss ${lossText(loss)}`);
    const values = `${positive} − ${negative}`;
    this.find(".formula").textContent = soft
      ? `log(1 + exp(d(a,p) − d(a,n)))\n= log(1 + exp(${values}))`
      : `max(d(a,p) − d(a,n) + margin, 0)\n= max(${values} + ${twoDigits(margin)}, 0)`;
  }

  // What the bar measures: 0, the margin (or log 2) and twice as much, with a stroke at each quarter.
  showScale(even, full, soft) {
    const key = `${even} ${soft}`;
    if (key === this.scaleKey) return;
    this.scaleKey = key;
    const name = soft ? `log 2 = ${twoDigits(even)}` : `margin ${twoDigits(even)}`;
    const labels = [[even, name], [full, twoDigits(full)]];
    if (even > 0) labels.unshift([0, "0"]);
    const strokes = [0, 0.25, 0.5, 0.75, 1].map((part) => {
      const stroke = make("i");
      stroke.style.left = `${100 * part}%`;
      return stroke;
    });
    const words = labels.map(([value, text]) => {
      const label = make("span", "", text);
      label.style.left = `${(100 * value) / full}%`;
      label.style.transform = `translateX(${(-100 * value) / full}%)`; // within the bar's width
      return label;
    });
    this.find(".scale").replaceChildren(...strokes, ...words);
  }

  // ---- in words

  sentence(triplet, options) {
    if (this.model.get("running")) return "Running gradient steps.";
    const { steps } = readTrail(this.model);
    const loss = tripletLoss(triplet, options);
    const after = steps ? ` after ${stepsText(steps)}` : "";
    const state = `${capital(category(triplet, options))}, loss ${lossText(loss)}${after}.`;
    if (!isZero(gradients(triplet, options))) return state;
    return loss > 0
      ? `${state} The gradient is zero: no step moves the points.`
      : `${state} The gradient is zero: nothing is left to learn.`;
  }

  describe() {
    this.say(this.sentence(this.triplet, this.options), 0);
  }
}

const STYLE = `
.playground {
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 70%, Canvas));
  display: grid; grid-template-columns: minmax(0, 560px) minmax(280px, 1fr);
  gap: 6px 24px;
}
header, .hint, .settings, .status { grid-column: 1 / -1; }
.hint { color: var(--quiet); }
.plot {
  position: relative; width: 100%; max-width: 560px; aspect-ratio: 1 / 1.01; align-self: start;
}
.picture { position: absolute; inset: 0; display: block; }
.cards { position: absolute; inset: 0; pointer-events: none; }
text { font-size: 11px; fill: var(--quiet); user-select: none; }
.grid { fill: none; stroke: var(--line); stroke-opacity: 0.45; }
.frame, .unit-circle { fill: none; stroke: var(--line); }
.zone { fill-rule: evenodd; stroke: none; }
.zone.hard { fill: var(--hard); fill-opacity: 0.2; }
.zone.semi-hard { fill: var(--semi-hard); fill-opacity: 0.26; }
.zone.easy { fill: var(--easy); fill-opacity: 0.1; }
.zone.fading { fill: url(#fading); }
.zone.band { fill: var(--hard); }
.zone.edge { fill: none; stroke: currentColor; stroke-opacity: 0.55; stroke-dasharray: 4 4; }
#fading stop { stop-color: var(--hard); }
.word, .length {
  text-anchor: middle; font-size: 13px; fill: currentColor; paint-order: stroke;
  stroke: var(--ground); stroke-width: 3px; stroke-linejoin: round;
}
.word { font-weight: 600; stroke-opacity: 0.6; }
.length { font-variant-numeric: tabular-nums; stroke-width: 4px; font-weight: 600; }
.length { fill: color-mix(in srgb, var(--role) 80%, black); }
.dark .length { fill: color-mix(in srgb, var(--role) 80%, white); }
.anchor { --role: currentColor; }
.positive { --role: var(--positive); }
.negative { --role: var(--negative); }
.line { fill: none; stroke: var(--role); stroke-width: 2px; }
.trail {
  fill: none; stroke: var(--role); stroke-width: 3px; stroke-linecap: round;
  stroke-dasharray: 0.1 6; stroke-opacity: 0.8;
}
.arrow { fill: var(--role); stroke: var(--ground); stroke-width: 1.5px; paint-order: stroke; }
.mark { fill: var(--role); stroke: var(--ground); stroke-width: 2px; paint-order: stroke; }
.hit { fill: transparent; cursor: grab; }
.point { outline: none !important; }
.point .mark { pointer-events: none; }
.point .focus { fill: none; stroke: none; pointer-events: none; }
.point:focus-visible .focus, .point.held .focus { stroke: var(--accent); stroke-width: 2.5px; }
.held .hit { cursor: grabbing; }
.card { position: absolute; left: 0; top: 0; text-align: center; }
.digit-frame {
  width: fit-content; margin: auto; border: 2px solid var(--role); border-radius: 4px;
  overflow: hidden;
}
.card-name {
  padding: 0 3px; font-size: var(--text); font-weight: 600; line-height: 1.2;
  text-shadow: 0 0 3px var(--ground), 0 0 3px var(--ground), 0 0 3px var(--ground);
}
.side { display: flex; flex-direction: column; gap: 10px; min-width: 0; }
.settings {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 280px), 1fr));
  gap: 6px 24px; align-items: center;
}
.meanings { display: grid; gap: 8px; }
.controls { gap: 4px 6px; }
.presets span { flex: 1 1 100%; }
.preset { padding: 0 9px; }
.verdict-head { display: flex; justify-content: space-between; align-items: center; gap: 8px; }
.reason { min-height: 72px; margin-top: 6px; }
.badge {
  display: inline-block; padding: 1px 8px; border-radius: 4px; font-size: var(--large);
  font-weight: 600;
  border: 1.5px solid var(--kind); background: color-mix(in srgb, var(--kind) 20%, transparent);
}
.hard { --kind: var(--hard); } .semi-hard { --kind: var(--semi-hard); }
.easy, .not-hard { --kind: var(--easy); }
.loss { position: relative; }
.bar { position: relative; height: 14px; border: 1px solid var(--line); border-radius: 3px; }
.fill { height: 100%; background: var(--kind); border-radius: 2px; }
.fill.beyond { border-right: 5px double var(--ground); }
.tick { position: absolute; top: -4px; bottom: -4px; width: 2px; background: currentColor; }
.scale {
  position: relative; height: 20px; font-size: var(--small); line-height: 1.2; color: var(--quiet);
}
.scale i { position: absolute; top: 0; width: 1px; height: 4px; background: var(--quiet); }
.scale span { position: absolute; top: 6px; white-space: nowrap; }
.formula { white-space: pre-line; }
.legend { list-style: none; padding: 0; }
.legend li {
  display: flex; align-items: baseline; gap: 6px; padding: 2px 6px; border-radius: 4px;
  border: 1.5px solid transparent;
}
.legend li.current { border-color: currentColor; }
.legend b { flex: none; }
.swatch {
  flex: none; align-self: center; width: 14px; height: 14px; border-radius: 3px;
  border: 1px solid var(--kind); background: color-mix(in srgb, var(--kind) 28%, transparent);
}
.swatch.not-hard { background: linear-gradient(90deg, var(--hard), transparent); }
.gradient { color: var(--quiet); }
.controls .wide {
  display: grid; grid-template-columns: 90px minmax(60px, 1fr) 36px; flex: 1 1 100%;
}
.controls .check { min-height: 44px; }
.wide input { width: 100%; }
@container (min-width: 1040px) {
  .playground {
    grid-template-columns: 560px minmax(0, 440px); grid-template-rows: repeat(3, auto) 1fr;
  }
  .plot { grid-row: 3 / 5; }
  .settings { grid-column: 2; grid-template-columns: minmax(0, 1fr); align-self: start; }
  .reason { min-height: 54px; }
  :host(.projected) .playground {
    grid-template-columns: 560px repeat(2, minmax(0, 1fr)); grid-template-rows: auto 1fr;
  }
  :host(.projected) .plot { grid-row: 2; }
  :host(.projected) .settings { grid-area: 2 / 3; }
  :host(.projected) :is(.gradient, .check span) { display: none; }
  :host(.projected) .settings select { min-width: 0; max-width: 165px; }
  :host(.projected) .badge { white-space: nowrap; }
  :host(.projected) .verdict-head { flex-wrap: wrap; }
  :host(.projected) .scale { height: 26px; }
  :host(.projected) .wide { grid-template-columns: minmax(0, 1fr) auto; }
  :host(.projected) .wide input { grid-area: 2 / 1 / auto / -1; }
}
@container (max-width: 639px) {
  .playground { grid-template-columns: minmax(0, 1fr); padding: 8px; }
  .reason { min-height: 54px; }
}
`;

export default { initialize, render };
