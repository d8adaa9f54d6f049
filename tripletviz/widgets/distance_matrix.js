// DistanceMatrix: the distances of one batch, and what a mining strategy makes of them.
//
// Everything is computed here from the embeddings, as tripletviz/triplets.py defines it. Each
// anchor's positives and negatives are sorted once a snapshot; then every margin costs binary
// searches only, and no list of all triplets is ever made.

import {
  BaseView,
  DISTANCE_NAMES,
  ROLE_COLORS,
  Sprite,
  clamp,
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
  roleIcon,
  rolePath,
  setAll,
  wordOf,
} from "./shared.js";

// ---------------------------------------------------------------- distances

// Distances of all pairs, row after row, in float64 from differences: coincident points are at
// distance 0 exactly, and equal differences give equal distances.
export function distancesOf(embeddings, count, dimension, metric) {
  const points = Float64Array.from(embeddings);
  const nonzero = metric === "cosine" ? scaleToUnit(points, count, dimension) : null;
  const distances = new Float64Array(count * count);
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < i; j += 1) {
      let squared = 0;
      for (let k = 0; k < dimension; k += 1) {
        const difference = points[i * dimension + k] - points[j * dimension + k];
        squared += difference * difference;
      }
      let distance = metric === "euclidean" ? Math.sqrt(squared) : squared;
      // Half the squared distance of unit vectors is 1 - cos; a zero vector has no direction.
      if (nonzero) distance = nonzero[i] && nonzero[j] ? 0.5 * squared : 1;
      distances[i * count + j] = distance;
      distances[j * count + i] = distance;
    }
  }
  return distances;
}

// Gives every point length 1, in place, and says which points could be scaled.
function scaleToUnit(points, count, dimension) {
  const nonzero = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) {
    const point = points.subarray(i * dimension, (i + 1) * dimension);
    const largest = point.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest === 0) continue;
    nonzero[i] = 1;
    // Dividing by the largest entry first keeps the squares of huge and tiny entries in range.
    for (let k = 0; k < dimension; k += 1) point[k] /= largest;
    const length = Math.sqrt(point.reduce((sum, value) => sum + value * value, 0));
    for (let k = 0; k < dimension; k += 1) point[k] /= length;
  }
  return nonzero;
}

// ---------------------------------------------------------------- triplets

// How many of the increasing `values` lie below `limit`; `ties`: or at it.
export function rankOf(values, limit, ties = false) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit || (ties && values[middle] === limit)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// For every anchor its positives and its negatives, nearest first, the lower index at a tie.
export function sortBatch(distances, classOf) {
  const count = classOf.length;
  const anchors = Array.from({ length: count }, (_, a) => {
    const row = distances.subarray(a * count, (a + 1) * count);
    const sorted = (isMember) => {
      const members = [];
      for (let i = 0; i < count; i += 1) if (isMember(i)) members.push(i);
      members.sort((i, j) => row[i] - row[j]);
      return { members, distances: Float64Array.from(members, (i) => row[i]) };
    };
    return {
      positives: sorted((i) => i !== a && classOf[i] === classOf[a]),
      negatives: sorted((i) => classOf[i] !== classOf[a]),
    };
  });
  return { count, distances, anchors };
}

// The numbers of valid, easy, semi-hard, hard and active triplets.
export function countTriplets(batch, margin) {
  const counts = { valid: 0, easy: 0, semi_hard: 0, hard: 0, active: 0 };
  for (const { positives, negatives } of batch.anchors) {
    counts.valid += positives.members.length * negatives.members.length;
    for (const distance of positives.distances) {
      const hard = rankOf(negatives.distances, distance, true);
      const active = rankOf(negatives.distances, distance + margin);
      counts.hard += hard;
      counts.active += active;
      // At margin 0 a tie is hard, yet has no loss: the ring is empty then, not negative.
      counts.semi_hard += Math.max(active - hard, 0);
    }
  }
  counts.easy = counts.valid - counts.semi_hard - counts.hard;
  return counts;
}

// What a strategy learns from. `cells` holds for each pair, row after row, the number of its
// triplets that are mined, negative at a pair (anchor, negative); `active` whether one of them has
// a loss. `triplets` lists the mined ones, except those of batch all, which would be a cube.
export function mineTriplets(batch, margin, strategy) {
  const { count } = batch;
  const mined = {
    cells: new Int32Array(count * count),
    active: new Uint8Array(count * count),
    triplets: [],
    mined: 0,
    mined_active: 0,
    loss: 0,
  };
  const total =
    strategy === "batch_all"
      ? mineActive(batch, margin, mined)
      : mineChosen(batch, margin, CHOICES[strategy], mined);
  if (mined.mined) mined.loss = total / mined.mined;
  return mined;
}

// Batch all: the loss of all active triplets holds each distance as often as it is part of one.
function mineActive({ count, anchors }, margin, mined) {
  let total = 0;
  const note = (cell, number, sign) => {
    mined.cells[cell] = sign * number;
    mined.active[cell] = number > 0;
  };
  anchors.forEach(({ positives, negatives }, a) => {
    const thresholds = positives.distances.map((distance) => distance + margin);
    positives.members.forEach((p, rank) => {
      const inside = rankOf(negatives.distances, thresholds[rank]);
      note(a * count + p, inside, 1);
      mined.mined += inside;
      total += inside * thresholds[rank];
    });
    negatives.members.forEach((n, rank) => {
      const distance = negatives.distances[rank];
      const around = thresholds.length - rankOf(thresholds, distance, true);
      note(a * count + n, around, -1);
      total -= around * distance;
    });
  });
  mined.mined_active = mined.mined;
  return total;
}

// The ranks of positive and negative in each triplet that an anchor's miner picks.
const CHOICES = {
  batch_hard: ({ positives, negatives }) => {
    const farthest = positives.distances[positives.distances.length - 1];
    return negatives.members.length && positives.members.length
      ? [[rankOf(positives.distances, farthest), 0]]
      : [];
  },
  batch_semi_hard: ({ positives, negatives }) => {
    const last = negatives.members.length - 1;
    if (last < 0) return [];
    return [...positives.distances].map((distance, rank) => [
      rank,
      Math.min(rankOf(negatives.distances, distance, true), last),
    ]);
  },
};

function mineChosen({ count, anchors }, margin, choose, mined) {
  let total = 0;
  anchors.forEach((anchor, a) => {
    const { positives, negatives } = anchor;
    for (const [positive, negative] of choose(anchor)) {
      const [p, n] = [positives.members[positive], negatives.members[negative]];
      const near = positives.distances[positive];
      const far = negatives.distances[negative];
      const active = far < near + margin;
      total += Math.max(near - far + margin, 0);
      mined.triplets.push([a, p, n]);
      mined.mined += 1;
      mined.mined_active += active;
      for (const [cell, sign] of [[a * count + p, 1], [a * count + n, -1]]) {
        mined.cells[cell] += sign;
        mined.active[cell] |= active;
      }
    }
  });
  return total;
}

// How many of an anchor's negatives are hard, semi-hard and easy beside a positive at `distance`.
export function zonesOf({ negatives }, distance, margin) {
  const hard = rankOf(negatives.distances, distance, true);
  const active = Math.max(rankOf(negatives.distances, distance + margin), hard);
  return { hard, "semi-hard": active - hard, easy: negatives.distances.length - active };
}

// ---------------------------------------------------------------- scales

// Cividis, made to look the same to the colour-blind, at ten places; in between by straight lines.
export const CIVIDIS = [
  "#00224e", "#123570", "#3b496c", "#575d6d", "#707173",
  "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
];

export function cividis(part) {
  const place = clamp(part, 0, 1) * (CIVIDIS.length - 1);
  const before = Math.min(Math.floor(place), CIVIDIS.length - 2);
  const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  const after = channels(CIVIDIS[before + 1]);
  return channels(CIVIDIS[before]).map((value, channel) =>
    Math.round(value + (after[channel] - value) * (place - before)),
  );
}

// The largest of 1, 2, 5, 10, ... that is not above `value`.
function roundStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [5, 2, 1].find((factor) => factor * power <= value * (1 + 1e-9));
}

// Round numbers from 0 to `limit`, `most` at most.
export function ticksOf(limit, most) {
  if (!(limit > 0)) return [0];
  let step = roundStep(limit);
  for (let finer = step; limit / finer < most; finer = roundStep(finer * 0.6)) step = finer;
  const count = Math.floor(limit / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

// The lanes of marks that stand `width` apart at increasing places `xs`: the first that is free,
// or, where all `lanes` are taken, the one that is left first.
export function stackLanes(xs, width, lanes) {
  const ends = Array(lanes).fill(-Infinity);
  return xs.map((x) => {
    let lane = ends.findIndex((end) => end <= x);
    if (lane < 0) lane = ends.indexOf(Math.min(...ends));
    ends[lane] = x + width;
    return lane;
  });
}

// ---------------------------------------------------------------- the data

function readBatch(model) {
  const [snapshots, count, dimension] = model.get("_shape");
  const classOf = intsOf(model.get("_class_of"));
  // Sorted by class, in the order of the batch within one. `rank` leads back to the row.
  const order = [...classOf.keys()].sort((i, j) => classOf[i] - classOf[j]);
  const rank = [];
  order.forEach((index, row) => (rank[index] = row));
  const largest = model.get("_largest");
  return {
    embeddings: floatsOf(model.get("_embeddings")),
    snapshots,
    count,
    dimension,
    classOf,
    order,
    rank,
    runs: findRuns(order, classOf),
    classes: model.get("_classes"),
    steps: model.get("_steps"),
    metric: model.get("_metric"),
    largest: largest > 0 ? largest : 1, // all points in one place, always
    sorted: new Map(),
  };
}

// The rows of each class, one after the other: class, first row, and the row after the last.
function findRuns(order, classOf) {
  const runs = [];
  order.forEach((index, row) => {
    const k = classOf[index];
    if (runs.at(-1)?.k !== k) runs.push({ k, start: row });
    runs.at(-1).end = row + 1;
  });
  return runs;
}

// The sorted distances of one snapshot, kept: a reader goes back and forth in time.
function batchAt(data, position) {
  const { embeddings, count, dimension, metric, classOf, sorted } = data;
  if (!sorted.has(position)) {
    const size = count * dimension;
    const points = embeddings.subarray(position * size, (position + 1) * size);
    sorted.set(position, sortBatch(distancesOf(points, count, dimension, metric), classOf));
  }
  return sorted.get(position);
}

// ---------------------------------------------------------------- the matrix

const GUTTER = 16; // for the words along an edge, in CSS pixels
const BAR = 20; // width of the bar of classes
const GAP = 3; // between bar, pictures and cells
const SMALLEST_PICTURE = 11; // below this a digit is a smudge, and is left out
const LEVELS = 6; // sizes of a mark
const BATCH_ALL = "batch_all";

class Matrix {
  constructor(canvas, data) {
    this.canvas = canvas;
    this.data = data;
    // The pixels are made by the processor; a canvas in graphics memory would only cost copies.
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.table = Uint32Array.from({ length: 256 }, (_, i) => wordOf(cividis(i / 255)));
    this.sheet = null;
  }

  // Cells are whole pixels wide: else some would be wider than others.
  resize(width, theme) {
    const { count } = this.data;
    this.theme = theme;
    this.ratio = pixelRatio();
    const edge = Math.round((GUTTER + BAR + GAP) * this.ratio);
    const room = Math.floor(width * this.ratio) - edge;
    const gap = Math.round(GAP * this.ratio);
    const withPictures = Math.floor((room - gap) / (count + 1));
    this.pictured = this.sheet !== null && withPictures >= SMALLEST_PICTURE * this.ratio;
    // A batch of three need not fill the page.
    const most = Math.round(64 * this.ratio);
    this.cell = clamp(this.pictured ? withPictures : Math.floor(room / count), 1, most);
    this.origin = edge + (this.pictured ? this.cell + gap : 0);
    this.extent = this.cell * count;
    const side = this.origin + this.extent + Math.ceil(2 * this.ratio);
    this.canvas.width = side;
    this.canvas.height = side;
    this.canvas.style.width = `${side / this.ratio}px`;
    this.canvas.style.height = `${side / this.ratio}px`;
    this.image = this.context.createImageData(this.extent, this.extent);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.painted = undefined;
    this.makeEdges();
    this.makeStamps();
  }

  // ---- edges

  makeEdges() {
    const { width, height } = this.canvas;
    this.edges = new OffscreenCanvas(width, height);
    const pen = this.edges.getContext("2d");
    pen.fillStyle = this.theme.background;
    pen.fillRect(0, 0, width, height);
    // The left edge is the upper one, mirrored at the diagonal.
    for (const upright of [true, false]) {
      this.data.runs.forEach((run) => this.paintBar(pen, run, upright));
      if (this.pictured) this.paintPictures(pen, upright);
    }
    this.paintWords(pen);
  }

  paintBar(pen, { k, start, end }, upright) {
    const { ratio, cell, origin } = this;
    const { mark, color } = this.data.classes[k];
    const at = origin + start * cell;
    const long = (end - start) * cell;
    const wide = BAR * ratio;
    const near = GUTTER * ratio;
    const rectangle = (a, b, c, d) => pen.fillRect(...(upright ? [a, b, c, d] : [b, a, d, c]));
    const line = Math.round(3 * ratio);
    const space = long > 4 * ratio ? ratio : 0;
    pen.fillStyle = `rgb(${this.theme.markColor(color)})`;
    pen.globalAlpha = 0.3;
    rectangle(at + space / 2, near, long - space, wide);
    pen.globalAlpha = 1;
    rectangle(at + space / 2, near + wide - line, long - space, line);
    pen.font = `700 ${12 * ratio}px ${this.theme.font}`;
    if (pen.measureText(mark).width > (upright ? long : wide) || long < 11 * ratio) return;
    pen.fillStyle = this.theme.foreground;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const middle = [at + long / 2, near + (wide - line) / 2];
    pen.fillText(mark, ...(upright ? middle : middle.reverse()));
  }

  // Dark ink on white, as in the figures, whatever the theme.
  paintPictures(pen, upright) {
    const { cell, origin } = this;
    const near = origin - Math.round(GAP * this.ratio) - cell;
    this.data.order.forEach((index, row) => {
      const at = origin + row * cell;
      const [x, y] = upright ? [at, near] : [near, at];
      pen.drawImage(this.sheet, ...this.partOf(index), x, y, cell, cell);
    });
    pen.globalCompositeOperation = "difference";
    pen.fillStyle = "white";
    const { extent } = this;
    pen.fillRect(...(upright ? [origin, near, extent, cell] : [near, origin, cell, extent]));
    pen.globalCompositeOperation = "source-over";
  }

  partOf(index) {
    const { height, width, columns } = this.layout;
    return [(index % columns) * width, Math.floor(index / columns) * height, width, height];
  }

  paintWords(pen) {
    const { ratio, origin, extent } = this;
    pen.font = `${11 * ratio}px ${this.theme.font}`;
    pen.fillStyle = this.theme.foreground;
    pen.globalAlpha = 0.8;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const place = [origin + extent / 2, (GUTTER * ratio) / 2 - ratio];
    const write = (texts, x, y) => {
      const fitting = texts.find((text) => pen.measureText(text).width <= extent);
      if (fitting) pen.fillText(fitting, x, y);
    };
    write(["columns: their positives and negatives", "positives, negatives"], ...place);
    pen.rotate(-Math.PI / 2);
    write(["rows: anchors", "anchors"], -place[0], place[1]);
    pen.resetTransform();
    pen.globalAlpha = 1;
  }

  // ---- marks

  // Where many cells are marked a mark stays within its own; a lone one may reach beyond.
  makeStamps() {
    const { cell, ratio } = this;
    const made = (least) => {
      const radius = Math.max(0.34 * cell, least * ratio);
      const stampsOf = (role, filled) =>
        Array.from({ length: LEVELS + 1 }, (_, level) =>
          level ? this.makeStamp(role, filled, radius * (0.45 + (0.55 * level) / LEVELS)) : null,
        );
      return {
        positive: [stampsOf("positive", false), stampsOf("positive", true)],
        negative: [stampsOf("negative", false), stampsOf("negative", true)],
      };
    };
    this.stamps = { dense: made(1.2), sparse: made(2.6) };
    this.itself = cell >= 9 * ratio ? this.makeStamp("anchor", true, 0.2 * cell) : null;
  }

  // The pixels of one mark: a white rim parts it from the cells, of whatever colour they are.
  makeStamp(role, filled, radius) {
    const { cell, ratio } = this;
    const rim = clamp(0.1 * cell, 0.8 * ratio, 1.5 * ratio);
    const pad = Math.max(Math.ceil(radius + rim - cell / 2), 0) + 1;
    const side = cell + 2 * pad;
    const pen = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
    const fill = (color, size) => {
      pen.fillStyle = color;
      pen.fill(new Path2D(rolePath(role, size)));
    };
    pen.translate(side / 2, side / 2);
    if (role !== "anchor") fill("white", radius + rim);
    fill(role === "anchor" ? this.theme.foreground : ROLE_COLORS[role], radius);
    if (!filled) fill("white", 0.55 * radius);
    const { data } = pen.getImageData(0, 0, side, side);
    const stamp = { dx: [], dy: [], alpha: [], word: [] };
    for (let i = 0; i < side * side; i += 1) {
      const [red, green, blue, alpha] = data.subarray(4 * i, 4 * i + 4);
      if (alpha < 8) continue;
      stamp.dx.push((i % side) - pad);
      stamp.dy.push(Math.floor(i / side) - pad);
      stamp.alpha.push(alpha + (alpha >> 7)); // 256 is whole
      stamp.word.push(wordOf([red, green, blue]));
    }
    return stamp;
  }

  stampMark({ dx, dy, alpha, word }, left, top, pixels = this.pixels) {
    const { extent } = this;
    for (let i = 0; i < dx.length; i += 1) {
      const x = left + dx[i];
      const y = top + dy[i];
      if (x < 0 || y < 0 || x >= extent || y >= extent) continue;
      const at = y * extent + x;
      const cover = alpha[i];
      const keep = 256 - cover;
      const under = pixels[at];
      const over = word[i];
      // Red and blue in one word, green in another: two multiplications blend three channels.
      pixels[at] =
        0xff000000 |
        ((((under & 0xff00ff) * keep + (over & 0xff00ff) * cover) >>> 8) & 0xff00ff) |
        ((((under & 0x00ff00) * keep + (over & 0x00ff00) * cover) >>> 8) & 0x00ff00);
    }
  }

  stampMarks({ batch, mined, strategy, anchor }) {
    const { order, rank, count } = this.data;
    const { cell } = this;
    const rows = anchor < 0 ? order.keys() : [rank[anchor]];
    const all = strategy === BATCH_ALL;
    const stamps = this.stamps[all ? "dense" : "sparse"];
    for (const row of rows) {
      const a = order[row];
      const { positives, negatives } = batch.anchors[a];
      for (let column = 0; column < count; column += 1) {
        const at = a * count + order[column];
        const number = mined.cells[at];
        if (number === 0) continue;
        const most = (number > 0 ? negatives : positives).members.length;
        const level = all ? Math.ceil((LEVELS * Math.abs(number)) / most) : LEVELS;
        const stamp = stamps[number > 0 ? "positive" : "negative"][mined.active[at]][level];
        this.stampMark(stamp, column * cell, row * cell);
      }
    }
  }

  // ---- painting

  paint(state) {
    const { context, origin } = this;
    this.paintCells(state);
    this.pixels.set(this.cells);
    this.stampMarks(state);
    context.drawImage(this.edges, 0, 0);
    context.putImageData(this.image, origin, origin);
    if (state.anchor >= 0) this.paintAnchor(this.data.rank[state.anchor]);
    if (state.hovered.length) this.paintHovered(...state.hovered.map((i) => this.data.rank[i]));
  }

  // The bare cells of one snapshot, kept while marks come and go. On the diagonal is the anchor.
  paintCells({ position, batch }) {
    if (this.painted === position) return;
    this.painted = position;
    const { count, order, largest, runs } = this.data;
    const { cell, extent, theme } = this;
    const cells = new Uint32Array(extent * extent);
    const line = cell >= 4 ? Math.max(1, Math.round(this.ratio / 2)) : 0;
    const parted = new Set(runs.slice(1).map(({ start }) => start));
    for (let row = 0; row < count; row += 1) {
      const top = row * cell * extent;
      for (let column = 0; column < count; column += 1) {
        const distance = batch.distances[order[row] * count + order[column]];
        const word =
          row === column
            ? theme.backgroundWord
            : this.table[Math.min(Math.round((255 * distance) / largest), 255)];
        const left = top + column * cell;
        cells.fill(word, left, left + cell);
        if (parted.has(column)) cells.fill(theme.backgroundWord, left, left + line);
      }
      for (let y = 1; y < cell; y += 1) cells.copyWithin(top + y * extent, top, top + extent);
      if (parted.has(row)) cells.fill(theme.backgroundWord, top, top + line * extent);
    }
    for (let row = 0; this.itself && row < count; row += 1) {
      this.stampMark(this.itself, row * cell, row * cell, cells);
    }
    this.cells = cells;
  }

  // One anchor's row, the others veiled, and its diamond before it.
  paintAnchor(row) {
    const { context: pen, origin, cell, extent, ratio, theme } = this;
    const top = origin + row * cell;
    pen.fillStyle = theme.background;
    pen.globalAlpha = 0.3;
    pen.fillRect(origin, origin, extent, row * cell);
    pen.fillRect(origin, top + cell, extent, extent - (row + 1) * cell);
    pen.globalAlpha = 1;
    const line = Math.round(2 * ratio);
    const start = this.pictured ? origin - cell - line : origin;
    pen.strokeStyle = theme.foreground;
    pen.lineWidth = line;
    pen.strokeRect(start, top - line / 2, origin + extent - start + line / 2, cell + line);
    // In the place of the word "anchors".
    pen.fillStyle = theme.background;
    pen.fillRect(0, origin, GUTTER * ratio - 1, extent);
    pen.save();
    pen.translate((GUTTER * ratio) / 2 - ratio, top + cell / 2);
    pen.fillStyle = theme.foreground;
    pen.fill(new Path2D(rolePath("anchor", 5 * ratio)));
    pen.restore();
  }

  paintHovered(row, column) {
    const { context: pen, origin, cell, ratio } = this;
    const left = origin + column * cell;
    const top = origin + row * cell;
    const grow = 1.5 * ratio;
    const frame = (x, y, wide, high) => {
      for (const [color, width] of [["black", 4], ["white", 2]]) {
        pen.strokeStyle = color;
        pen.lineWidth = width * ratio;
        pen.strokeRect(x - grow, y - grow, wide + 2 * grow, high + 2 * grow);
      }
    };
    frame(left, top, cell, cell);
    const start = (GUTTER + BAR) * ratio;
    pen.fillStyle = this.theme.foreground;
    pen.fillRect(left, start, cell, 2 * ratio);
    pen.fillRect(start, top, 2 * ratio, cell);
  }

  // The row and column at a place given in CSS pixels; a column below 0 lies on the edge.
  cellAt(x, y) {
    const at = (place) => Math.floor((place * this.ratio - this.origin) / this.cell);
    return [at(y), at(x)];
  }
}

// ---------------------------------------------------------------- one anchor on a line

const LEFT = 26; // where distance 0 is, in CSS pixels: room for the anchor
const RIGHT = 16;
const LANES = { positive: 3, negative: 6 };
const CATEGORIES = ["hard", "semi-hard", "easy"];

// All distances from one anchor on a line: positives above, negatives below, and the zones that a
// positive and the margin mark out for the negatives.
class Line {
  constructor(root, data, sprite) {
    this.root = root;
    this.data = data;
    this.sprite = sprite;
    this.pictured = !sprite.empty && data.count <= 64;
    this.size = this.pictured ? 22 : 11;
    this.reaches = new Map();
    this.layer = make("div", "items");
    this.links = makeSvg("svg", { class: "links", "aria-hidden": "true" });
    this.zones = CATEGORIES.map((name) => {
      const zone = make("div", `zone ${name}`);
      zone.append(make("span", "zone-name", name));
      return zone;
    });
    this.axis = make("div", "axis");
    this.origin = make("div", "origin");
    this.origin.innerHTML = roleIcon("anchor");
    root.append(...this.zones, this.axis, this.links, this.layer, this.origin);
    this.ticks = make("div", "ticks");
    root.append(this.ticks);
  }

  // How far the line reaches: to the anchor's farthest companion in any snapshot, so that marks
  // move over time and the scale does not.
  reachOf(anchor) {
    const { snapshots, count } = this.data;
    if (!this.reaches.has(anchor)) {
      let reach = 0;
      for (let s = 0; s < snapshots; s += 1) {
        const { distances } = batchAt(this.data, s);
        for (let i = 0; i < count; i += 1) reach = Math.max(reach, distances[anchor * count + i]);
      }
      this.reaches.set(anchor, reach || 1);
    }
    return this.reaches.get(anchor);
  }

  toX(distance) {
    return LEFT + ((this.width - LEFT - RIGHT) * distance) / this.reach;
  }

  show({ anchor, batch, mined, margin, ring }) {
    this.width = this.root.clientWidth;
    this.reach = this.reachOf(anchor);
    this.place(anchor, batch.anchors[anchor]);
    this.mark(anchor, mined);
    this.showZones(ring, margin);
    this.showLinks(anchor, mined);
    this.showTicks();
  }

  // Gives every companion its place; they are made once for each anchor.
  place(anchor, sides) {
    if (this.anchor !== anchor) {
      this.anchor = anchor;
      this.items = new Map();
      for (const role of ["positive", "negative"]) {
        for (const index of sides[`${role}s`].members) {
          this.items.set(index, this.makeItem(index, role));
        }
      }
      this.layer.replaceChildren(...[...this.items.values()].map(({ element }) => element));
    }
    const step = this.size + 2;
    this.middle = LANES.positive * step + 4;
    this.bottom = this.middle + LANES.negative * step + 6;
    for (const role of ["positive", "negative"]) {
      const { members, distances } = sides[`${role}s`];
      const xs = [...distances].map((distance) => this.toX(distance));
      const lanes = stackLanes(xs, this.size + 1, LANES[role]);
      members.forEach((index, i) => {
        const item = this.items.get(index);
        const away = 4 + step * lanes[i] + this.size / 2;
        item.x = xs[i];
        item.y = this.middle + (role === "positive" ? -away : away);
        const left = item.x - this.size / 2;
        item.element.style.transform = `translate(${left}px, ${item.y - this.size / 2}px)`;
      });
    }
    this.root.style.height = `${this.bottom + 34}px`;
    setAll(this.links, { width: this.width, height: this.bottom });
    this.axis.style.top = `${this.middle}px`;
    this.origin.style.transform = `translate(${LEFT - 8}px, ${this.middle - 8}px)`;
  }

  makeItem(index, role) {
    const element = make("div", `item ${role}`);
    element.style.width = `${this.size}px`;
    element.style.height = `${this.size}px`;
    if (this.pictured) element.append(this.sprite.make(index, this.size - 4));
    return { element, role };
  }

  mark(anchor, { cells, active }) {
    const { count } = this.data;
    for (const [index, { element }] of this.items) {
      const at = anchor * count + index;
      element.classList.toggle("mined", cells[at] !== 0);
      element.classList.toggle("active", active[at] === 1);
    }
  }

  showZones(ring, margin) {
    const end = this.width;
    const near = ring === null ? LEFT : this.toX(ring);
    const far = ring === null ? LEFT : Math.min(this.toX(ring + margin), end);
    const bounds = [[LEFT, near], [near, far], [far, end]];
    this.zones.forEach((zone, i) => {
      const [left, right] = bounds[i].map((x) => Math.min(x, end));
      zone.hidden = ring === null;
      zone.style.left = `${left}px`;
      zone.style.width = `${right - left}px`;
      zone.style.top = `${this.middle}px`;
      zone.style.height = `${this.bottom - this.middle}px`;
    });
    this.showZoneNames((near + far) / 2, near, far);
  }

  // The ring is thin as a rule, and its name goes first: the others give way.
  showZoneNames(middle, near, far) {
    const half = 30;
    const ring = clamp(middle, half, this.width - half);
    const [hard, semi, easy] = this.zones.map((zone) => zone.firstChild);
    semi.style.transform = `translateX(calc(${ring - near}px - 50%))`;
    const hardRight = Math.min(near, ring - half);
    hard.style.transform = `translateX(calc(${(LEFT + hardRight) / 2 - LEFT}px - 50%))`;
    hard.hidden = hardRight - LEFT < 32;
    const easyLeft = Math.max(far, ring + half);
    easy.style.transform = `translateX(calc(${(easyLeft + this.width) / 2 - far}px - 50%))`;
    easy.hidden = this.width - easyLeft < 34;
  }

  // From each positive to the negative it was given; batch all takes too many to draw.
  showLinks(anchor, { triplets }) {
    const paths = triplets.filter(([a]) => a === anchor).map(([, p, n]) => {
      const [from, to] = [this.items.get(p), this.items.get(n)];
      return makeSvg("path", { d: `M${from.x} ${from.y}L${to.x} ${to.y}` });
    });
    this.links.replaceChildren(...paths);
  }

  showTicks() {
    const most = Math.max(2, Math.floor((this.width - LEFT - RIGHT) / 44));
    const labels = ticksOf(this.reach, most).map((value) => {
      const label = make("span", "", value);
      label.style.left = `${this.toX(value)}px`;
      return label;
    });
    this.ticks.style.top = `${this.bottom + 18}px`;
    this.ticks.replaceChildren(...labels);
  }

  // The companion nearest to a place in CSS pixels, within reach, or -1.
  nearest(x, y, reach) {
    let best = -1;
    let least = reach;
    for (const [index, item] of this.items ?? []) {
      const away = Math.hypot(item.x - x, item.y - y);
      if (away < least) [best, least] = [index, away];
    }
    return best;
  }
}

// ---------------------------------------------------------------- the view

const NAMES = {
  batch_all: "batch all",
  batch_hard: "batch hard",
  batch_semi_hard: "semi-hard",
};
const RULES = {
  batch_all: "Every positive triplet, that is, with a loss above 0. " +
    "The larger a mark, the more of its pair’s triplets are positive.",
  batch_hard: "Of each anchor the farthest positive and the nearest negative. " +
    "Filled: loss above 0; hollow: loss 0.",
  batch_semi_hard: "For each anchor and positive the nearest negative that is farther than the " +
    "positive; if there is none, the farthest. Filled: loss above 0; hollow: loss 0.",
};

const TEMPLATE = `
<section class="widget matrix" tabindex="0" role="group">
  <header><h3 class="title"></h3><span class="readout"></span></header>
  <p class="hint quiet">Every cell is the distance of two digits of one batch. Choose a strategy,
    drag the margin, and click a row to follow that anchor.</p>
  <div class="choose">
    <div class="controls">
      <label>Strategy <select class="strategy"></select></label>
      <label class="margin-label" title="plus and minus">Margin
        <input class="margin" type="range" min="0"><output class="margin-value number"></output>
      </label>
    </div>
    <div class="shares" aria-hidden="true"></div>
    <dl class="figures"></dl>
    <p class="outcome"></p>
    <p class="rule"><span class="marks"><span class="mark">${roleIcon("anchor")} anchor</span>
      <span class="mark positive">${roleIcon("positive")}
      positive</span> <span class="mark negative">${roleIcon("negative")} negative</span></span>
      <span class="rule-text quiet"></span></p>
  </div>
  <div class="main">
    <div class="field"><canvas class="cells" role="img"></canvas></div>
    <div class="scale"><div class="scale-bar"></div><div class="scale-needle" hidden></div>
      <div class="scale-ticks"></div><div class="scale-name"></div></div>
    <div class="controls time">
      <button class="back" title="Step back (left arrow)"
        aria-label="Step back">${icon("back")}</button>
      <button class="forward" title="Step forward (right arrow)"
        aria-label="Step forward">${icon("forward")}</button>
      <input class="scrub" type="range" min="0" step="1" aria-label="Training step">
    </div>
  </div>
  <div class="side">
    <div class="pair">
      <p class="pair-none quiet">Point at a cell to see its two digits and their distance.</p>
      <div class="pair-some" hidden>
        <figure><div class="row-picture"></div><figcaption>row</figcaption></figure>
        <div class="pair-text"><div class="pair-distance number"></div><div class="pair-kind"></div>
          <div class="pair-mined quiet"></div></div>
        <figure><div class="column-picture"></div><figcaption>column</figcaption></figure>
      </div>
    </div>
    <div class="line">
      <div class="line-head"><div class="anchor-picture" hidden></div><p class="line-text"></p>
        <button class="all" title="Back to all anchors (a)">All anchors</button></div>
      <div class="track" role="img"></div>
      <div class="line-name"></div>
    </div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "distance-matrix", STYLE, TEMPLATE, View);

const grouped = (number) => number.toLocaleString("en-US");

// A few triplets among thousands are not none, and not all but a few are not all.
export function percent(part, whole) {
  if (!whole) return "–";
  const share = (100 * part) / whole;
  if (part && share < 0.05) return "< 0.1 %";
  if (part < whole && share >= 99.95) return "> 99.9 %";
  return `${share.toFixed(1)} %`;
}

const plural = (number, one, many) => `${grouped(number)} ${number === 1 ? one : many}`;

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.data = readBatch(model);
    this.sprite = new Sprite(model);
    this.matrix = new Matrix(this.find(".cells"), this.data);
    this.line = new Line(this.find(".track"), this.data, this.sprite);
    this.build();
    this.listen();
    this.update();
  }

  // ---- building

  build() {
    const { data } = this;
    const only = data.snapshots === 1;
    this.find(".scrub").max = data.snapshots - 1;
    this.find(".time").hidden = only;
    this.find(".readout").hidden = only && data.steps.length === 0;
    this.find(".strategy").append(
      ...Object.entries(NAMES).map(([value, name]) => new Option(name, value)),
    );
    this.find(".line-name").textContent = `${DISTANCE_NAMES[data.metric]} from the anchor`;
    this.buildMargin();
    this.buildFigures();
    this.buildScale();
    this.loadPictures();
  }

  // To a third of the largest distance: beyond that nearly every triplet is active.
  buildMargin() {
    const third = this.data.largest / 3;
    const digit = 10 ** Math.floor(Math.log10(third));
    const max = Number((Math.ceil(third / digit) * digit).toPrecision(1));
    this.margins = { max, step: roundStep(max / 250) };
    this.find(".margin").step = this.margins.step;
  }

  buildFigures() {
    this.parts = {};
    for (const name of ["valid", ...CATEGORIES]) {
      const term = make("dt", name);
      const value = make("dd", "number");
      const share = make("dd", "number share");
      term.append(make("span", "swatch"), name);
      const group = make("div", "figure");
      group.append(term, value, share);
      this.find(".figures").append(group);
      const part = make("div", name);
      if (name !== "valid") this.find(".shares").append(part);
      this.parts[name] = { value, share, part };
    }
  }

  buildScale() {
    const { largest, metric } = this.data;
    const colors = Array.from({ length: 19 }, (_, i) => `rgb(${cividis(i / 18)})`);
    this.find(".scale-bar").style.background = `linear-gradient(to right, ${colors})`;
    const scales = this.data.snapshots === 1 ? "" : ", one scale for all steps";
    this.find(".scale-name").textContent = DISTANCE_NAMES[metric] + scales;
    for (const value of ticksOf(largest, 6)) {
      const label = make("span", "", value);
      label.style.left = `${(100 * value) / largest}%`;
      this.find(".scale-ticks").append(label);
    }
  }

  loadPictures() {
    this.undo.push(() => this.sprite.remove());
    if (this.sprite.empty) return;
    this.matrix.layout = this.sprite.layout;
    let gone = false;
    this.undo.push(() => (gone = true));
    this.sprite.load().then(
      (image) => {
        if (gone) return;
        this.matrix.sheet = image;
        if (this.matrix.theme) this.resize();
      },
      (error) => {
        if (!gone) throw error;
      },
    );
  }

  // ---- listening

  listen() {
    this.follow(["position", "margin", "anchor", "hovered", "strategy"], () => this.repaint());
    this.follow("title", () => this.update());
    this.follow("size", () => this.matrix.theme && this.resize());
    this.on(this.find(".margin"), "input", (e) => this.sendSoon("margin", e.target.valueAsNumber));
    this.on(this.find(".scrub"), "input", (e) => this.sendSoon("position", e.target.valueAsNumber));
    this.on(this.find(".strategy"), "change", (e) => this.send("strategy", e.target.value));
    this.on(this.find(".back"), "click", () => this.step(-1));
    this.on(this.find(".forward"), "click", () => this.step(1));
    this.on(this.find(".all"), "click", () => this.send("anchor", -1));
    this.listenToKeys();
    this.listenToCells();
    this.listenToLine();
    this.onLook(this.find(".field"), () => this.resize());
  }

  // A slider keeps its own arrow keys.
  listenToKeys() {
    const arrow = (along, rows, columns) => (event) => {
      if (event.target.matches("input")) return false;
      return event.shiftKey ? this.moveCell(rows, columns) : along();
    };
    this.onKeys({
      ArrowLeft: arrow(() => this.step(-1), 0, -1),
      ArrowRight: arrow(() => this.step(1), 0, 1),
      ArrowUp: arrow(() => this.moveAnchor(-1), -1, 0),
      ArrowDown: arrow(() => this.moveAnchor(1), 1, 0),
      Home: (event) => (event.target.matches("input") ? false : this.seek(0)),
      End: (event) => (event.target.matches("input") ? false : this.seek(Infinity)),
      "+": () => this.moveMargin(1),
      "=": () => this.moveMargin(1),
      "-": () => this.moveMargin(-1),
      a: () => this.send("anchor", -1),
    });
  }

  listenToCells() {
    const cells = this.find(".cells");
    const { order, count } = this.data;
    const placeOf = (event) => this.matrix.cellAt(...pointIn(cells, event));
    const inside = (place) => place >= 0 && place < count;
    const point = (event) => {
      const [row, column] = placeOf(event);
      this.hover(inside(row) && inside(column) ? [order[row], order[column]] : []);
    };
    let released = false; // whether this press gave up the anchor
    this.onDrag(cells, (event, isFirst) => {
      const [row, column] = placeOf(event);
      if (isFirst) {
        released = column < 0 && order[row] === this.model.get("anchor");
        if (event.pointerType === "touch") point(event);
        if (released) this.send("anchor", -1);
        if (!inside(row)) released = true; // on the upper edge: not a row
      }
      if (!released) this.choose(order[clamp(row, 0, count - 1)]);
    });
    this.on(cells, "pointermove", point);
    // What a finger found stays when it lifts: it has covered the cell until then.
    this.on(cells, "pointerleave", (e) => e.pointerType !== "touch" && this.hover([]));
  }

  listenToLine() {
    const track = this.find(".track");
    const point = (event) => {
      const anchor = this.model.get("anchor");
      if (anchor < 0) return;
      const reach = event.pointerType === "touch" ? 24 : 14;
      const index = this.line.nearest(...pointIn(track, event), reach);
      this.hover(index < 0 ? [] : [anchor, index]);
    };
    this.on(track, "pointermove", point);
    this.on(track, "pointerdown", point);
    this.on(track, "pointerleave", (e) => e.pointerType !== "touch" && this.hover([]));
  }

  // ---- acting

  get position() {
    return clamp(this.model.get("position"), 0, this.data.snapshots - 1);
  }

  seek(position) {
    this.sendSoon("position", clamp(position, 0, this.data.snapshots - 1));
  }

  step(direction) {
    this.seek(this.position + direction);
  }

  choose(anchor) {
    if (anchor !== this.model.get("anchor")) this.sendSoon("anchor", anchor);
  }

  hover(cell) {
    if (String(cell) !== String(this.model.get("hovered"))) this.sendSoon("hovered", cell);
  }

  moveAnchor(direction) {
    const { order, rank, count } = this.data;
    const anchor = this.model.get("anchor");
    const from = anchor < 0 ? (direction > 0 ? -1 : count) : rank[anchor];
    this.choose(order[clamp(from + direction, 0, count - 1)]);
  }

  // From the anchor's own cell, or the first, if none is inspected yet.
  moveCell(rows, columns) {
    const { order, rank, count } = this.data;
    const start = Math.max(this.model.get("anchor"), 0);
    const [row, column] = this.model.get("hovered");
    const moved = (index, by) => order[clamp(rank[index ?? start] + by, 0, count - 1)];
    this.hover([moved(row, rows), moved(column, columns)]);
  }

  moveMargin(direction) {
    const { step } = this.margins;
    const margin = Math.max(this.model.get("margin") + 5 * step * direction, 0);
    this.sendSoon("margin", Number(margin.toPrecision(6)));
  }

  // ---- showing

  update() {
    const title = this.model.get("title");
    this.root.setAttribute("aria-label", title || "Distance matrix");
    this.find(".title").textContent = title;
    this.repaint();
  }

  resize() {
    const size = this.model.get("size");
    this.root.style.setProperty("--size", `${size}px`);
    const room = this.find(".field").clientWidth;
    this.matrix.resize(Math.min(room, size), readTheme(this.root));
    const { origin, extent, ratio } = this.matrix;
    this.root.style.setProperty("--edge", `${origin / ratio}px`);
    this.root.style.setProperty("--extent", `${extent / ratio}px`);
    this.paint(); // at once: a resized canvas is empty
  }

  // All that the traits say, worked out: what is painted and what is told.
  readState() {
    const { model, position } = this;
    const [margin, strategy, anchor] = ["margin", "strategy", "anchor"].map((n) => model.get(n));
    const batch = batchAt(this.data, position);
    return {
      position,
      margin,
      strategy,
      anchor,
      hovered: model.get("hovered"),
      batch,
      counts: countTriplets(batch, margin),
      mined: mineTriplets(batch, margin, strategy),
    };
  }

  paint() {
    if (!this.matrix.theme) return;
    const state = this.readState();
    this.matrix.paint(state);
    this.showControls(state);
    this.showCounts(state);
    this.showPair(state);
    this.showLine(state);
    const words = this.describe(state);
    this.say(words);
    this.find(".cells").setAttribute("aria-label", `Matrix of distances. ${words}`);
  }

  showControls({ position, margin, strategy }) {
    const slider = this.find(".margin");
    slider.max = Math.max(this.margins.max, margin);
    slider.value = margin;
    slider.setAttribute("aria-valuetext", formatted(margin));
    this.find(".margin-value").textContent = formatted(margin);
    this.find(".strategy").value = strategy;
    this.find(".rule-text").textContent = RULES[strategy];
    const readout = this.readout(position);
    this.find(".readout").textContent = readout;
    const scrub = this.find(".scrub");
    scrub.value = position;
    scrub.setAttribute("aria-valuetext", readout);
    this.find(".back").disabled = position === 0;
    this.find(".forward").disabled = position === this.data.snapshots - 1;
  }

  readout(position) {
    const { steps, snapshots } = this.data;
    return steps.length ? `step ${steps[position]}` : `snapshot ${position + 1} of ${snapshots}`;
  }

  showCounts({ counts, mined, strategy }) {
    for (const [name, { value, share, part }] of Object.entries(this.parts)) {
      const number = counts[name.replace("-", "_")];
      value.textContent = grouped(number);
      share.textContent = name === "valid" ? "" : percent(number, counts.valid);
      part.style.flexGrow = number;
      part.hidden = number === 0;
    }
    const [active, share] = [grouped(counts.active), percent(counts.active, counts.valid)];
    this.find(".outcome").textContent =
      `Loss of ${NAMES[strategy]}: ${formatted(mined.loss)}, the mean over ` +
      (strategy === BATCH_ALL
        ? `the ${active} positive triplets (loss above 0; ${share} of the valid ones).`
        : `the ${plural(mined.mined, "triplet", "triplets")} picked; ` +
          `${grouped(mined.mined_active)} of them with a loss above 0.`);
  }

  // ---- one cell

  showPair({ hovered, batch, mined, strategy }) {
    const none = hovered.length === 0;
    this.find(".pair-none").hidden = !none;
    this.find(".pair-some").hidden = none;
    this.find(".scale-needle").hidden = none || hovered[0] === hovered[1];
    if (none) return;
    const [a, i] = hovered;
    const distance = batch.distances[a * this.data.count + i];
    this.find(".scale-needle").style.left = `${(100 * distance) / this.data.largest}%`;
    this.showItem(this.find(".row-picture"), a, 56);
    this.showItem(this.find(".column-picture"), i, 56);
    this.find(".pair-distance").textContent = `distance ${formatted(distance)}`;
    this.find(".pair-kind").innerHTML = "";
    const role = this.roleOf(a, i);
    if (role !== "anchor") this.find(".pair-kind").innerHTML = roleIcon(role);
    this.find(".pair-kind").append(` ${this.kindOf(a, i)}`);
    this.find(".pair-kind").className = `pair-kind mark ${role}`;
    this.find(".pair-mined").textContent = this.shareOf(a, i, batch, mined, strategy);
  }

  // A picture, or the digit in its class's colour.
  showItem(element, index, size) {
    if (!this.sprite.empty) {
      this.sprite.place(element, index, size);
      return;
    }
    const { mark, color } = this.data.classes[this.data.classOf[index]];
    element.classList.add("swatch-large");
    element.textContent = mark;
    element.style.setProperty("--class-color", `rgb(${this.matrix.theme.markColor(color)})`);
    Object.assign(element.style, { width: `${size}px`, height: `${size}px` });
  }

  nameOf(index) {
    return this.data.classes[this.data.classOf[index]].name;
  }

  roleOf(a, i) {
    if (a === i) return "anchor";
    return this.data.classOf[a] === this.data.classOf[i] ? "positive" : "negative";
  }

  kindOf(a, i) {
    if (a === i) return "the anchor itself: no pair";
    if (this.roleOf(a, i) === "positive") return `positive pair: both ${this.nameOf(a)}`;
    return `negative pair: ${this.nameOf(a)} and ${this.nameOf(i)}`;
  }

  // What the strategy does with the pair, seen from the row's anchor.
  shareOf(a, i, batch, { cells, active }, strategy) {
    const role = this.roleOf(a, i);
    if (role === "anchor") return "";
    const at = a * this.data.count + i;
    if (strategy === BATCH_ALL) {
      const others = role === "positive" ? "negatives" : "positives";
      const most = batch.anchors[a][others].members.length;
      const all = plural(most, others.slice(0, -1), others);
      return `loss above 0 with ${Math.abs(cells[at])} of ${all}`;
    }
    if (cells[at] === 0) return "not picked";
    return active[at] ? "picked, loss above 0" : "picked, loss 0";
  }

  // ---- one anchor

  showLine(state) {
    const { anchor, batch } = state;
    const chosen = anchor >= 0;
    this.find(".line").classList.toggle("empty", !chosen);
    for (const selector of [".track", ".line-name", ".all", ".anchor-picture"]) {
      this.find(selector).hidden = !chosen;
    }
    if (!chosen) {
      this.find(".line-text").textContent =
        "Click a row: its anchor’s distances appear here on a line.";
      return;
    }
    this.showItem(this.find(".anchor-picture"), anchor, 44);
    const ring = this.ringOf(state);
    const text = this.describeAnchor(state, ring);
    this.find(".line-text").textContent = text;
    this.find(".track").setAttribute("aria-label", text);
    const { negatives } = batch.anchors[anchor];
    this.line.show({ ...state, ring: negatives.members.length ? ring : null });
  }

  // The positive from which on the margin counts: the inspected one, else the farthest.
  ringOf({ anchor, batch, hovered }) {
    const { positives } = batch.anchors[anchor];
    const [a, i] = hovered;
    if (a === anchor && positives.members.includes(i)) {
      return batch.distances[a * this.data.count + i];
    }
    return positives.distances.at(-1) ?? null;
  }

  describeAnchor({ anchor, batch, margin, hovered }, ring) {
    const sides = batch.anchors[anchor];
    const who = `Anchor: ${this.nameOf(anchor)}.`;
    if (!sides.positives.members.length) return `${who} It has no positive, so no triplet.`;
    if (!sides.negatives.members.length) return `${who} It has no negative, so no triplet.`;
    const inspected = hovered[0] === anchor && sides.positives.members.includes(hovered[1]);
    const zones = zonesOf(sides, ring, margin);
    const parts = CATEGORIES.map((name) => `${zones[name]} ${name}`).join(", ");
    const which = inspected ? "this positive" : "its farthest positive";
    return `${who} With ${which}, at distance ${formatted(ring)}, it forms ${parts} triplets.`;
  }

  // How many of the triplets picked belong to the one anchor.
  describePicked({ anchor, strategy, batch, mined }) {
    const { count } = this.data;
    const row = mined.cells.subarray(anchor * count, (anchor + 1) * count);
    const { members } = batch.anchors[anchor].positives;
    const picked = members.reduce((sum, p) => sum + row[p], 0);
    const active = members.filter((p) => mined.active[anchor * count + p]).length;
    const triplets = plural(picked, "triplet", "triplets");
    const start = `for this anchor of class ${this.nameOf(anchor)},`;
    if (strategy === BATCH_ALL) return `${start} ${triplets} with a loss above 0.`;
    return `${start} ${triplets} picked, ${active} of them with a loss above 0.`;
  }

  describe(state) {
    const { strategy, margin, counts, mined, anchor, position } = state;
    const when = this.find(".readout").hidden ? "" : `${this.readout(position)}, `;
    const start = `${when}${NAMES[strategy]}, margin ${formatted(margin)}: `;
    const sentence = start[0].toUpperCase() + start.slice(1);
    if (!counts.valid) return `${sentence}the batch holds no valid triplet.`;
    if (anchor >= 0) return sentence + this.describePicked(state);
    return (
      sentence +
      `of ${plural(counts.valid, "valid triplet", "valid triplets")} ` +
      `${percent(counts.easy, counts.valid)} are easy, ` +
      `${percent(counts.semi_hard, counts.valid)} semi-hard, ` +
      `${percent(counts.hard, counts.valid)} hard; loss ${formatted(mined.loss)}.`
    );
  }
}

const STYLE = `
.matrix { display: grid; grid-template-columns: minmax(0, auto) minmax(320px, 1fr); gap: 8px 24px;
  grid-template-areas: "head head" "hint hint" "main choose" "main side" "status status";
  grid-template-rows: auto auto auto 1fr auto; }
header { grid-area: head; }
.hint { grid-area: hint; }
.choose { grid-area: choose; }
.main { grid-area: main; min-width: 0; width: min(60cqw, var(--size)); }
.side { grid-area: side; min-width: 0; }
.status { grid-area: status; }
.field { width: 100%; }
.cells { display: block; touch-action: none; cursor: crosshair; }
.choose .controls { gap: 4px 16px; }
.margin-label { flex: 1 1 200px; }
.margin { flex: 1 1 80px; }
.margin-value { min-width: 44px; color: var(--jp-ui-font-color1, CanvasText); font-weight: 600; }
.shares { display: flex; gap: 1px; height: 14px; margin: 2px 0 6px; border-radius: 3px;
  overflow: hidden; }
.shares > * { flex: 0 1 0; min-width: 3px; background: var(--color); }
.easy { --color: var(--easy); }
.semi-hard { --color: var(--semi-hard); }
.hard { --color: var(--hard); }
.figures { display: grid; gap: 2px 8px;
  grid-template-columns: repeat(2, minmax(0, 1fr)) minmax(78px, 1fr) minmax(0, 1fr); }
.figure dt { display: flex; align-items: center; gap: 5px; color: var(--quiet);
  white-space: nowrap; }
.figure dd { margin: 0; font-size: 16px; font-weight: 600; }
.figure .share { font-size: 13px; font-weight: 400; color: var(--quiet); }
.swatch { width: 10px; height: 10px; border-radius: 2px; background: var(--color); }
.valid .swatch { display: none; }
.outcome { margin-top: 6px; min-height: 36px; font-variant-numeric: tabular-nums; }
.rule { margin-top: 6px; min-height: 54px; }
.marks { margin-right: 6px; white-space: nowrap; }
.mark { font-weight: 600; margin-right: 6px; }
.mark.positive .role-icon path { fill: var(--positive); }
.mark.negative .role-icon path { fill: var(--negative); }
.scale { position: relative; margin: 8px 0 0 var(--edge); width: var(--extent); }
.scale-bar { height: 12px; border-radius: 2px; }
.scale-needle { position: absolute; top: -3px; height: 18px; width: 4px; margin-left: -2px;
  background: white; border: 1px solid black; border-radius: 2px; }
.scale-ticks, .ticks { position: relative; height: 15px; font-size: 11px; color: var(--quiet);
  font-variant-numeric: tabular-nums; }
.scale-ticks span, .ticks span { position: absolute; top: 1px; transform: translateX(-50%); }
.scale-ticks span:first-child { transform: none; }
.scale-name, .line-name { text-align: center; font-size: 11px; color: var(--quiet); }
.time { flex-wrap: nowrap; gap: 4px; margin-top: 4px; }
.time button { flex: none; padding: 0; }
.scrub { flex: 1 1 80px; margin: 0 8px; }
.pair { min-height: 84px; display: grid; align-items: center; border-top: 1px solid var(--line);
  padding: 6px 0; }
.pair-some { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 12px;
  align-items: center; text-align: center; }
figcaption { font-size: 11px; color: var(--quiet); text-align: center; }
.pair-distance { font-size: 16px; font-weight: 600; }
.swatch-large { display: grid; place-items: center; font-size: 20px; font-weight: 700;
  border: 2px solid var(--class-color); border-radius: 4px;
  background: color-mix(in srgb, var(--class-color) 30%, transparent); }
.line { border-top: 1px solid var(--line); padding-top: 6px; }
.line-head { display: flex; align-items: center; gap: 10px; min-height: 44px; }
.line-text { flex: 1; }
.line.empty .line-text { color: var(--quiet); }
.all { flex: none; }
.anchor-picture { flex: none; }
.track { position: relative; overflow: hidden; margin-top: 4px; }
.track > * { position: absolute; left: 0; top: 0; }
.track .axis { width: 100%; height: 1px; background: currentColor; }
.track .ticks { width: 100%; }
.zone { background: color-mix(in srgb, var(--color) 22%, transparent);
  border-left: 2px solid var(--color); }
.zone.hard { border-left: 0; }
.zone-name { position: absolute; left: 0; top: calc(100% + 2px); font-size: 11px;
  white-space: nowrap; }
.links path { fill: none; stroke: currentColor; stroke-width: 1.5px; opacity: 0.7; }
.item { position: absolute; left: 0; top: 0; display: grid; place-items: center; overflow: hidden;
  border: 1px solid var(--quiet); opacity: 0.65; background: var(--ground); }
.item.positive { border-radius: 50%; --role: var(--positive); }
.item.negative { border-radius: 1px; --role: var(--negative); }
.item .digit { flex: none; }
.item.mined { border: 2px solid var(--role); opacity: 1; z-index: 1; }
.item.mined.active { box-shadow: inset 0 0 0 1px var(--role); z-index: 2; }
.item.mined.active:empty { background: var(--role); box-shadow: 0 0 0 1px var(--ground); }
.origin { line-height: 0; }
@container (max-width: 859px) {
  .matrix { grid-template-columns: minmax(0, 1fr); grid-template-rows: none;
    grid-template-areas: "head" "hint" "choose" "main" "side" "status"; padding: 8px; }
  .main { width: 100%; }
  .rule { min-height: 36px; }
}
@container (max-width: 420px) {
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .line-head { flex-wrap: wrap; }
  .line-text { flex-basis: 180px; }
}
`;

export default { render };
