// EmbeddingPlayer: plays how an embedding moves during training.
//
// `initialize` runs the clock, once for each model; `render` builds a view, as often as the widget
// is shown. They meet only in the model's traits, so that every view, and Python, follows the same
// position.

import {
  BaseView,
  SYNC_MILLISECONDS,
  Sprite,
  clamp,
  floatsOf,
  formatted,
  icon,
  intsOf,
  make,
  mount,
  pixelRatio,
  readTheme,
  reducedMotion,
  wordOf,
} from "./shared.js";

const TOUCH = 24; // radius in CSS pixels in which a finger finds a point
const MOUSE = 10; // the same for a mouse
const SUBPIXELS = 4; // points lie on a quarter of a pixel: without it, slow ones jitter
const MARGIN = 20; // around the outermost points, in CSS pixels
const SPEEDS = [0.5, 1, 2, 4, 8, 16];

// ---------------------------------------------------------------- the clock

function initialize({ model }) {
  let request = 0;
  let previous = 0;
  let waited = 0; // seconds since the last jump, where motion is not wanted
  let sent = 0;
  const last = model.get("_steps").length - 1;

  function advance(seconds) {
    const position = model.get("position");
    const distance = seconds * model.get("speed");
    if (!reducedMotion()) return position + distance;
    waited += distance;
    if (waited < 1) return position;
    waited = 0;
    return Math.floor(position) + 1;
  }

  function tick(now) {
    request = 0;
    if (!model.get("playing")) return;
    // A hidden tab gets no frames: go on where it was, do not jump over what was missed.
    const seconds = clamp((now - previous) / 1000, 0, 0.25);
    previous = now;
    const position = Math.min(advance(seconds), last);
    model.set("position", position);
    const ended = position >= last;
    if (ended) model.set("playing", false);
    else request = requestAnimationFrame(tick);
    // The end is sent from here: what is saved while `set` still calls its listeners lacks the
    // value just set, which would go out with the next message, after Python has set another.
    if (ended || now - sent > SYNC_MILLISECONDS) {
      sent = now;
      model.save_changes();
    }
  }

  function playingChanged() {
    if (!model.get("playing")) {
      model.save_changes();
    } else if (!request) {
      if (model.get("position") >= last) model.set("position", 0);
      previous = performance.now();
      waited = 0;
      request = requestAnimationFrame(tick);
    }
  }

  model.on("change:playing", playingChanged);
  if (model.get("playing") && reducedMotion()) model.set("playing", false);
  playingChanged();
  return () => {
    cancelAnimationFrame(request);
    model.off("change:playing", playingChanged);
  };
}

// ---------------------------------------------------------------- the data

function readData(model) {
  const frames = floatsOf(model.get("_frames"));
  const classOf = intsOf(model.get("_class_of"));
  const steps = model.get("_steps");
  const count = classOf.length;
  const classes = model.get("_classes");
  return {
    frames,
    classOf,
    steps,
    count,
    classes,
    last: steps.length - 1,
    bounds: boundsOf(frames, count, steps.length),
    centroids: centroidsOf(frames, classOf, count, steps.length, classes.length),
  };
}

// Left, right, bottom and top of every snapshot.
function boundsOf(frames, count, snapshots) {
  return Array.from({ length: snapshots }, (_, s) => {
    const bounds = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 2 * s * count; i < 2 * (s + 1) * count; i += 2) {
      bounds[0] = Math.min(bounds[0], frames[i]);
      bounds[1] = Math.max(bounds[1], frames[i]);
      bounds[2] = Math.min(bounds[2], frames[i + 1]);
      bounds[3] = Math.max(bounds[3], frames[i + 1]);
    }
    return bounds;
  });
}

// The mean of interpolated points is the interpolated mean: once for each snapshot is enough.
function centroidsOf(frames, classOf, count, snapshots, classes) {
  const sums = new Float64Array(snapshots * classes * 2);
  const sizes = new Float64Array(classes);
  for (const k of classOf) sizes[k] += 1;
  for (let s = 0; s < snapshots; s += 1) {
    for (let i = 0; i < count; i += 1) {
      const k = classOf[i];
      sums[2 * (s * classes + k)] += frames[2 * (s * count + i)] / sizes[k];
      sums[2 * (s * classes + k) + 1] += frames[2 * (s * count + i) + 1] / sizes[k];
    }
  }
  return sums;
}

// The place of item `index` at a fractional position, in data coordinates.
function placeAt(array, size, position, last, index) {
  const before = Math.floor(position);
  const after = Math.min(before + 1, last);
  const part = position - before;
  const a = 2 * (before * size + index);
  const b = 2 * (after * size + index);
  return [
    array[a] + (array[b] - array[a]) * part,
    array[a + 1] + (array[b + 1] - array[a + 1]) * part,
  ];
}

// ---------------------------------------------------------------- the scatter

// Paints points into an array of pixels, in the order of the data: that keeps 60 frames a second
// with 10,000 points on a processor alone, and no class lies on top of the others.
class Scatter {
  constructor(canvas, data) {
    this.canvas = canvas;
    this.data = data;
    // The pixels are made by the processor; a canvas in graphics memory would only cost copies.
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.glyphs = data.count <= 1000 && data.classes.every((c) => c.mark.length <= 2);
    this.size = this.glyphs ? 13 : data.count <= 3000 ? 6.5 : 4; // CSS pixels
  }

  resize(width, height, theme) {
    this.ratio = pixelRatio();
    this.width = Math.round(width * this.ratio);
    this.height = Math.round(height * this.ratio);
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    this.theme = theme;
    this.image = this.context.createImageData(this.width, this.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.colors = this.data.classes.map((c) => wordOf(theme.markColor(c.color)));
    this.makeStamps();
  }

  // One scale for both axes and, unless one snapshot is to be fitted, for all snapshots: only then
  // can distances be compared over time.
  setScale(position) {
    const { bounds, last } = this.data;
    const extreme = (side) => {
      const all = bounds.map((b) => b[side]);
      if (position === null) return side % 2 ? Math.max(...all) : Math.min(...all);
      const before = Math.floor(position);
      const after = Math.min(before + 1, last);
      return all[before] + (all[after] - all[before]) * (position - before);
    };
    const [left, right, bottom, top] = [0, 1, 2, 3].map(extreme);
    const margin = 2 * MARGIN * this.ratio;
    const scale = Math.min(
      (this.width - margin) / (right - left || Number.MIN_VALUE),
      (this.height - margin) / (top - bottom || Number.MIN_VALUE),
    );
    this.scale = Number.isFinite(scale) ? scale : 1; // all points in one place
    this.originX = this.width / 2 - (this.scale * (left + right)) / 2;
    this.originY = this.height / 2 + (this.scale * (bottom + top)) / 2;
  }

  makeStamps() {
    const size = this.size * this.ratio;
    this.dot = (pen) => {
      pen.beginPath();
      pen.arc(0, 0, size / 2, 0, 2 * Math.PI);
      pen.fill();
    };
    this.glyph = (text) => (pen) => {
      pen.font = `600 ${size}px ${this.theme.font}`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(text, 0, 0);
    };
    const dots = this.glyphs ? null : this.makeStamp(this.dot, size);
    this.stamps = this.data.classes.map(
      (c) => dots ?? this.makeStamp(this.glyph(c.mark), 2 * size),
    );
  }

  // The covered pixels of one mark, for every place on the grid of quarter pixels.
  makeStamp(draw, size) {
    const side = Math.ceil(size) + 4;
    const middle = side >> 1;
    const pen = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
    const opacity = this.glyphs ? 1 : 0.85;
    const stamp = [];
    for (let cell = 0; cell < SUBPIXELS * SUBPIXELS; cell += 1) {
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, side, side);
      pen.translate(
        middle + (cell % SUBPIXELS) / SUBPIXELS,
        middle + Math.floor(cell / SUBPIXELS) / SUBPIXELS,
      );
      draw(pen);
      const { data } = pen.getImageData(0, 0, side, side);
      const offsets = [];
      const alphas = [];
      for (let p = 0; p < side * side; p += 1) {
        const alpha = Math.round((data[4 * p + 3] * opacity * 256) / 255);
        if (alpha < 8) continue;
        offsets.push((Math.floor(p / side) - middle) * this.width + (p % side) - middle);
        alphas.push(alpha);
      }
      stamp.push({ offsets: Int32Array.from(offsets), alphas: Int32Array.from(alphas) });
    }
    return stamp;
  }

  toPixels([x, y]) {
    return [this.originX + x * this.scale, this.originY - y * this.scale];
  }

  paint({ position, hidden, highlighted, hovered, fit }) {
    this.setScale(fit);
    if (this.width < 60 * this.ratio || this.height < 60 * this.ratio) return;
    const { classes } = this.data;
    this.pixels.fill(this.theme.backgroundWord);
    const strengths = classes.map((c, k) => {
      if (hidden.has(c.label)) return 0;
      return highlighted === null || highlighted === k ? 256 : 40;
    });
    this.stampPoints(position, strengths);
    this.context.putImageData(this.image, 0, 0);
    if (hovered >= 0) this.paintHovered(position, hovered);
    if (!this.glyphs) this.paintLabels(position, strengths);
  }

  stampPoints(position, strengths) {
    const { frames, classOf, count, last } = this.data;
    const { pixels, width, scale, originX, originY, stamps } = this;
    const before = Math.floor(position);
    const part = position - before;
    const a = 2 * before * count;
    const b = 2 * Math.min(before + 1, last) * count;
    // Red and blue in one word, green in another: two multiplications blend three channels.
    const { colors } = this;
    for (let i = 0; i < count; i += 1) {
      const k = classOf[i];
      const strength = strengths[k];
      if (strength === 0) continue;
      const x0 = frames[a + 2 * i];
      const y0 = frames[a + 2 * i + 1];
      const x = originX + (x0 + (frames[b + 2 * i] - x0) * part) * scale;
      const y = originY - (y0 + (frames[b + 2 * i + 1] - y0) * part) * scale;
      const column = Math.floor(x * SUBPIXELS);
      const row = Math.floor(y * SUBPIXELS);
      const { offsets, alphas } = stamps[k][(row % SUBPIXELS) * SUBPIXELS + (column % SUBPIXELS)];
      const base = Math.floor(row / SUBPIXELS) * width + Math.floor(column / SUBPIXELS);
      const redBlue = colors[k] & 0xff00ff;
      const green = colors[k] & 0x00ff00;
      for (let j = 0; j < offsets.length; j += 1) {
        const at = base + offsets[j];
        const cover = (alphas[j] * strength) >> 8;
        const keep = 256 - cover;
        const under = pixels[at];
        pixels[at] =
          0xff000000 |
          ((((under & 0xff00ff) * keep + redBlue * cover) >>> 8) & 0xff00ff) |
          ((((under & 0x00ff00) * keep + green * cover) >>> 8) & 0x00ff00);
      }
    }
  }

  // The hovered point with the way it has come.
  paintHovered(position, index) {
    const { frames, count, last } = this.data;
    const pen = this.context;
    pen.strokeStyle = this.theme.foreground;
    pen.lineWidth = 1.5 * this.ratio;
    pen.beginPath();
    for (let s = 0; s <= Math.floor(position); s += 1) {
      pen.lineTo(...this.toPixels(placeAt(frames, count, s, last, index)));
    }
    const [x, y] = this.toPixels(placeAt(frames, count, position, last, index));
    pen.lineTo(x, y);
    pen.globalAlpha = 0.5;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(x, y, (this.size / 2 + 4) * this.ratio, 0, 2 * Math.PI);
    pen.fillStyle = this.theme.background;
    pen.fill();
    pen.stroke();
    this.paintMark(x, y, this.data.classes[this.data.classOf[index]]);
  }

  // One mark by itself, above those that would cover it.
  paintMark(x, y, { color, mark }) {
    const pen = this.context;
    pen.save();
    pen.translate(x, y);
    pen.fillStyle = `rgb(${this.theme.markColor(color)})`;
    (this.glyphs ? this.glyph(mark) : this.dot)(pen);
    pen.restore();
  }

  // Dots bear no digit, so each class says its own at its centroid: not everyone can tell ten
  // colours apart. Where centroids meet, the labels fade: the last one would claim the place.
  paintLabels(position, strengths) {
    const { classes, centroids, last } = this.data;
    const pen = this.context;
    pen.font = `700 ${20 * this.ratio}px ${this.theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 5 * this.ratio;
    pen.strokeStyle = this.theme.background;
    pen.fillStyle = this.theme.foreground;
    const labels = classes
      .map((c, k) => [
        c.mark,
        ...this.toPixels(placeAt(centroids, classes.length, position, last, k)),
      ])
      .filter((_, k) => strengths[k] === 256);
    for (const [mark, x, y] of labels) {
      const distances = labels.map((other) => Math.hypot(other[1] - x, other[2] - y));
      const nearest = distances.sort((a, b) => a - b)[1] ?? Infinity; // the first is its own
      pen.globalAlpha = clamp(nearest / this.ratio / 10 - 0.5, 0, 1); // whole from 15 pixels on
      pen.strokeText(mark, x, y);
      pen.fillText(mark, x, y);
    }
    pen.globalAlpha = 1;
  }

  // The visible point nearest to a place given in CSS pixels, or -1.
  nearest(x, y, reach, position, hidden) {
    const { frames, classOf, classes, count, last } = this.data;
    let best = -1;
    let bestDistance = (reach * this.ratio) ** 2;
    for (let i = 0; i < count; i += 1) {
      if (hidden.has(classes[classOf[i]].label)) continue;
      const [px, py] = this.toPixels(placeAt(frames, count, position, last, i));
      const distance = (px - x * this.ratio) ** 2 + (py - y * this.ratio) ** 2;
      if (distance < bestDistance) [best, bestDistance] = [i, distance];
    }
    return best;
  }
}

// ---------------------------------------------------------------- the curves

// One small chart over the snapshots: a line, its extremes, the steps, and a cursor.
function makeCurve({ name, values }, steps) {
  const last = steps.length - 1;
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const root = make("div", "curve");
  root.dataset.name = name;
  const heading = make("div", "curve-heading");
  const current = make("span", "curve-value");
  heading.append(make("span", "curve-name", name), current);
  const field = make("div", "curve-field");
  const cursor = make("div", "cursor");
  field.innerHTML =
    '<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true"><path/><path class="alone"/></svg>';
  const [line, alone] = curvePaths(values, low, high, last);
  field.querySelector("path").setAttribute("d", line);
  field.querySelector(".alone").setAttribute("d", alone);
  field.append(cursor);
  const range = make("div", "curve-range");
  if (known.length)
    range.append(make("span", "", formatted(high)), make("span", "", formatted(low)));
  root.append(heading, range, field, makeStepLabels(steps));
  return {
    root,
    field,
    name,
    valueAt: (position) => formatted(values[Math.floor(position)]),
    show(position) {
      cursor.style.left = `${last ? (100 * position) / last : 0}%`;
      current.textContent = this.valueAt(position);
    },
  };
}

// A gap breaks the line; a value alone between two gaps becomes a dot.
function curvePaths(values, low, high, last) {
  let line = "";
  let alone = "";
  const isGap = (s) => (values[s] ?? null) === null;
  values.forEach((value, s) => {
    if (isGap(s)) return;
    const x = last ? s / last : 0;
    const y = high > low ? (high - value) / (high - low) : 0.5;
    if (!isGap(s - 1)) line += `L${x} ${y}`;
    else if (!isGap(s + 1)) line += `M${x} ${y}`;
    else alone += `M${x} ${y}h0`;
  });
  return [line, alone];
}

function makeStepLabels(steps) {
  const last = steps.length - 1;
  const row = make("div", "curve-steps");
  const parts = Math.min(last, steps[last] > 999 ? 3 : 4); // what has room
  for (let part = 0; part <= parts; part += 1) {
    const s = parts ? Math.round((part * last) / parts) : 0;
    const label = make("span", "", steps[s]);
    label.style.left = `${last ? (100 * s) / last : 0}%`;
    row.append(label);
  }
  return row;
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget player" tabindex="0" role="group">
  <header><h3 class="title"></h3><span class="readout"></span></header>
  <div class="main">
    <div class="plot">
      <canvas role="img"></canvas>
      <div class="tooltip" hidden><div class="picture"></div><div class="caption"></div>
        <div class="trail">line: the way it came</div></div>
    </div>
    <div class="controls">
      <button class="back" title="Step back (left arrow)" aria-label="Step back">${icon("back")}</button>
      <button class="play"></button>
      <button class="forward" title="Step forward (right arrow)" aria-label="Step forward">${icon("forward")}</button>
      <input class="scrub" type="range" min="0" step="any" aria-label="Training step">
      <button class="fit" title="Fit each snapshot to the plot, instead of one scale for all"
        aria-label="Fit each snapshot to the plot">${icon("fit")}</button>
      <label>Speed <select class="speed" title="Snapshots a second"></select></label>
    </div>
  </div>
  <div class="side">
    <div class="legend" role="group" aria-label="Classes: press to hide or show"></div>
    <div class="curves"></div>
    <div class="axis">snapshots, labelled by training step</div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "embedding-player", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.data = readData(model);
    this.scatter = new Scatter(this.find("canvas"), this.data);
    this.highlighted = null;
    this.curves = model.get("_curves").map((curve) => makeCurve(curve, this.data.steps));
    this.build();
    this.listen();
    this.update();
  }

  // ---- building

  build() {
    const { data, model } = this;
    this.root.setAttribute("aria-label", model.get("title") || "Embedding player");
    this.find(".scrub").max = data.last;
    for (const name of ["back", "play", "forward", "scrub"]) {
      this.find(`.${name}`).disabled = data.last === 0;
    }
    this.find(".legend").append(...data.classes.map((c, k) => this.makeLegendEntry(c, k)));
    this.find(".curves").append(...this.curves.map((curve) => curve.root));
    this.find(".axis").hidden = this.curves.length === 0;
    this.buildSprite();
  }

  makeLegendEntry({ mark, name }, k) {
    const button = make("button", "class");
    button.append(make("span", "swatch", mark));
    if (name !== mark) button.append(make("span", "class-name", name));
    button.setAttribute("aria-label", `Class ${name}`);
    button.title = `Hide or show class ${name}`;
    const highlight = (value) => () => {
      this.highlighted = value;
      this.repaint();
    };
    button.addEventListener("click", () => this.toggleClass(k));
    button.addEventListener("pointerenter", highlight(k));
    button.addEventListener("pointerleave", highlight(null));
    return button;
  }

  buildSprite() {
    const sprite = new Sprite(this.model);
    this.undo.push(() => sprite.remove());
    const picture = this.find(".picture");
    picture.hidden = sprite.empty;
    if (sprite.empty) return;
    const { height, width } = sprite.layout;
    // Whole multiples keep the pixels of a small picture square.
    const side = Math.max(height, width);
    const size = side * Math.max(1, Math.round(96 / side));
    this.placePicture = (index) => sprite.place(picture, index, size);
  }

  // ---- listening

  listen() {
    this.follow(["position", "hovered"], () => this.repaint());
    const seldom = ["playing", "speed", "hidden_classes", "title", "height", "fit_each"];
    this.follow(seldom, () => this.update());
    this.on(this.find(".play"), "click", () => this.togglePlay());
    this.on(this.find(".back"), "click", () => this.step(-1));
    this.on(this.find(".forward"), "click", () => this.step(1));
    this.on(this.find(".fit"), "click", () => this.send("fit_each", !this.model.get("fit_each")));
    this.on(this.find(".scrub"), "input", (event) => this.seek(event.target.valueAsNumber));
    this.on(this.find(".speed"), "change", (event) =>
      this.send("speed", Number(event.target.value)),
    );
    this.listenToKeys();
    this.listenToCurves();
    this.listenToPlot();
    this.onLook(this.find(".plot"), () => this.resize());
  }

  listenToKeys() {
    this.onKeys({
      " ": () => this.togglePlay(),
      ArrowLeft: () => this.step(-1),
      ArrowDown: () => this.step(-1),
      ArrowRight: () => this.step(1),
      ArrowUp: () => this.step(1),
      Home: () => this.seek(0),
      End: () => this.seek(this.data.last),
    });
  }

  listenToCurves() {
    for (const { field } of this.curves) {
      this.onDrag(field, (event) => {
        const { left, width } = field.getBoundingClientRect();
        const part = clamp((event.clientX - left) / (width || 1), 0, 1);
        this.seek(Math.round(part * this.data.last));
      });
    }
  }

  listenToPlot() {
    const canvas = this.find("canvas");
    const point = (event) => {
      const { left, top } = canvas.getBoundingClientRect();
      const reach = event.pointerType === "touch" ? TOUCH : MOUSE;
      this.hover(
        this.scatter.nearest(
          event.clientX - left,
          event.clientY - top,
          reach,
          this.position,
          this.hidden,
        ),
      );
    };
    this.on(canvas, "pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    this.on(canvas, "pointermove", point);
    // What a finger found stays when it lifts: it has covered the picture until then.
    this.on(canvas, "pointerleave", (event) => event.pointerType !== "touch" && this.hover(-1));
  }

  // ---- acting

  get position() {
    return clamp(this.model.get("position"), 0, this.data.last);
  }

  get hidden() {
    return new Set(this.model.get("hidden_classes"));
  }

  togglePlay() {
    if (this.data.last > 0) this.send("playing", !this.model.get("playing"));
  }

  seek(position) {
    if (this.model.get("playing")) this.model.set("playing", false);
    this.sendSoon("position", position);
  }

  step(direction) {
    const next = direction > 0 ? Math.floor(this.position) + 1 : Math.ceil(this.position) - 1;
    this.seek(clamp(next, 0, this.data.last));
  }

  toggleClass(k) {
    const hidden = this.hidden;
    const { label } = this.data.classes[k];
    if (!hidden.delete(label)) hidden.add(label);
    this.send(
      "hidden_classes",
      [...hidden].sort((a, b) => a - b),
    );
  }

  hover(index) {
    if (index !== this.model.get("hovered")) this.sendSoon("hovered", index);
  }

  // ---- showing

  // Everything that changes seldom; what moves is painted.
  update() {
    const playing = this.model.get("playing");
    const play = this.find(".play");
    play.innerHTML = icon(playing ? "pause" : "play");
    play.title = `${playing ? "Pause" : "Play"} (space)`;
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.find(".title").textContent = this.model.get("title");
    this.find(".plot").style.maxHeight = `${this.model.get("height")}px`;
    this.find(".fit").setAttribute("aria-pressed", this.model.get("fit_each"));
    const hidden = this.hidden;
    this.find(".legend").childNodes.forEach((button, k) => {
      button.setAttribute("aria-pressed", !hidden.has(this.data.classes[k].label));
    });
    this.updateSpeeds();
    this.described = undefined;
    this.repaint();
  }

  updateSpeeds() {
    const speed = this.model.get("speed");
    const speeds = [...new Set([...SPEEDS, speed])].sort((a, b) => a - b);
    const select = this.find(".speed");
    select.replaceChildren(...speeds.map((value) => new Option(`${Number(formatted(value))} / s`, value)));
    select.value = speed;
  }

  resize() {
    const { clientWidth, clientHeight } = this.find(".plot");
    const theme = readTheme(this.root);
    this.find(".legend").childNodes.forEach((button, k) => {
      const color = `rgb(${theme.markColor(this.data.classes[k].color)})`;
      button.style.setProperty("--class-color", color);
    });
    this.scatter.resize(clientWidth, clientHeight, theme);
    this.paint(); // at once: a resized canvas is empty
  }

  paint() {
    if (!this.scatter.theme) return;
    const { position, hidden } = this;
    let hovered = this.model.get("hovered");
    if (hovered >= 0 && hidden.has(this.classOf(hovered).label)) hovered = -1;
    const highlighted = hidden.has(this.data.classes[this.highlighted]?.label)
      ? null
      : this.highlighted;
    const fit = this.model.get("fit_each") ? position : null;
    this.scatter.paint({ position, hidden, highlighted, hovered, fit });
    for (const curve of this.curves) curve.show(position);
    const readout = this.readout(position);
    const scrub = this.find(".scrub");
    scrub.value = position;
    scrub.setAttribute("aria-valuetext", readout);
    this.find(".readout").textContent = readout;
    this.showTooltip(hovered, position);
    this.describeSoon();
  }

  classOf(index) {
    return this.data.classes[this.data.classOf[index]];
  }

  // Between two snapshots nothing was measured, so no step in between is named.
  readout(position) {
    const { steps, last } = this.data;
    const before = Math.floor(position);
    return position - before < 1e-6
      ? `step ${steps[before]}`
      : `step ${steps[before]} → ${steps[Math.min(before + 1, last)]}`;
  }

  showTooltip(index, position) {
    const tooltip = this.find(".tooltip");
    tooltip.hidden = index < 0;
    if (index < 0) return;
    this.placePicture?.(index);
    this.find(".trail").hidden = position === 0;
    const { mark, name } = this.classOf(index);
    this.find(".caption").textContent = name === mark ? `label ${mark}` : `${mark} ${name}`;
    const { frames, count, last } = this.data;
    const { ratio } = this.scatter;
    const place = this.scatter.toPixels(placeAt(frames, count, position, last, index));
    const [x, y] = place.map((pixel) => pixel / ratio);
    const { clientWidth, clientHeight } = this.find(".plot");
    const { offsetWidth, offsetHeight } = tooltip;
    const left = x + 16 + offsetWidth < clientWidth ? x + 16 : x - 16 - offsetWidth;
    tooltip.style.left = `${Math.max(left, 0)}px`;
    tooltip.style.top = `${clamp(y - offsetHeight / 2, 0, Math.max(clientHeight - offsetHeight, 0))}px`;
  }

  describeSoon() {
    const playing = this.model.get("playing");
    if (playing && this.described === "playing") return;
    this.described = playing ? "playing" : "resting";
    clearTimeout(this.describing);
    this.describing = setTimeout(() => this.describe(), playing ? 0 : 300);
  }

  describe() {
    const { position, data } = this;
    const state = position === data.last && position > 0 ? "At the end," : "Paused at";
    const text = this.model.get("playing")
      ? `Playing from ${this.readout(Math.floor(position))}.`
      : `${state} ${this.readout(position)}, snapshot ${Math.floor(position) + 1} of ${data.last + 1}.`;
    const values = this.curves.map((curve) => `${curve.name} ${curve.valueAt(position)}`);
    const names = data.classes.filter((c) => this.hidden.has(c.label)).map((c) => c.name);
    const hidden = names.length ? ` Hidden: ${names.join(", ")}.` : "";
    const measured = values.length && !this.model.get("playing") ? ` ${values.join(", ")}.` : "";
    const status = this.find(".status");
    const words = text + measured + hidden;
    if (status.textContent !== words) status.textContent = words; // said again only if it changed
    this.find("canvas").setAttribute(
      "aria-label",
      `Scatter plot of ${data.count} embeddings in ${data.classes.length} classes. ${text}`,
    );
  }

  remove() {
    clearTimeout(this.describing);
    super.remove();
  }
}

const STYLE = `
.player { display: grid; grid-template-columns: minmax(0, 1fr) 272px; gap: 6px 20px; }
header { grid-column: 1 / -1; }
.main { min-width: 0; }
/* As high as it is wide, up to the height asked for: on a narrow page the curves come into view. */
.plot {
  position: relative; width: 100%; aspect-ratio: 1; overflow: hidden;
  border: 1px solid var(--line); border-radius: 3px;
}
canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; cursor: crosshair;
}
.tooltip {
  position: absolute; pointer-events: none; padding: 5px; border-radius: 4px;
  border: 1px solid var(--line); background: var(--jp-layout-color1, Canvas);
  box-shadow: 0 2px 8px rgb(0 0 0 / 25%); text-align: center; white-space: nowrap;
}
.picture { margin: 0 auto 4px; }
.trail { font-size: 11px; color: var(--quiet); }
.controls { flex-wrap: nowrap; gap: 4px; margin-top: 6px; }
.controls button { flex: none; padding: 0; }
.scrub { flex: 1 1 80px; margin: 0 8px; }
.controls label { flex: none; }
.side { min-width: 0; display: flex; flex-direction: column; gap: 6px; }
.legend {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(48px, 1fr)); max-height: 228px;
  overflow-y: auto;
}
.legend:has(.class-name) { grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
.class {
  display: flex; align-items: center; gap: 6px; padding: 0 5px; overflow: hidden;
  border-color: transparent; box-shadow: none !important; color: inherit !important;
}
.swatch {
  flex: none; min-width: 26px; height: 26px; padding: 0 4px; border-radius: 13px; font-weight: 700;
  line-height: 22px; border: 2px solid var(--class-color); text-align: center;
  background: color-mix(in srgb, var(--class-color) 35%, transparent);
}
.class-name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.class[aria-pressed="false"] .swatch {
  background: none; border-style: dotted; opacity: 0.6; text-decoration: line-through;
}
.class[aria-pressed="false"] .class-name { text-decoration: line-through; color: var(--quiet); }
.curves {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(168px, 1fr)); gap: 8px 20px;
  align-items: end;
}
.curve { display: grid; grid-template-columns: 44px minmax(0, 1fr); gap: 2px 6px; }
.curve-heading { grid-column: 1 / -1; display: flex; justify-content: space-between; gap: 8px; }
.curve-value { font-weight: 600; font-variant-numeric: tabular-nums; }
.curve-range, .curve-steps {
  font-size: 11px; line-height: 1; color: var(--quiet); font-variant-numeric: tabular-nums;
}
.curve-range {
  display: flex; flex-direction: column; justify-content: space-between; text-align: right;
}
.curve-field {
  position: relative; height: 50px; cursor: pointer; touch-action: none;
  border: solid var(--line); border-width: 0 0 1px 1px;
}
.curve-field svg { display: block; width: 100%; height: 100%; overflow: visible; }
.curve-field path {
  fill: none; stroke: var(--accent); stroke-width: 2px; vector-effect: non-scaling-stroke;
  stroke-linecap: round; stroke-linejoin: round;
}
.curve-field .alone { stroke-width: 6px; }
.cursor {
  position: absolute; top: -2px; bottom: 0; width: 2px; margin-left: -1px;
  background: currentColor; pointer-events: none;
}
.curve-steps { grid-column: 2; position: relative; height: 12px; }
.curve-steps span { position: absolute; top: 1px; transform: translateX(-50%); }
.curve-steps span:first-child { transform: none; }
.curve-steps span:last-child:not(:first-child) { transform: translateX(-100%); }
.axis { text-align: center; font-size: 11px; color: var(--quiet); padding-left: 50px; }
.status { grid-column: 1 / -1; }
@container (max-width: 719px) {
  .player { grid-template-columns: minmax(0, 1fr); padding: 8px; }
  .axis { padding: 0; }
}
@container (max-width: 460px) {
  .controls { flex-wrap: wrap; }
  .scrub { order: 9; flex-basis: 100%; margin: 0; }
  .controls label { margin-left: auto; }
}
`;

export default { initialize, render };
