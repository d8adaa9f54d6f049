// EmbeddingPlayer: plays how an embedding moves during training.
//
// `initialize` runs the clock, once for each model; `render` builds a view, as often as the widget
// is shown. They meet only in the model's traits, so that every view, and Python, follows the same
// position.

import {
  BaseView,
  CATEGORY_COLORS,
  CURVE_MEANINGS,
  Sprite,
  clamp,
  enlargement,
  floatsOf,
  formatted,
  icon,
  intsOf,
  make,
  makeSvg,
  mount,
  pixelRatio,
  pointIn,
  readTheme,
  rolePath,
  runClock,
  wordOf,
} from "./shared.js";

const TOUCH = 24; // radius in CSS pixels in which a finger finds a point
const MOUSE = 10; // the same for a mouse
const SUBPIXELS = 4; // points lie on a quarter of a pixel: without it, slow ones jitter
const MARGIN = 20; // around the outermost points, in CSS pixels
const MOUSE_SLOP = 4; // CSS pixels that a mouse may move in a click
const TOUCH_SLOP = 10; // the same for a finger
const DOUBLE_CLICK = 500; // milliseconds in which a second click may follow
const LARGEST_ZOOM = 100; // as in Python
const ZOOM_STEP = 1.5; // of a key or a button
const KEY_PIXELS = 60; // that an arrow moves the picture, in CSS pixels
const KEY_DEGREES = 10; // that a key turns it
const DRAG_DEGREES = 0.4; // the same for each CSS pixel of a drag
const DASHES = ["", "6 4", "2 4", "8 3 2 3"]; // of the lines in one chart
// How far away a mark looks: farthest first.
const DEPTHS = [0.7, 0.82, 0.94, 1.06, 1.18, 1.3].map((grown, level) => ({
  grown,
  strength: 96 + 32 * level,
}));
const LARGEST_DEPTH = DEPTHS.at(-1).grown;
const SPEEDS = [0.5, 1, 2, 4, 8, 16];

// ---------------------------------------------------------------- the clock

const initialize = ({ model }) =>
  runClock(model, {
    last: () => model.get("_steps").length - 1,
    speed: () => model.get("speed"),
  });

// ---------------------------------------------------------------- the data

function readData(model) {
  const frames = floatsOf(model.get("_frames"));
  const classOf = intsOf(model.get("_class_of"));
  const dimensions = model.get("_dimensions");
  const steps = model.get("_steps");
  const count = classOf.length;
  const classes = model.get("_classes");
  const size = count * dimensions;
  return {
    frames,
    classOf,
    dimensions,
    steps,
    count,
    classes,
    last: steps.length - 1,
    extent: extentOf(frames, dimensions),
    extents: steps.map((_, s) => extentOf(frames.subarray(s * size, (s + 1) * size), dimensions)),
    centroids: centroidsOf(frames, classOf, dimensions, steps.length, classes.length),
    neighbors: readNeighbors(model),
  };
}

function readNeighbors(model) {
  const k = model.get("_neighbor_count");
  if (!k) return null;
  return {
    k,
    indices: shortsOf(model.get("_neighbors")),
    distances: shortsOf(model.get("_neighbor_distances")),
    drawnDistances: shortsOf(model.get("_drawn_distances")),
    range: model.get("_distance_range"),
  };
}

const shortsOf = (view) =>
  new Uint16Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// The middle of points, and how far they reach from there: to the sides and up or, as a cloud of
// three dimensions may be turned, in any direction.
export function extentOf(points, dimensions) {
  const lows = Array(dimensions).fill(Infinity);
  const highs = Array(dimensions).fill(-Infinity);
  for (let i = 0; i < points.length; i += 1) {
    const d = i % dimensions;
    if (points[i] < lows[d]) lows[d] = points[i];
    if (points[i] > highs[d]) highs[d] = points[i];
  }
  const middle = lows.map((low, d) => (low + highs[d]) / 2);
  if (dimensions === 2) return { middle, reach: highs.map((high, d) => high - middle[d]) };
  let radius = 0;
  for (let i = 0; i < points.length; i += 3) {
    const away = [0, 1, 2].map((d) => points[i + d] - middle[d]);
    radius = Math.max(radius, Math.hypot(...away));
  }
  return { middle, reach: [radius, radius] };
}

// The mean of interpolated points is the interpolated mean: once for each snapshot is enough.
function centroidsOf(frames, classOf, dimensions, snapshots, classes) {
  const count = classOf.length;
  const sums = new Float64Array(snapshots * classes * dimensions);
  const sizes = new Float64Array(classes);
  for (const k of classOf) sizes[k] += 1;
  for (let s = 0; s < snapshots; s += 1) {
    for (let i = 0; i < count; i += 1) {
      const k = classOf[i];
      const to = dimensions * (s * classes + k);
      const from = dimensions * (s * count + i);
      for (let d = 0; d < dimensions; d += 1) sums[to + d] += frames[from + d] / sizes[k];
    }
  }
  return sums;
}

// The place of item `index` at a fractional position, in data coordinates.
function placeAt(array, dimensions, size, position, last, index) {
  const before = Math.floor(position);
  const after = Math.min(before + 1, last);
  const part = position - before;
  const a = dimensions * (before * size + index);
  const b = dimensions * (after * size + index);
  const place = [];
  for (let d = 0; d < dimensions; d += 1) {
    place.push(array[a + d] + (array[b + d] - array[a + d]) * part);
  }
  return place;
}

// ---------------------------------------------------------------- neighbours

// Python sends the logarithm of a distance as one of 65,535 equal steps; 0 is a distance of 0.
export function decodeDistance(code, [low, high]) {
  return code === 0 ? 0 : low * (high / low) ** ((code - 1) / 65534);
}

// Squared distances from point `index` to all, as drawn at a snapshot; itself is infinitely far.
function squaredDrawn({ frames, dimensions, count }, snapshot, index) {
  const squared = new Float64Array(count);
  const start = dimensions * snapshot * count;
  for (let i = 0; i < count; i += 1) {
    for (let d = 0; d < dimensions; d += 1) {
      const away =
        frames[start + dimensions * i + d] - frames[start + dimensions * index + d];
      squared[i] += away * away;
    }
  }
  squared[index] = Infinity;
  return squared;
}

// The neighbours of a point at a snapshot, each with its distances, true and drawn. Nearest come
// first, of equally near ones the first: as in Python, which sends the true distances in the same
// order. `kind`: "near" is a true neighbour drawn near, "torn" one that is not among the nearest
// drawn, "false" one of those that is no true neighbour.
export function neighborhood(data, snapshot, index) {
  const { k, indices, distances, drawnDistances, range } = data.neighbors;
  const squared = squaredDrawn(data, snapshot, index);
  const order = Array.from(squared.keys()).sort((a, b) => squared[a] - squared[b] || a - b);
  const drawn = order.slice(0, k);
  const start = k * (snapshot * data.count + index);
  const nearest = [...indices.slice(start, start + k)];
  const entry = (kind, i, code) => ({
    kind,
    index: i,
    trueDistance: decodeDistance(code, range),
    drawnDistance: Math.sqrt(squared[i]),
  });
  return [
    ...nearest.map((i, n) => entry(drawn.includes(i) ? "near" : "torn", i, distances[start + n])),
    ...drawn
      .map((i, n) => entry("false", i, drawnDistances[start + n]))
      .filter(({ index: i }) => !nearest.includes(i)),
  ];
}

// ---------------------------------------------------------------- the reader's view

// A view zoomed by a factor about a place that stays where it is: `right` of and `up` from the
// middle of the plot, in units of the frames as they would be seen at a zoom of 1.
export function zoomView({ x, y, zoom }, factor, right = 0, up = 0) {
  const next = clamp(zoom * factor, 1, LARGEST_ZOOM);
  const moved = 1 / zoom - 1 / next;
  return { x: x + right * moved, y: y + up * moved, zoom: next };
}

// A view moved so that the picture goes `right` and `up`, in the same units. The middle of the
// plot never leaves the picture.
export function moveView({ x, y, zoom }, right, up, [reachX, reachY]) {
  return {
    x: clamp(x - right / zoom, -reachX, reachX),
    y: clamp(y - up / zoom, -reachY, reachY),
    zoom,
  };
}

// The rows of the matrix that turns a cloud about its upright axis, what is in front going right,
// and then tips its front down. In degrees.
export function rotationRows(turn, tilt) {
  const [a, b] = [turn, tilt].map((angle) => (angle * Math.PI) / 180);
  const [sa, ca, sb, cb] = [Math.sin(a), Math.cos(a), Math.sin(b), Math.cos(b)];
  return [
    [ca, 0, sa],
    [sa * sb, cb, -ca * sb],
    [-sa * cb, sb, ca * cb],
  ];
}

const FLAT = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

// ---------------------------------------------------------------- the scatter

// Paints points into an array of pixels, in the order of the data or, in three dimensions, from
// the farthest to the nearest: that keeps 60 frames a second with 10,000 points on a processor
// alone, and no class lies on top of the others.
class Scatter {
  constructor(canvas, data) {
    this.canvas = canvas;
    this.data = data;
    // The pixels are made by the processor; a canvas in graphics memory would only cost copies.
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.solid = data.dimensions === 3;
    this.glyphs = data.count <= 1000 && data.classes.every((c) => c.mark.length <= 2);
    this.size = this.glyphs ? 13 : data.count <= 3000 ? 6.5 : 4; // CSS pixels
    this.xs = new Float64Array(data.count);
    this.ys = new Float64Array(data.count);
    this.depths = new Float64Array(this.solid ? data.count : 0);
    this.order = Uint32Array.from({ length: this.solid ? data.count : 0 }, (_, i) => i);
  }

  resize(width, height, theme) {
    this.ratio = pixelRatio();
    this.width = Math.round(width * this.ratio);
    this.height = Math.round(height * this.ratio);
    this.canvas.width = this.width;
    this.canvas.height = this.height;
    this.theme = theme;
    this.colors = this.data.classes.map((c) => wordOf(theme.markColor(c.color)));
    // Around what is seen lies a border, so that marks may reach over the edge.
    this.border = Math.ceil((this.glyphs ? 2 : 1) * this.size * LARGEST_DEPTH * this.ratio) + 8;
    this.stride = this.width + 2 * this.border;
    this.image = this.context.createImageData(this.stride, this.height + 2 * this.border);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.makeStamps();
  }

  // One scale for both axes and, unless one snapshot is to be fitted, for all snapshots: only then
  // can distances be compared over time.
  setScale({ position, fit, view, rotation }) {
    const { middle, reach } = fit ? this.extentAt(position) : this.data.extent;
    const margin = 2 * MARGIN * this.ratio;
    const scale = Math.min(
      (this.width - margin) / (2 * reach[0] || Number.MIN_VALUE),
      (this.height - margin) / (2 * reach[1] || Number.MIN_VALUE),
    );
    this.reach = reach;
    this.whole = Number.isFinite(scale) ? scale : 1; // all points in one place
    this.scale = this.whole * view.zoom;
    const [across, up, front] = this.solid ? rotationRows(...rotation) : FLAT;
    const along = (row) => row[0] * middle[0] + row[1] * middle[1] + row[2] * (middle[2] ?? 0);
    // Pixels are a weighted sum of a point's coordinates, and so is its depth from -1 to 1.
    this.across = across.map((part) => part * this.scale);
    this.left = this.width / 2 - (along(across) + view.x) * this.scale;
    this.up = up.map((part) => part * this.scale);
    this.bottom = this.height / 2 + (along(up) + view.y) * this.scale;
    this.front = front.map((part) => part / (reach[0] || 1));
    this.back = -along(front) / (reach[0] || 1);
  }

  extentAt(position) {
    const { extents, last } = this.data;
    const before = extents[Math.floor(position)];
    const after = extents[Math.min(Math.floor(position) + 1, last)];
    const part = position - Math.floor(position);
    const between = (name) => before[name].map((v, d) => v + (after[name][d] - v) * part);
    return { middle: between("middle"), reach: between("reach") };
  }

  makeStamps() {
    const size = this.size * this.ratio;
    this.dot = (pen, grown = 1) => {
      pen.beginPath();
      pen.arc(0, 0, (grown * size) / 2, 0, 2 * Math.PI);
      pen.fill();
    };
    this.glyph = (text) => (pen, grown = 1) => {
      pen.font = `600 ${grown * size}px ${this.theme.font}`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillText(text, 0, 0);
    };
    const { classes } = this.data;
    // What is nearer to the reader is drawn larger and stronger.
    this.levels = this.solid ? DEPTHS : [{ grown: 1, strength: 256 }];
    this.stamps = this.levels.map(({ grown }) => {
      if (this.glyphs) {
        return classes.map((c) => this.makeStamp(this.glyph(c.mark), 2 * size * grown, grown));
      }
      return Array(classes.length).fill(this.makeStamp(this.dot, size * grown, grown));
    });
  }

  // The covered pixels of one mark, for every place on the grid of quarter pixels.
  makeStamp(draw, size, grown) {
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
      draw(pen, grown);
      const { data } = pen.getImageData(0, 0, side, side);
      const offsets = [];
      const alphas = [];
      for (let p = 0; p < side * side; p += 1) {
        const alpha = Math.round((data[4 * p + 3] * opacity * 256) / 255);
        if (alpha < 8) continue;
        offsets.push((Math.floor(p / side) - middle) * this.stride + (p % side) - middle);
        alphas.push(alpha);
      }
      stamp.push({ offsets: Int32Array.from(offsets), alphas: Int32Array.from(alphas) });
    }
    return stamp;
  }

  toPixels([x, y, z = 0]) {
    const { across, up } = this;
    return [
      this.left + x * across[0] + y * across[1] + z * across[2],
      this.bottom - x * up[0] - y * up[1] - z * up[2],
    ];
  }

  pixelsOf(position, index) {
    const { frames, dimensions, count, last } = this.data;
    return this.toPixels(placeAt(frames, dimensions, count, position, last, index));
  }

  // Where all points are seen at a position.
  placePoints(position) {
    const { frames, count, last } = this.data;
    const { xs, ys, left, bottom, scale } = this;
    if (this.solid) return this.placeSolid(position);
    const before = Math.floor(position);
    const part = position - before;
    const a = 2 * before * count;
    const b = 2 * Math.min(before + 1, last) * count;
    for (let i = 0; i < count; i += 1) {
      const x = frames[a + 2 * i];
      const y = frames[a + 2 * i + 1];
      xs[i] = left + (x + (frames[b + 2 * i] - x) * part) * scale;
      ys[i] = bottom - (y + (frames[b + 2 * i + 1] - y) * part) * scale;
    }
  }

  placeSolid(position) {
    const { frames, count, last } = this.data;
    const { xs, ys, depths, across, up, front, left, bottom, back } = this;
    const before = Math.floor(position);
    const part = position - before;
    const ahead = before < last ? 3 * count : 0; // to the same coordinate, a snapshot later
    for (let i = 0; i < count; i += 1) {
      const a = 3 * (before * count + i);
      const x = frames[a] + (frames[a + ahead] - frames[a]) * part;
      const y = frames[a + 1] + (frames[a + 1 + ahead] - frames[a + 1]) * part;
      const z = frames[a + 2] + (frames[a + 2 + ahead] - frames[a + 2]) * part;
      xs[i] = left + x * across[0] + y * across[1] + z * across[2];
      ys[i] = bottom - x * up[0] - y * up[1] - z * up[2];
      depths[i] = back + x * front[0] + y * front[1] + z * front[2];
    }
    this.order.sort((i, j) => depths[i] - depths[j]);
  }

  paint(state) {
    const { position, hidden, highlighted, hovered, pinned } = state;
    this.setScale(state);
    if (this.width < 60 * this.ratio || this.height < 60 * this.ratio) return;
    const { classes } = this.data;
    this.pixels.fill(this.theme.backgroundWord);
    const strengths = classes.map((c, k) => {
      if (hidden.has(c.label)) return 0;
      return highlighted === null || highlighted === k ? 256 : 40;
    });
    this.placePoints(position);
    this.stampPoints(strengths);
    this.context.putImageData(this.image, -this.border, -this.border);
    if (this.solid) this.paintTripod();
    if (pinned >= 0) this.paintPinned(state);
    if (hovered >= 0 && hovered !== pinned) this.paintHovered(position, hovered);
    if (!this.glyphs) this.paintLabels(position, strengths);
  }

  stampPoints(strengths) {
    const { classOf, count } = this.data;
    const { pixels, stride, border, width, height, colors, levels, stamps, xs, ys } = this;
    const over = border / 2; // how far beyond the edge a mark still shows
    for (let n = 0; n < count; n += 1) {
      const i = this.solid ? this.order[n] : n;
      const k = classOf[i];
      if (strengths[k] === 0) continue;
      const x = xs[i];
      const y = ys[i];
      if (!(x > -over && x < width + over && y > -over && y < height + over)) continue;
      const level = this.solid ? levelOf(this.depths[i]) : 0;
      const strength = (strengths[k] * levels[level].strength) >> 8;
      const column = Math.floor((x + border) * SUBPIXELS);
      const row = Math.floor((y + border) * SUBPIXELS);
      const cell = (row % SUBPIXELS) * SUBPIXELS + (column % SUBPIXELS);
      const { offsets, alphas } = stamps[level][k][cell];
      const base = Math.floor(row / SUBPIXELS) * stride + Math.floor(column / SUBPIXELS);
      // Red and blue in one word, green in another: two multiplications blend three channels.
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

  // The three axes as they are turned, in a corner: their numbers are those of `frames`.
  paintTripod() {
    const pen = this.context;
    const { ratio, across, up, scale } = this;
    const [x, y] = [34 * ratio, this.height - 34 * ratio];
    pen.strokeStyle = pen.fillStyle = this.theme.foreground;
    pen.lineWidth = ratio;
    pen.globalAlpha = 0.7;
    pen.font = `${11 * ratio}px ${this.theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let d = 0; d < 3; d += 1) {
      const [right, above] = [across[d] / scale, up[d] / scale];
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + 18 * ratio * right, y - 18 * ratio * above);
      pen.stroke();
      pen.fillText(d + 1, x + 26 * ratio * right, y - 26 * ratio * above);
    }
    pen.globalAlpha = 1;
  }

  // The hovered point with the way it has come.
  paintHovered(position, index) {
    const pen = this.context;
    this.paintTrail(position, index);
    const [x, y] = this.pixelsOf(position, index);
    pen.beginPath();
    pen.arc(x, y, (this.size / 2 + 4) * this.ratio, 0, 2 * Math.PI);
    pen.fillStyle = this.theme.background;
    pen.fill();
    pen.stroke();
    this.paintMark(x, y, index);
  }

  paintTrail(position, index) {
    const pen = this.context;
    pen.strokeStyle = this.theme.foreground;
    pen.lineWidth = 1.5 * this.ratio;
    pen.beginPath();
    for (let s = 0; s <= Math.floor(position); s += 1) pen.lineTo(...this.pixelsOf(s, index));
    pen.lineTo(...this.pixelsOf(position, index));
    pen.globalAlpha = 0.5;
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // The pinned point, with lines to its true neighbours and a shape around each neighbour.
  paintPinned({ position, pinned, neighbors, hidden }) {
    const pen = this.context;
    const { classes, classOf } = this.data;
    const from = this.pixelsOf(position, pinned);
    const marked = neighbors
      .filter(({ index }) => !hidden.has(classes[classOf[index]].label))
      .map((neighbor) => ({ ...neighbor, at: this.pixelsOf(position, neighbor.index) }));
    if (!marked.length) this.paintTrail(position, pinned);
    pen.lineWidth = 1.5 * this.ratio;
    pen.strokeStyle = this.theme.foreground;
    pen.globalAlpha = 0.7;
    for (const { kind, at } of marked) {
      if (kind === "false") continue;
      pen.setLineDash(kind === "torn" ? [4 * this.ratio, 4 * this.ratio] : []);
      pen.beginPath();
      pen.moveTo(...from);
      pen.lineTo(...at);
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    for (const { kind, at, index } of marked.reverse()) {
      const dash = kind === "torn" ? [3.5, 2.5] : [];
      this.paintShape(at, kindPath(kind, this.size / 2 + 2.5), index, { dash });
    }
    this.paintShape(from, rolePath("anchor", this.size / 2 + 4), pinned, { lineWidth: 2.5 });
  }

  paintShape([x, y], path, index, { lineWidth = 2, dash = [] }) {
    const pen = this.context;
    pen.save();
    pen.translate(x, y);
    pen.scale(this.ratio, this.ratio);
    const shape = new Path2D(path);
    pen.fillStyle = this.theme.background;
    pen.strokeStyle = this.theme.foreground;
    pen.lineWidth = lineWidth;
    pen.setLineDash(dash);
    pen.fill(shape);
    pen.stroke(shape);
    pen.restore();
    this.paintMark(x, y, index);
  }

  // One mark by itself, above those that would cover it.
  paintMark(x, y, index) {
    const { color, mark } = this.data.classes[this.data.classOf[index]];
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
    const { classes, centroids, dimensions, last } = this.data;
    const pen = this.context;
    pen.font = `700 ${20 * this.ratio}px ${this.theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 5 * this.ratio;
    pen.strokeStyle = this.theme.background;
    pen.fillStyle = this.theme.foreground;
    const centroid = (k) => placeAt(centroids, dimensions, classes.length, position, last, k);
    const labels = classes
      .map((c, k) => [c.mark, ...this.toPixels(centroid(k))])
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

  // The visible point nearest to a place given in CSS pixels, as last painted, or -1.
  nearest(x, y, reach, hidden) {
    const { classOf, classes, count } = this.data;
    let best = -1;
    let bestDistance = (reach * this.ratio) ** 2;
    for (let i = 0; i < count; i += 1) {
      if (hidden.has(classes[classOf[i]].label)) continue;
      const distance = (this.xs[i] - x * this.ratio) ** 2 + (this.ys[i] - y * this.ratio) ** 2;
      if (distance < bestDistance) [best, bestDistance] = [i, distance];
    }
    return best;
  }
}

const levelOf = (depth) =>
  clamp(Math.floor(((depth + 1) / 2) * DEPTHS.length), 0, DEPTHS.length - 1);

// A true neighbour is a ring, broken where the picture tears it away; a false one a triangle. All
// hollow and without a colour: filled circles and squares are positives and negatives elsewhere.
const kindPath = (kind, r) =>
  kind === "false"
    ? `M0 ${-1.35 * r}L${1.3 * r} ${0.85 * r}H${-1.3 * r}Z`
    : `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;

const kindIcon = (kind) =>
  `<svg class="kind ${kind}" viewBox="-9 -9 18 18" aria-hidden="true"><path
    d="${kind === "pinned" ? rolePath("anchor", 6) : kindPath(kind, 6)}"/></svg>`;

// ---------------------------------------------------------------- the curves

// One small chart over the snapshots: a line or several, their extremes, the steps, and a cursor.
function makeCurve({ name, values, lines }, steps) {
  const last = steps.length - 1;
  const all = lines ?? [{ name, values }];
  const known = all.flatMap((line) => line.values).filter((value) => value !== null);
  const low = Math.min(...known);
  const high = Math.max(...known);
  const root = make("div", "curve");
  root.dataset.name = name;
  const heading = make("div", "curve-heading");
  const title = make("span", "curve-name", name);
  if (CURVE_MEANINGS[name]) title.append(make("span", "quiet", ` ${CURVE_MEANINGS[name]}`));
  heading.append(title);
  const drawn = all.map((line, n) => makeLine(line, lines && n, low, high, last));
  const field = make("div", "curve-field");
  const cursor = make("div", "cursor");
  const svg = makeSvg("svg", {
    viewBox: "0 0 1 1",
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  svg.append(...drawn.flatMap((line) => line.paths));
  field.append(svg, cursor);
  const range = make("div", "curve-range");
  if (known.length)
    range.append(make("span", "", formatted(high)), make("span", "", formatted(low)));
  root.append(heading);
  if (lines) {
    const legend = make("div", "curve-legend");
    legend.append(...drawn.map((line) => line.entry));
    root.append(legend);
  } else {
    heading.append(drawn[0].current);
  }
  root.append(range, field, makeStepLabels(steps));
  return {
    root,
    field,
    valuesAt: (position) =>
      all.map((line) => `${line.name} ${formatted(line.values[Math.floor(position)])}`),
    show(position) {
      cursor.style.left = `${last ? (100 * position) / last : 0}%`;
      drawn.forEach((line, n) => {
        line.current.textContent = formatted(all[n].values[Math.floor(position)]);
      });
    },
  };
}

// The paths of one line, and its entry in the legend, told apart by colour and by dashes.
function makeLine({ name, values }, order, low, high, last) {
  const color = CATEGORY_COLORS[name] ? `var(--${name})` : "var(--accent)";
  const dashes = DASHES[(order ?? 0) % DASHES.length];
  const [line, alone] = curvePaths(values, low, high, last);
  const style = `stroke: ${color}; stroke-dasharray: ${dashes || "none"}`;
  const current = make("span", "curve-value");
  const entry = make("span", "curve-entry");
  entry.innerHTML =
    `<svg viewBox="0 0 22 8" aria-hidden="true"><path d="M1 4H21" style="${style}"/></svg>`;
  entry.append(make("span", "", name), current);
  return {
    current,
    entry,
    paths: [
      makeSvg("path", { d: line, style }),
      makeSvg("path", { d: alone, class: "alone", style: `stroke: ${color}` }),
    ],
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

const svgIcon = (path) =>
  `<svg viewBox="0 0 20 20" aria-hidden="true"><path d="${path}"/></svg>`;
const BUTTON_ICONS = {
  out: "M4 9h12v2H4z",
  in: "M4 9h5V4h2v5h5v2h-5v5H9v-5H4z",
  whole: "M10 3 2 10h2.4v7h4v-5h3.2v5h4v-7H18z",
  close: "M5.4 4 10 8.6 14.6 4 16 5.4 11.4 10l4.6 4.6-1.4 1.4-4.6-4.6L5.4 16 4 14.6 8.6 10 4 5.4z",
  previous: "M13 3.5v13L5 10z",
  next: "M7 3.5v13l8-6.5z",
};
const button = (name, path, title) =>
  `<button class="${name}" title="${title}" aria-label="${title.replace(/ \(.*/, "")}">${
    path.startsWith("<") ? path : svgIcon(path)
  }</button>`;

const TEMPLATE = `
<section class="widget player" tabindex="0" role="group">
  <header><h3 class="title"></h3><span class="readout"></span></header>
  <p class="hint quiet"></p>
  <div class="main">
    <div class="plot">
      <canvas role="img"></canvas>
      <div class="tooltip" hidden><div class="picture"></div><div class="caption"></div>
        <div class="trail">line: the way it came</div></div>
    </div>
    <div class="controls">
      ${button("back", icon("back"), "Step back (left arrow)")}
      <button class="play"></button>
      ${button("forward", icon("forward"), "Step forward (right arrow)")}
      <input class="scrub" type="range" min="0" step="any" aria-label="Training step">
      <div class="view-buttons" role="group" aria-label="View">
        ${button("zoom-out", BUTTON_ICONS.out, "Zoom out (-)")}
        ${button("zoom-in", BUTTON_ICONS.in, "Zoom in (+)")}
        ${button("whole", BUTTON_ICONS.whole, "Show all again (0, or a double click)")}
        <button class="fit" title="Fit each snapshot to the plot, instead of one scale for all"
          aria-label="Fit each snapshot to the plot">${icon("fit")}</button>
      </div>
      <label>Speed <select class="speed" title="Snapshots a second"></select></label>
    </div>
  </div>
  <div class="side">
    <div class="legend" role="group" aria-label="Classes: press to hide or show"></div>
    <details class="honesty">
      <summary><span>Trustworthiness</span> <span class="question">?</span>
        <b class="trustworthiness number"></b>
        <span class="meaning quiet">Drawn neighbours true? 1: all, 0.5: chance</span>
      </summary>
      <p></p>
    </details>
    <div class="curves"></div>
    <div class="axis">snapshots (moments), by step</div>
  </div>
  <div class="neighborhood" role="group" aria-label="Neighbours of the pinned point" hidden>
    <div class="neighborhood-heading">
      <div class="pinned-picture" hidden></div>
      <p class="pinned-words">${kindIcon("pinned")} <b></b><span class="pinned-count"></span></p>
      <div class="pin-buttons">
        ${button("previous", BUTTON_ICONS.previous, "Pin the point before (P)")}
        ${button("next", BUTTON_ICONS.next, "Pin the next point (N)")}
        ${button("release", BUTTON_ICONS.close, "Release the point (Escape)")}
      </div>
    </div>
    <div class="true-part">
      <h4></h4><div class="cards"></div>
    </div>
    <div class="false-part">
      <h4></h4><div class="cards"></div>
    </div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "embedding-player", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.data = readData(model);
    this.scatter = new Scatter(this.find("canvas"), this.data);
    this.solid = this.data.dimensions === 3;
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
    const counted = this.model.get("step_name");
    if (counted !== "step") this.find(".scrub").setAttribute("aria-label", counted);
    this.buildSprite();
    this.buildHint();
    if (data.neighbors) {
      this.buildHonesty();
      this.buildCards();
    } else {
      for (const part of [".honesty", ".neighborhood"]) this.find(part).remove();
    }
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
    this.sprite = sprite;
    const { height, width } = sprite.layout;
    // Whole multiples keep the pixels of a small picture square.
    const side = Math.max(height, width);
    const size = side * Math.max(1, Math.round(96 / side));
    this.placePicture = (index) => sprite.place(picture, index, size);
  }

  buildHint() {
    const { neighbors } = this.data;
    const near = neighbors ? "to see its true neighbours" : "to keep it in sight";
    const drag = this.solid ? "Drag to turn the cloud, with Shift to move it." : "Drag to move.";
    this.find(".hint").textContent = `Play, or drag the slider. Click a point ${near}. ${drag}`;
    this.find("canvas").title = this.solid
      ? "Turn: drag, or A, D, W, S. Move: Shift and drag, or Shift and arrows. " +
        "Zoom: + and -, pinch, Ctrl and wheel."
      : "Move: drag, or Shift and arrows. Zoom: + and -, pinch, Ctrl and wheel.";
  }

  buildHonesty() {
    const honesty = this.find(".honesty");
    const { k } = this.data.neighbors;
    const words =
      `Among each point's ${k} nearest in the picture, how many are neighbours in the embedding? ` +
      `1: all of them are among its ${k} nearest there, too. About 0.5: chance would do as well. ` +
      "A false neighbour costs the more, the farther away it truly is (Venna and Kaski, 2001).";
    honesty.querySelector("p").textContent = words;
    honesty.querySelector("summary").title = words;
  }

  // As many as can be needed, so that a card keeps the focus while what it shows changes.
  buildCards() {
    const { k } = this.data.neighbors;
    const fill = (part) => {
      const cards = Array.from({ length: k }, () => this.makeCard());
      this.find(`${part} .cards`).append(...cards.map((card) => card.root));
      return cards;
    };
    this.cards = { true: fill(".true-part"), false: fill(".false-part") };
  }

  makeCard() {
    const root = make("button", "card");
    const picture = make("div", "card-picture");
    const mark = make("span", "card-mark");
    const label = make("span", "card-label");
    const [trueDistance, drawnDistance] = [make("b", "number"), make("b", "number")];
    const head = make("div", "card-head");
    head.append(mark, label);
    const rows = make("div", "card-distances");
    rows.append(make("span", "", "true"), trueDistance, make("span", "", "drawn"), drawnDistance);
    if (this.sprite) root.append(picture);
    root.append(head, rows);
    const card = { root, picture, mark, label, trueDistance, drawnDistance, index: -1 };
    this.on(root, "click", () => this.pin(card.index));
    this.on(root, "pointerenter", () => this.hover(card.index));
    this.on(root, "pointerleave", () => this.hover(-1));
    return card;
  }

  // ---- listening

  listen() {
    this.follow(["position", "hovered", "view", "rotation"], () => this.repaint());
    const seldom = [
      "playing",
      "speed",
      "hidden_classes",
      "pinned",
      "title",
      "height",
      "fit_each",
    ];
    this.follow(seldom, () => this.update());
    const clicks = {
      play: () => this.togglePlay(),
      back: () => this.step(-1),
      forward: () => this.step(1),
      fit: () => this.send("fit_each", !this.model.get("fit_each")),
      "zoom-in": () => this.zoom(ZOOM_STEP),
      "zoom-out": () => this.zoom(1 / ZOOM_STEP),
      whole: () => this.showWhole(),
      previous: () => this.pinNext(-1),
      next: () => this.pinNext(1),
      release: () => this.release(),
    };
    for (const [name, act] of Object.entries(clicks)) {
      const target = this.find(`.${name}`);
      if (target) this.on(target, "click", act);
    }
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
    const arrow = (direction, right, up) => (event) =>
      event.shiftKey ? this.movePixels(right * KEY_PIXELS, up * KEY_PIXELS) : this.step(direction);
    const turn = (degrees, tilt) => () => (this.solid ? this.rotate(degrees, tilt) : false);
    const letters = {
      n: () => this.pinNext(1),
      p: () => this.pinNext(-1),
      a: turn(-KEY_DEGREES, 0),
      d: turn(KEY_DEGREES, 0),
      w: turn(0, -KEY_DEGREES),
      s: turn(0, KEY_DEGREES),
    };
    const upper = Object.entries(letters).map(([key, act]) => [key.toUpperCase(), act]);
    this.onKeys({
      " ": () => this.togglePlay(),
      ArrowLeft: arrow(-1, -1, 0),
      ArrowDown: arrow(-1, 0, -1),
      ArrowRight: arrow(1, 1, 0),
      ArrowUp: arrow(1, 0, 1),
      Home: () => this.seek(0),
      End: () => this.seek(this.data.last),
      "+": () => this.zoom(ZOOM_STEP),
      "=": () => this.zoom(ZOOM_STEP), // where + needs Shift
      "-": () => this.zoom(1 / ZOOM_STEP),
      0: () => this.showWhole(),
      Enter: () => {
        const { hovered } = this;
        if (hovered < 0) return false;
        return this.togglePin(hovered);
      },
      ...letters,
      ...Object.fromEntries(upper),
    });
    this.on(this.root, "keydown", (event) => {
      if (event.key !== "Escape" || this.pinned < 0) return; // else it is the notebook's
      event.stopPropagation();
      event.preventDefault();
      this.release();
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
    this.pointers = new Map(); // those held down, with where they were last
    this.on(canvas, "pointerdown", (event) => this.pointerDown(event));
    this.on(canvas, "pointermove", (event) => this.pointerMoved(event));
    this.on(canvas, "pointerup", (event) => this.pointerUp(event));
    this.on(canvas, "pointercancel", (event) => this.pointers.delete(event.pointerId));
    // What a finger found stays when it lifts: it has covered the picture until then.
    this.on(canvas, "pointerleave", (event) => event.pointerType !== "touch" && this.hover(-1));
    this.on(canvas, "wheel", (event) => this.wheelTurned(event), { passive: false });
    this.on(canvas, "dblclick", () => {
      this.showWhole();
      if (this.model.get("pinned") !== this.pinnedBefore) this.send("pinned", this.pinnedBefore);
    });
  }

  pointerDown(event) {
    if (event.button || this.pointers.size === 2) return;
    this.find("canvas").setPointerCapture(event.pointerId);
    // A gesture is a click as long as nothing moved and one pointer did it.
    if (this.pointers.size === 0) this.gesture = { x: event.clientX, y: event.clientY };
    else this.gesture.moved = true;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.pinched = { view: this.model.get("view"), places: [...this.pointers.values()] };
    this.hover(this.pointAt(event));
  }

  pointerMoved(event) {
    const before = this.pointers.get(event.pointerId);
    const { clientX: x, clientY: y } = event;
    if (!before) {
      this.hover(this.pointAt(event));
      return;
    }
    const slop = event.pointerType === "mouse" ? MOUSE_SLOP : TOUCH_SLOP;
    this.gesture.moved ||= Math.hypot(x - this.gesture.x, y - this.gesture.y) > slop;
    if (!this.gesture.moved) return;
    this.pointers.set(event.pointerId, { x, y });
    this.hover(-1);
    if (this.pointers.size > 1) this.pinch();
    else if (this.solid && !event.shiftKey) {
      this.rotate((x - before.x) * DRAG_DEGREES, (y - before.y) * DRAG_DEGREES);
    } else if (event.pointerType !== "touch" || !this.atHome) {
      const ratio = enlargement(this.find("canvas"));
      this.movePixels((x - before.x) / ratio, (before.y - y) / ratio);
    }
  }

  pointerUp(event) {
    if (!this.pointers.delete(event.pointerId) || this.gesture.moved) return;
    if (event.timeStamp - (this.clicked ?? -Infinity) > DOUBLE_CLICK) {
      this.pinnedBefore = this.model.get("pinned"); // a double click leaves the pin as it was
    }
    this.clicked = event.timeStamp;
    const index = this.pointAt(event);
    this.hover(index);
    if (index >= 0) this.togglePin(index);
  }

  pointAt(event) {
    const reach = event.pointerType === "touch" ? TOUCH : MOUSE;
    const [x, y] = pointIn(this.find("canvas"), event);
    return this.scatter.theme ? this.scatter.nearest(x, y, reach, this.hidden) : -1;
  }

  // Two fingers: what lay under them when the second came down lies under them still.
  pinch() {
    const { view, places } = this.pinched;
    const now = [...this.pointers.values()];
    const apart = ([a, b]) => Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1);
    const middle = ([a, b]) => this.fromMiddle((a.x + b.x) / 2, (a.y + b.y) / 2);
    const [right, up] = middle(places);
    const [toRight, toUp] = middle(now);
    const zoomed = zoomView(view, apart(now) / apart(places), right, up);
    this.sendSoon("view", moveView(zoomed, toRight - right, toUp - up, this.scatter.reach));
  }

  // A page that is scrolled past the widget goes on scrolling: only where the reader has clicked
  // on the plot (or holds Ctrl, as on maps) is it zoomed, and not beyond its ends.
  wheelTurned(event) {
    const held = event.ctrlKey || event.metaKey;
    if (!held && this.shadow.activeElement !== this.root) return;
    const unit = [0.002, 0.05, 1][event.deltaMode]; // pixels, lines, pages
    const turned = clamp(-event.deltaY * unit * (held ? 4 : 1), -0.5, 0.5);
    const changed = this.zoom(2 ** turned, event.clientX, event.clientY);
    if (held || changed) event.preventDefault();
  }

  // ---- acting

  get position() {
    return clamp(this.model.get("position"), 0, this.data.last);
  }

  get hidden() {
    return new Set(this.model.get("hidden_classes"));
  }

  // Neither what is pinned nor what is hovered can be of a hidden class.
  visible(index) {
    return index >= 0 && !this.hidden.has(this.classOf(index).label) ? index : -1;
  }

  get hovered() {
    return this.visible(this.model.get("hovered"));
  }

  get pinned() {
    return this.visible(this.model.get("pinned"));
  }

  get atHome() {
    const { x, y, zoom } = this.model.get("view");
    return zoom === 1 && x === 0 && y === 0;
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

  pin(index) {
    this.send("pinned", index);
  }

  togglePin(index) {
    this.pin(index === this.pinned ? -1 : index);
  }

  release() {
    this.pin(-1);
    this.root.focus({ preventScroll: true }); // the button pressed is gone
  }

  // The next visible point in the order of the data, or the one before.
  pinNext(direction) {
    const { count } = this.data;
    let index = this.model.get("pinned");
    if (index < 0) index = Math.max(this.hovered, 0) - (this.hovered < 0 ? direction : 0);
    for (let tried = 0; tried < count; tried += 1) {
      index = (index + direction + count) % count;
      if (this.visible(index) >= 0) return this.pin(index);
    }
    return undefined;
  }

  // A place on the page as right of and up from the middle of the plot, in units of the frames as
  // they would be seen at a zoom of 1.
  fromMiddle(x, y) {
    const canvas = this.find("canvas");
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const unit = (enlargement(canvas) * this.scatter.whole) / this.scatter.ratio; // on the page
    return [(x - left - width / 2) / unit, (top + height / 2 - y) / unit];
  }

  // Zooms about a place on the page; tells whether there was anything to zoom.
  zoom(factor, ...place) {
    const [right, up] = place.length ? this.fromMiddle(...place) : [0, 0];
    const before = this.model.get("view");
    const view = zoomView(before, factor, right, up);
    if (view.zoom === before.zoom) return false;
    if (view.zoom === 1) this.showWhole();
    else this.sendSoon("view", moveView(view, 0, 0, this.scatter.reach));
    return true;
  }

  // Moves the picture by so many CSS pixels.
  movePixels(right, up) {
    const unit = this.scatter.whole / this.scatter.ratio;
    const { reach } = this.scatter;
    this.sendSoon("view", moveView(this.model.get("view"), right / unit, up / unit, reach));
  }

  showWhole() {
    this.sendSoon("view", { x: 0, y: 0, zoom: 1 });
  }

  rotate(turned, tilted) {
    const [turn, tilt] = this.model.get("rotation");
    const around = ((((turn + turned + 180) % 360) + 360) % 360) - 180;
    this.sendSoon("rotation", [around, clamp(tilt + tilted, -90, 90)]);
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
    const option = (value) => new Option(`${Number(formatted(value))} / s`, value);
    select.replaceChildren(...speeds.map(option));
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
    const { position, hidden, hovered, pinned } = this;
    const highlighted = hidden.has(this.data.classes[this.highlighted]?.label)
      ? null
      : this.highlighted;
    this.scatter.paint({
      position,
      hidden,
      highlighted,
      hovered,
      pinned,
      neighbors: this.neighborsOf(pinned, position),
      fit: this.model.get("fit_each"),
      view: this.model.get("view"),
      rotation: this.model.get("rotation"),
    });
    for (const curve of this.curves) curve.show(position);
    const readout = this.readout(position);
    const scrub = this.find(".scrub");
    scrub.value = position;
    scrub.setAttribute("aria-valuetext", readout);
    this.find(".readout").textContent = readout;
    this.showView();
    this.showTooltip(hovered, position);
    this.showTrustworthiness(position);
    this.showNeighborhood(pinned, position);
    this.describeSoon();
  }

  // Between two snapshots nothing was measured: what was at the one before holds.
  neighborsOf(index, position) {
    if (index < 0 || !this.data.neighbors) return [];
    const key = `${Math.floor(position)} ${index}`;
    if (this.neighborsKey !== key) {
      this.neighborsKey = key;
      this.neighbors = neighborhood(this.data, Math.floor(position), index);
    }
    return this.neighbors;
  }

  showView() {
    const { zoom } = this.model.get("view");
    const { atHome } = this;
    // A finger on the whole picture scrolls the page; on a part of it, it moves that.
    this.find("canvas").style.touchAction = atHome && !this.solid ? "pan-y" : "none";
    this.find(".zoom-out").disabled = zoom <= 1;
    this.find(".zoom-in").disabled = zoom >= LARGEST_ZOOM;
    this.find(".whole").disabled = atHome;
  }

  showTrustworthiness(position) {
    if (!this.data.neighbors) return;
    const value = formatted(this.model.get("_trustworthiness")[Math.floor(position)]);
    this.find(".trustworthiness").textContent = value;
  }

  showNeighborhood(pinned, position) {
    if (!this.data.neighbors) return;
    const panel = this.find(".neighborhood");
    panel.hidden = pinned < 0;
    const shown = panel.hidden ? null : this.neighborsOf(pinned, position);
    if (shown === this.shown) return;
    this.shown = shown;
    if (!shown) return;
    this.find(".pinned-picture").hidden = !this.sprite;
    this.sprite?.place(this.find(".pinned-picture"), pinned, 56);
    const count = (kind) => shown.filter((neighbor) => neighbor.kind === kind).length;
    const [near, torn, wrong] = ["near", "torn", "false"].map(count);
    const step = this.data.steps[Math.floor(position)];
    const k = near + torn;
    this.find(".pinned-words b").textContent = `Point ${pinned}, ${this.nameOf(pinned)}`;
    this.find(".pinned-count").textContent =
      `, at ${this.model.get("step_name")} ${step}. ` +
      `Of its ${k} nearest neighbours in the embedding, the picture draws ` +
      `${near} near and tears ${torn} away.`;
    this.find(".true-part h4").innerHTML =
      `${k} nearest in the embedding: ${kindIcon("near")} ring: ${near} drawn near, too; ` +
      `${kindIcon("torn")} broken ring: ${torn} torn away`;
    this.find(".false-part h4").innerHTML =
      `${kindIcon("false")} triangle: ${wrong} false, drawn near but not among the ${k} nearest ` +
      "in the embedding";
    this.find(".false-part").hidden = wrong === 0;
    this.showCards(this.cards.true, shown.slice(0, k), pinned);
    this.showCards(this.cards.false, shown.slice(k), pinned);
    if (this.shadow.activeElement?.hidden) this.root.focus({ preventScroll: true });
  }

  showCards(cards, neighbors, pinned) {
    cards.forEach((card, n) => {
      const neighbor = neighbors[n];
      card.root.hidden = !neighbor;
      card.index = neighbor ? neighbor.index : -1;
      if (neighbor) this.showCard(card, neighbor, pinned);
    });
  }

  showCard(card, { kind, index, trueDistance, drawnDistance }, pinned) {
    const same = this.classOf(index) === this.classOf(pinned);
    this.sprite?.place(card.picture, index, 56);
    card.mark.innerHTML = kindIcon(kind);
    card.label.textContent = `${this.classOf(index).mark} ${same ? "✓" : "✗"}`;
    card.trueDistance.textContent = formatted(trueDistance);
    card.drawnDistance.textContent = formatted(drawnDistance);
    card.root.classList.toggle("other-class", !same);
    const words = { near: "drawn near", torn: "torn away", false: "false neighbour" }[kind];
    const label =
      `Point ${index}, ${this.nameOf(index)}, ${same ? "same" : "other"} class, ${words}: ` +
      `true distance ${formatted(trueDistance)}, drawn ${formatted(drawnDistance)}`;
    card.root.setAttribute("aria-label", label);
    card.root.title = `${label}. Press to pin this one.`;
  }

  classOf(index) {
    return this.data.classes[this.data.classOf[index]];
  }

  nameOf(index) {
    const { mark, name } = this.classOf(index);
    return name === mark ? `label ${mark}` : `${mark} ${name}`;
  }

  // Between two snapshots nothing was measured, so no step in between is named.
  readout(position) {
    const { steps, last } = this.data;
    const stepName = this.model.get("step_name");
    const before = Math.floor(position);
    return position - before < 1e-6
      ? `${stepName} ${steps[before]}`
      : `${stepName} ${steps[before]} → ${steps[Math.min(before + 1, last)]}`;
  }

  showTooltip(index, position) {
    const tooltip = this.find(".tooltip");
    tooltip.hidden = index < 0;
    if (index < 0) return;
    this.placePicture?.(index);
    this.find(".trail").hidden = position === 0 || index === this.pinned;
    this.find(".caption").textContent = this.nameOf(index);
    const { ratio } = this.scatter;
    const [x, y] = this.scatter.pixelsOf(position, index).map((pixel) => pixel / ratio);
    const { clientWidth, clientHeight } = this.find(".plot");
    const { offsetWidth, offsetHeight } = tooltip;
    const left = x + 16 + offsetWidth < clientWidth ? x + 16 : x - 16 - offsetWidth;
    tooltip.style.left = `${clamp(left, 0, Math.max(clientWidth - offsetWidth, 0))}px`;
    const top = clamp(y - offsetHeight / 2, 0, Math.max(clientHeight - offsetHeight, 0));
    tooltip.style.top = `${top}px`;
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
    const playing = this.model.get("playing");
    const state = position === data.last && position > 0 ? "At the end," : "Paused at";
    const number = `snapshot ${Math.floor(position) + 1} of ${data.last + 1}`;
    const text = playing
      ? `Playing from ${this.readout(Math.floor(position))}.`
      : `${state} ${this.readout(position)}, ${number}.`;
    const values = this.curves.flatMap((curve) => curve.valuesAt(position));
    const names = data.classes.filter((c) => this.hidden.has(c.label)).map((c) => c.name);
    const hidden = names.length ? ` Hidden: ${names.join(", ")}.` : "";
    const measured = values.length && !playing ? ` ${values.join(", ")}.` : "";
    const status = this.find(".status");
    const words = text + measured + hidden + (playing ? "" : this.describePinned(position));
    if (status.textContent !== words) status.textContent = words; // said again only if it changed
    this.find("canvas").setAttribute(
      "aria-label",
      `Scatter plot of ${data.count} embeddings in ${data.classes.length} classes. ${text}`,
    );
  }

  describePinned(position) {
    const { pinned } = this;
    const { zoom } = this.model.get("view");
    const zoomed = zoom > 1 ? ` Zoomed ${formatted(zoom)} times.` : "";
    if (pinned < 0) return zoomed;
    const neighbors = this.neighborsOf(pinned, position);
    const near = neighbors.filter(({ kind }) => kind === "near").length;
    const wrong = neighbors.filter(({ kind }) => kind === "false").length;
    const among = neighbors.length
      ? `: ${near} of ${this.data.neighbors.k} true neighbours drawn near, ${wrong} false ones`
      : "";
    return `${zoomed} Pinned: point ${pinned}, ${this.nameOf(pinned)}${among}.`;
  }

  remove() {
    clearTimeout(this.describing);
    super.remove();
  }
}

const STYLE = `
.player {
  --negative-text: #b84a00;
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 68%, Canvas));
}
.player.dark { --negative-text: var(--negative); }
.player { display: grid; grid-template-columns: minmax(0, 1fr) 272px; gap: 6px 20px; }
header, .hint, .neighborhood { grid-column: 1 / -1; }
.main { min-width: 0; container: main / inline-size; }
/* As high as it is wide, up to the height asked for: on a narrow page the curves come into view. */
.plot {
  position: relative; width: 100%; aspect-ratio: 1; overflow: hidden;
  border: 1px solid var(--line); border-radius: 3px;
}
canvas {
  position: absolute; inset: 0; width: 100%; height: 100%; touch-action: pan-y; cursor: crosshair;
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
.view-buttons { display: flex; gap: 4px; flex: none; }
.side { min-width: 0; display: flex; flex-direction: column; gap: 6px; }
.legend {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(48px, 1fr)); max-height: 228px;
  overflow-y: auto;
}
.legend:has(.class-name) { grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
.class {
  display: flex; align-items: center; gap: 6px; padding: 0 5px; overflow: hidden;
}
.class[aria-pressed] { border-color: transparent; box-shadow: none; color: inherit; }
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
.honesty { border: 1px solid var(--line); border-radius: 4px; }
.honesty summary {
  display: flex; flex-wrap: wrap; align-items: center; gap: 0 8px; min-height: 44px;
  padding: 4px 10px; cursor: pointer;
}
.meaning { flex: 1 0 100%; font-size: 11px; }
.question {
  width: 18px; height: 18px; border: 1px solid currentColor; border-radius: 9px; font-size: 11px;
  line-height: 16px; text-align: center; color: var(--quiet);
}
.honesty p { padding: 0 10px 10px; color: var(--quiet); }
.trustworthiness { margin-left: auto; font-size: 16px; }
.curves {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 8px 20px;
  align-items: end;
}
.curve { display: grid; grid-template-columns: 48px minmax(0, 1fr); gap: 2px 6px; }
.curve-heading { grid-column: 1 / -1; display: flex; justify-content: space-between; gap: 8px; }
.curve-value { font-weight: 600; font-variant-numeric: tabular-nums; }
.curve-legend {
  grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0 12px; padding-bottom: 4px;
}
.curve-entry { display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; }
.curve-entry svg { width: 22px; height: 8px; }
.curve-entry path { fill: none; stroke-width: 2px; }
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
.axis { text-align: center; font-size: 11px; color: var(--quiet); padding-left: 54px; }
.neighborhood {
  display: grid; gap: 8px; margin-top: 4px; padding: 10px; border: 1px solid var(--line);
  border-radius: 4px;
}
.neighborhood-heading { display: flex; align-items: center; gap: 12px; }
.pinned-picture { flex: none; }
.pinned-words { flex: 1 1 auto; font-size: 13px; }
.pin-buttons { display: flex; gap: 4px; flex: none; }
.pin-buttons button { padding: 0; }
.neighborhood h4 { font-size: 13px; font-weight: 400; color: var(--quiet); margin-bottom: 4px; }
.cards { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 4px; }
.card { padding: 6px 8px; display: grid; justify-items: center; gap: 4px; align-content: start; }
.card-head { display: flex; align-items: center; gap: 5px; font-weight: 600; }
.card-mark { display: flex; }
.card.other-class { border-style: dashed; border-color: var(--negative); }
.card.other-class .card-label { color: var(--negative-text); }
.card-distances {
  display: grid; grid-template-columns: auto auto; gap: 0 6px; font-size: 11px; text-align: left;
}
.card-distances b { text-align: right; font-weight: 600; }
.card-distances span { color: var(--quiet); }
.kind { width: 18px; height: 18px; vertical-align: -4px; overflow: visible; }
.kind path { fill: none; stroke: currentColor; stroke-width: 2px; }
.kind.torn path { stroke-dasharray: 3.5 2.5; }
.status { grid-column: 1 / -1; }
@container (max-width: 719px) {
  .player { grid-template-columns: minmax(0, 1fr); padding: 8px; }
  .axis { padding: 0; }
}
@container (min-width: 1000px) {
  .cards { grid-template-columns: repeat(10, minmax(0, 1fr)); }
}
@container main (max-width: 559px) {
  .controls { flex-wrap: wrap; }
  .scrub { order: 9; flex-basis: 100%; margin: 0; }
  .controls label { margin-left: auto; }
  .view-buttons { order: 10; }
}
@container (max-width: 460px) {
  .cards { grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); }
  .card { padding: 4px; }
  .neighborhood-heading { flex-wrap: wrap; }
  .pinned-words { flex-basis: 60%; }
}
`;

export default { initialize, render };
