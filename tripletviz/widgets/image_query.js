// ImageQuery: draw, choose or open a picture, and see its nearest images of the gallery.
//
// Here a picture is ink on paper: 0 is paper, 1 is ink. Only what goes to Python and what comes
// from there is in grey values of the images, where ink may be bright or dark.

import { BaseView, clamp, make, mount, pointIn } from "./shared.js";

const REST = 250; // milliseconds that the pen has to rest before the picture is looked up
const PATIENCE = 3000; // milliseconds in which the kernel should say that it has heard
const FINENESS = 336; // longer side of the drawing in its own pixels, 12 for one of MNIST's
const PAD = 280; // longer side on the screen, in CSS pixels
const SMALL = { preset: "36px", tile: "var(--tile)", preview: "112px" }; // longer sides of pictures
const FIT = 20 / 28; // of the side that MNIST's digits fill
const FAINT = { drawing: 0.1, picture: 0.25 }; // less ink than this is none, where ink is bounded
const SOFT = [
  [1.3, 0.15], [1.15, 0.35], [1, 0.6], [0.85, 0.85], [0.7, 1],
]; // widths and ink of a soft pen's layers
const FROM_PYTHON = "python-";

// ---------------------------------------------------------------- the numbers

// For each of `count` cells of size `1 / scale`, the first beginning at `start`: the first index
// of an array of `length` that it covers, and how much of each from there on; together 1 inside.
function coverings(count, start, scale, length) {
  return Array.from({ length: count }, (_, cell) => {
    const low = start + cell / scale;
    const high = low + 1 / scale;
    const first = Math.max(Math.floor(low), 0);
    const last = Math.min(Math.ceil(high), length);
    const shares = [];
    for (let i = first; i < last; i += 1) {
      shares.push(Math.max(Math.min(i + 1, high) - Math.max(i, low), 0) * scale);
    }
    return { first, shares };
  });
}

// Ink of `height` rows in another size: the mean over the area of each new cell. The first cell
// begins at `left`, `top`, and `scaleX`, `scaleY` cells fit on one old one; outside is paper.
export function resample(ink, height, { rows, columns, left, top, scaleX, scaleY }) {
  const width = ink.length / height;
  const across = coverings(columns, left, scaleX, width);
  const down = coverings(rows, top, scaleY, height);
  const wide = new Float64Array(height * columns);
  for (let y = 0; y < height; y += 1) {
    across.forEach(({ first, shares }, column) => {
      let sum = 0;
      shares.forEach((share, i) => {
        sum += share * ink[y * width + first + i];
      });
      wide[y * columns + column] = sum;
    });
  }
  const result = new Float32Array(rows * columns);
  down.forEach(({ first, shares }, row) => {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      shares.forEach((share, i) => {
        sum += share * wide[(first + i) * columns + column];
      });
      result[row * columns + column] = sum;
    }
  });
  return result;
}

// All of the ink in a picture of `rows` x `columns`.
export function shrunk(ink, height, rows, columns) {
  const width = ink.length / height;
  const scales = { scaleX: columns / width, scaleY: rows / height };
  return resample(ink, height, { rows, columns, left: 0, top: 0, ...scales });
}

// The rectangle that holds all ink above `faint`; null if there is none.
export function inkBox(ink, height, faint) {
  const width = ink.length / height;
  let [left, top, right, bottom] = [width, height, 0, 0];
  ink.forEach((value, i) => {
    if (value <= faint) return;
    const x = i % width;
    const y = (i - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
    top = Math.min(top, y);
    bottom = y + 1;
  });
  return right ? { left, top, right, bottom } : null;
}

// As MNIST's digits were made: the ink's box, its aspect kept, into 20 of 28 pixels, then moved by
// whole pixels until the centre of mass is the middle one (index 14 of 28). Null without ink.
export function fitted(ink, height, rows, columns, faint) {
  const box = inkBox(ink, height, faint);
  if (!box) return null;
  const [boxWidth, boxHeight] = [box.right - box.left, box.bottom - box.top];
  const scale = Math.min((columns * FIT) / boxWidth, (rows * FIT) / boxHeight);
  const [wide, high] = [Math.ceil(boxWidth * scale - 1e-6), Math.ceil(boxHeight * scale - 1e-6)];
  const width = ink.length / height;
  const inside = Float32Array.from(ink, (value, i) => {
    const x = i % width;
    const y = (i - x) / width;
    const isIn = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
    return isIn ? value : 0;
  });
  const small = resample(inside, height, {
    rows: high,
    columns: wide,
    left: box.left,
    top: box.top,
    scaleX: scale,
    scaleY: scale,
  });
  let [mass, massX, massY] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    massX += value * (i % wide);
    massY += value * Math.floor(i / wide);
  });
  const moveX = clamp(Math.round(columns / 2 - massX / mass), 0, columns - wide);
  const moveY = clamp(Math.round(rows / 2 - massY / mass), 0, rows - high);
  const result = new Float32Array(rows * columns);
  small.forEach((value, i) => {
    result[(moveY + Math.floor(i / wide)) * columns + moveX + (i % wide)] = value;
  });
  return result;
}

// Ink above that of the paper, its strongest as 1: a photograph's paper is not all white.
export function withoutPaper(ink, paper) {
  const most = ink.reduce((a, b) => Math.max(a, b), 0);
  const span = most - paper;
  return span < 0.1
    ? new Float32Array(ink.length)
    : Float32Array.from(ink, (value) => clamp((value - paper) / span, 0, 1));
}

// The median of the values along the edge.
export function edgeOf(values, height) {
  const width = values.length / height;
  const isEdge = (i) => {
    const x = i % width;
    return x === 0 || x === width - 1 || i < width || i >= values.length - width;
  };
  const edge = [...values].filter((_, i) => isEdge(i)).sort((a, b) => a - b);
  return edge[Math.floor(edge.length / 2)];
}

// Grey values from 0 to 1 of red, green, blue, alpha. What is seen through is laid on white, and
// on black where what is there is bright itself.
export function greyOf(rgba) {
  const count = rgba.length / 4;
  const luma = (i) => {
    const [red, green, blue] = rgba.subarray(4 * i, 4 * i + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
  };
  let [sum, solid] = [0, 0];
  for (let i = 0; i < count; i += 1) {
    sum += luma(i) * rgba[4 * i + 3];
    solid += rgba[4 * i + 3];
  }
  const ground = solid && sum / solid > 0.5 && solid < 0.5 * 255 * count ? 0 : 1;
  return Float32Array.from({ length: count }, (_, i) => {
    const alpha = rgba[4 * i + 3] / 255;
    return luma(i) * alpha + ground * (1 - alpha);
  });
}

const toBase64 = (bytes) =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget query" role="group">
  <header><div class="title"></div></header>
  <div class="sides">
    <div class="asking">
      <div class="drawing">
        <div class="pad" tabindex="0" role="application" aria-roledescription="drawing pad"
          aria-label="Drawing pad. Arrow keys move the pen, Space puts it down or lifts it."
          aria-describedby="pad-help">
          <div class="pad-hint" aria-hidden="true">Draw here</div>
          <div class="pen-mark" aria-hidden="true" hidden></div>
        </div>
        <div class="seen">
          <div class="caption" id="seen-caption">What the network sees</div>
          <div class="preview-frame"></div>
          <div class="quiet size number"></div>
          <label class="switch"><input type="checkbox" class="centre" checked>
            <span>Centre and scale as MNIST does</span></label>
          <label class="switch"><input type="checkbox" class="invert" disabled>
            <span>Invert the opened picture</span></label>
        </div>
      </div>
      <div class="controls tools">
        <button class="pen" aria-pressed="true">Pen</button>
        <button class="rubber" aria-pressed="false">Rubber</button>
        <label>Width <input type="range" class="width" min="1" max="6" step="0.5" value="3"
          ></label>
        <button class="undo" title="Take back the last step (Backspace on the pad)">Undo</button>
        <button class="clear">Clear</button>
      </div>
      <div class="ready" hidden>
        <div class="quiet" id="ready-caption">Ready-made pictures</div>
        <div class="presets" role="toolbar" aria-labelledby="ready-caption"></div>
      </div>
      <div class="controls">
        <button class="open">Open a picture …</button>
        <span class="quiet">or drop a PNG or JPEG here.</span>
        <input type="file" class="file" accept="image/png,image/jpeg" hidden>
      </div>
      <p class="quiet help" id="pad-help" hidden>Keys on the pad: arrows move the pen, Space
        puts it down or lifts it, Backspace undoes.</p>
    </div>
    <div class="answering">
      <div class="message"></div>
      <div class="vote" hidden></div>
      <div class="verdict" hidden></div>
      <div class="report quiet" hidden></div>
      <ol class="tiles"></ol>
      <p class="legend quiet" hidden></p>
    </div>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

const render = (context) => mount(context, "image-query", STYLE, TEMPLATE, View);

const EMPTY = { base: null, strokes: [] };

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.readData();
    this.id = Math.random().toString(36).slice(2);
    this.asked = 0; // number of the newest query
    this.revision = 0; // of what is on the pad
    this.revisionOf = new Map(); // what was on the pad at each query
    this.answerRevision = -1; // what was on the pad when the answer was asked for
    this.history = [];
    this.scene = EMPTY;
    this.isErasing = false;
    this.build();
    this.listen();
    this.listenToKernel();
    this.begin();
  }

  readData() {
    const { model } = this;
    this.rows = model.get("_height");
    this.columns = model.get("_width");
    this.longer = Math.max(this.rows, this.columns);
    this.isInkBright = model.get("_bright_ink");
    this.answers = model.get("_preset_answers");
    this.presets = this.cut(this.bytes("_presets"));
    this.pictures = this.cut(this.bytes("_pictures"));
  }

  bytes(name) {
    const view = this.model.get(name);
    if (!view?.byteLength) return new Uint8Array(0);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  // Bytes as pictures.
  cut(bytes) {
    const size = this.rows * this.columns;
    return Array.from({ length: bytes.length / size }, (_, i) =>
      bytes.slice(i * size, (i + 1) * size),
    );
  }

  // ---- building

  build() {
    const { rows, columns, longer } = this;
    this.root.setAttribute("aria-label", this.model.get("title") || "Query with an image");
    const sheet = make("canvas", "sheet");
    this.grain = FINENESS / longer; // pixels of the drawing for one of the network's
    sheet.width = Math.round(columns * this.grain);
    sheet.height = Math.round(rows * this.grain);
    this.sheet = sheet.getContext("2d", { willReadFrequently: true });
    this.pad = this.find(".pad");
    this.pad.prepend(sheet);
    this.pad.style.maxWidth = `${(PAD * columns) / longer}px`;
    this.pad.style.aspectRatio = `${columns} / ${rows}`;
    this.preview = this.makePicture(SMALL.preview);
    this.preview.setAttribute("aria-labelledby", "seen-caption");
    this.preview.setAttribute("role", "img");
    this.find(".preview-frame").append(this.preview);
    this.find(".size").textContent = `${rows} × ${columns} pixels`;
    this.buildPresets();
    this.tiles = Array.from({ length: this.model.get("_count") }, () => this.makeTile());
    this.find(".tiles").append(...this.tiles.map(({ root }) => root));
    this.find(".tiles").classList.toggle("few", this.tiles.length <= 8);
    this.pen = [columns / 2, rows / 2];
    this.paintTitle();
    this.paintTools();
  }

  buildPresets() {
    this.find(".ready").hidden = !this.presets.length;
    this.presetButtons = this.presets.map((pixels, i) => {
      const button = make("button", "preset");
      const picture = this.makePicture(SMALL.preset);
      picture.setAttribute("aria-hidden", "true");
      this.fill(picture, pixels);
      button.append(picture);
      button.setAttribute("aria-label", `Ready-made picture ${i + 1} of ${this.presets.length}`);
      button.tabIndex = i ? -1 : 0; // one stop of the tab key, then arrows
      button.addEventListener("click", () => this.choose(i));
      return button;
    });
    this.find(".presets").append(...this.presetButtons);
  }

  makePicture(size) {
    const canvas = make("canvas", "picture");
    [canvas.width, canvas.height] = [this.columns, this.rows];
    canvas.style.width = `calc(${size} * ${this.columns / this.longer})`;
    canvas.style.height = `calc(${size} * ${this.rows / this.longer})`;
    return canvas;
  }

  makeTile() {
    const root = make("li", "tile");
    const frame = make("div", "frame");
    const picture = this.makePicture(SMALL.tile);
    picture.setAttribute("role", "img");
    frame.append(picture);
    const name = make("div", "name");
    const distance = make("div", "number");
    root.append(frame, name, distance);
    return { root, picture, name, distance };
  }

  // Grey values of an image onto a picture: ink is drawn dark, whatever it is in the image.
  fill(canvas, pixels) {
    const image = new ImageData(this.columns, this.rows);
    pixels.forEach((value, i) => {
      const grey = this.isInkBright ? 255 - value : value;
      image.data.set([grey, grey, grey, 255], 4 * i);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // ---- listening

  listen() {
    this.follow("title", () => this.paintTitle());
    this.follow("_answer", () => this.answerCame());
    this.listenToPad();
    this.on(this.find(".pen"), "click", () => this.takeTool(false));
    this.on(this.find(".rubber"), "click", () => this.takeTool(true));
    this.on(this.find(".width"), "input", () => this.paintTools());
    this.on(this.find(".undo"), "click", () => this.takeBack());
    this.on(this.find(".clear"), "click", () => this.show(EMPTY));
    this.on(this.find(".centre"), "change", () => this.changed());
    this.on(this.find(".invert"), "change", ({ target }) => this.invert(target.checked));
    this.listenToFiles();
    this.listenToKeys();
    this.onLook(this.root, () => {});
  }

  listenToPad() {
    const { pad } = this;
    this.on(pad, "pointerdown", (event) => {
      if (event.button || this.pointer !== undefined) return;
      this.endStroke(); // one that the keys have begun
      this.pointer = event.pointerId;
      pad.setPointerCapture(event.pointerId);
      this.startStroke(this.placeOf(event));
      this.paintPenMark(false);
    });
    this.on(pad, "pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.extendStroke(this.placeOf(each));
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.on(pad, name, (event) => {
        if (event.pointerId !== this.pointer) return;
        this.pointer = undefined;
        this.endStroke();
      });
    }
    this.on(pad, "focus", () => this.paintPenMark(pad.matches(":focus-visible")));
    this.on(pad, "blur", () => {
      if (this.pointer === undefined) this.endStroke();
      this.paintPenMark(false);
    });
  }

  // Where a pointer is, in pixels of the image.
  placeOf(event) {
    const [x, y] = pointIn(this.pad, event);
    return [(x - 1) / this.zoom, (y - 1) / this.zoom]; // inside its border
  }

  // CSS pixels of the pad for one of the image.
  get zoom() {
    return this.pad.clientWidth / this.columns;
  }

  listenToFiles() {
    const file = this.find(".file");
    this.on(this.find(".open"), "click", () => file.click());
    this.on(file, "change", () => {
      if (file.files.length) this.open(file.files[0]);
      file.value = ""; // the same file can be opened again
    });
    const zone = this.root;
    const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    for (const name of ["dragenter", "dragover"]) {
      this.on(zone, name, (event) => {
        if (!hasFile(event)) return;
        event.preventDefault();
        event.stopPropagation();
        zone.classList.add("dropping");
      });
    }
    this.on(zone, "dragleave", (event) => {
      if (!zone.contains(event.relatedTarget)) zone.classList.remove("dropping");
    });
    this.on(zone, "drop", (event) => {
      zone.classList.remove("dropping");
      if (!hasFile(event)) return;
      event.preventDefault();
      event.stopPropagation();
      this.open(event.dataTransfer.files[0]);
    });
  }

  listenToKeys() {
    const onPad = (action) => (event) => (event.target === this.pad ? action(event) : false);
    const arrow = (x, y) => (event) => {
      const steps = event.shiftKey ? 4 : 1;
      if (event.target === this.pad) return this.movePen(steps * x, steps * y);
      return this.presetButtons.includes(event.target) ? this.walk(event.target, x || y) : false;
    };
    this.onKeys({
      ArrowLeft: arrow(-1, 0),
      ArrowRight: arrow(1, 0),
      ArrowUp: arrow(0, -1),
      ArrowDown: arrow(0, 1),
      " ": onPad(() => this.togglePen()),
      Backspace: onPad(() => this.takeBack()),
      Delete: onPad(() => this.takeBack()),
    });
    this.on(this.root, "keydown", (event) => {
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
      if (event.shiftKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation(); // a notebook would take back something else
      this.takeBack();
    });
  }

  // Only an answer proves that somebody is there who answers.
  listenToKernel() {
    this.isAlive = false;
    this.isAnswered = false;
    this.waiting = null; // the query that the kernel has: one at a time
    const hear = (content) => this.hear(content);
    this.model.on("msg:custom", hear);
    this.undo.push(
      () => this.model.off("msg:custom", hear),
      () => clearTimeout(this.resting),
      () => clearTimeout(this.patience),
    );
    this.tell({ type: "hello" });
  }

  tell(content) {
    this.model.send?.(content);
  }

  hear({ type, answers, number }) {
    if (type === "alive") {
      const isNew = !this.isAnswered && answers;
      this.isAlive = true;
      this.isAnswered = answers;
      if (isNew && this.pixels && this.answerRevision !== this.revision) this.askSoon();
      this.paintAnswer();
    }
    if (!this.waiting || number !== this.waiting) return;
    if (type === "started") {
      clearTimeout(this.patience);
      this.isLate = false;
    } else if (type === "answered") {
      this.waiting = null;
      if (this.isDue) this.ask();
    }
    this.paintAnswer();
  }

  // ---- drawing

  takeTool(isErasing) {
    this.isErasing = isErasing;
    this.paintTools();
  }

  // In pixels of the image: the slider counts as if it had 28.
  get penWidth() {
    return (this.find(".width").valueAsNumber * this.longer) / 28;
  }

  startStroke(place) {
    clearTimeout(this.resting);
    this.stroke = { points: [place], width: this.penWidth, isErasing: this.isErasing };
    this.drawSegment(this.stroke, place, place);
    this.pixelsChanged();
  }

  extendStroke(place) {
    if (!this.stroke) return;
    const { points } = this.stroke;
    this.drawSegment(this.stroke, points.at(-1), place);
    points.push(place);
    this.pixelsChanged();
  }

  endStroke() {
    const { stroke } = this;
    if (!stroke) return;
    this.stroke = null;
    this.history.push(this.scene);
    this.scene = { ...this.scene, strokes: [...this.scene.strokes, stroke] };
    this.changed();
  }

  drawSegment({ width, isErasing }, [x0, y0], [x1, y1]) {
    const { sheet } = this;
    sheet.save();
    sheet.scale(this.grain, this.grain);
    sheet.lineCap = "round";
    sheet.globalCompositeOperation = isErasing ? "source-over" : "lighten";
    for (const [share, ink] of isErasing ? [[1.5, this.paper]] : SOFT) {
      const grey = Math.round(255 * ink);
      sheet.strokeStyle = `rgb(${grey}, ${grey}, ${grey})`;
      sheet.lineWidth = width * share;
      sheet.beginPath();
      sheet.moveTo(x0, y0);
      sheet.lineTo(x1 + (x0 === x1 && y0 === y1 ? 0.01 : 0), y1); // a dot is a line, too
      sheet.stroke();
    }
    sheet.restore();
  }

  movePen(x, y) {
    this.pen = [
      clamp(this.pen[0] + (x * this.longer) / 28, 0, this.columns),
      clamp(this.pen[1] + (y * this.longer) / 28, 0, this.rows),
    ];
    this.extendStroke([...this.pen]);
    this.paintPenMark(true);
    this.sayPen();
  }

  togglePen() {
    if (this.stroke) this.endStroke();
    else this.startStroke([...this.pen]);
    this.paintPenMark(true);
    this.sayPen();
  }

  sayPen() {
    const [x, y] = this.pen.map((value) => Math.round(value));
    const tool = this.isErasing ? "Rubber" : "Pen";
    this.say(`${tool} ${this.stroke ? "down" : "up"}, column ${x}, row ${y}.`);
  }

  // ---- what is on the pad

  begin() {
    const answer = this.model.get("_answer");
    if (answer.image) this.showFromPython(answer);
    else if (this.answers.length) this.choose(0);
    else this.changed();
  }

  show(scene) {
    if (this.stroke) this.endStroke();
    this.history.push(this.scene);
    this.scene = scene;
    this.redraw();
    this.changed();
  }

  takeBack() {
    if (this.stroke) this.endStroke();
    if (!this.history.length) return;
    this.scene = this.history.pop();
    this.redraw();
    this.changed();
  }

  choose(preset) {
    this.presetButtons.forEach((button, i) => {
      button.tabIndex = i === preset ? 0 : -1;
    });
    const scene = { base: { kind: "image", pixels: this.presets[preset], preset }, strokes: [] };
    if (this.scene === EMPTY && !this.history.length) this.scene = scene;
    else return this.show(scene);
    this.redraw();
    return this.changed();
  }

  walk(button, by) {
    const { presetButtons } = this;
    const to = clamp(presetButtons.indexOf(button) + by, 0, presetButtons.length - 1);
    presetButtons.forEach((each, i) => {
      each.tabIndex = i === to ? 0 : -1;
    });
    presetButtons[to].focus();
  }

  async open(file) {
    this.opening = file;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      this.note = `“${file.name}” is no picture that the browser can read. PNG and JPEG are.`;
      this.paintAnswer();
      return;
    }
    if (this.opening !== file) return; // another was opened since
    const { width, height } = this.sheet.canvas;
    const scale = Math.min(width / bitmap.width, height / bitmap.height);
    const size = [bitmap.width, bitmap.height].map((side) => Math.max(Math.round(side * scale), 1));
    const pen = new OffscreenCanvas(...size).getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(bitmap, 0, 0, ...size);
    bitmap.close();
    const grey = greyOf(pen.getImageData(0, 0, ...size).data);
    const edge = edgeOf(grey, size[1]);
    // Ink is what the paper is not.
    const base = { kind: "file", grey, size, edge, isDark: edge > 0.5 };
    this.show({ base, strokes: [] });
  }

  invert(isInverted) {
    const { base } = this.scene;
    if (base?.kind !== "file") return;
    this.show({ ...this.scene, base: { ...base, isDark: isInverted === this.isInkBright } });
  }

  // Ink of the paper: none, except in a picture that was opened.
  get paper() {
    const { base } = this.scene;
    if (base?.kind !== "file") return 0;
    return base.isDark ? 1 - base.edge : base.edge;
  }

  redraw() {
    const { sheet, scene } = this;
    const { width, height } = sheet.canvas;
    const grey = Math.round(255 * this.paper);
    sheet.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    sheet.fillRect(0, 0, width, height);
    if (scene.base?.kind === "image") this.drawImage(scene.base.pixels);
    if (scene.base?.kind === "file") this.drawFile(scene.base);
    for (const stroke of scene.strokes) {
      const { points } = stroke;
      points.forEach((point, i) => this.drawSegment(stroke, points[Math.max(i - 1, 0)], point));
    }
  }

  // An image of the network's size, each of its pixels a square.
  drawImage(pixels) {
    const { sheet } = this;
    const small = new OffscreenCanvas(this.columns, this.rows);
    this.fill(small, pixels);
    sheet.save();
    sheet.imageSmoothingEnabled = false;
    sheet.drawImage(small, 0, 0, sheet.canvas.width, sheet.canvas.height);
    sheet.globalCompositeOperation = "difference"; // the picture is dark ink on white
    sheet.fillStyle = "white";
    sheet.fillRect(0, 0, sheet.canvas.width, sheet.canvas.height);
    sheet.restore();
  }

  drawFile({ grey, size, isDark }) {
    const image = new ImageData(...size);
    grey.forEach((value, i) => {
      const ink = 255 * (isDark ? 1 - value : value);
      image.data.set([ink, ink, ink, 255], 4 * i);
    });
    const { width, height } = this.sheet.canvas;
    const place = [width - size[0], height - size[1]].map((rest) => Math.floor(rest / 2));
    this.sheet.putImageData(image, ...place);
  }

  // What goes to the network, in grey values of the images; null if there is no ink.
  read() {
    const { base, strokes } = this.scene;
    if (base?.kind === "image" && !strokes.length && !this.stroke) return base.pixels;
    const { width, height } = this.sheet.canvas;
    const { data } = this.sheet.getImageData(0, 0, width, height);
    const ink = Float32Array.from({ length: width * height }, (_, i) => data[4 * i] / 255);
    const isFile = base?.kind === "file";
    const clean = isFile ? withoutPaper(ink, this.paper) : ink;
    const faint = isFile ? FAINT.picture : FAINT.drawing;
    const isFitted = this.find(".centre").checked;
    if ((isFitted || !isFile) && !inkBox(clean, height, faint)) return null;
    const result = isFitted
      ? fitted(clean, height, this.rows, this.columns, faint)
      : shrunk(ink, height, this.rows, this.columns);
    return Uint8Array.from(result, (value) => {
      const bright = Math.round(255 * clamp(value, 0, 1));
      return this.isInkBright ? bright : 255 - bright;
    });
  }

  // The pad shows something else than before: now, and when the pen rests.
  changed() {
    this.note = "";
    this.pixelsChanged();
    this.paintTools();
    if (!this.pixels) this.clearAnswer();
    else if (this.presetShown !== undefined && this.answers.length) this.showPreset();
    else this.askSoon();
    this.paintAnswer();
  }

  pixelsChanged() {
    this.revision += 1;
    this.isDue = false;
    this.repaint();
  }

  // The image on the pad now, read once for each revision.
  get pixels() {
    if (this.readRevision !== this.revision) {
      this.lastPixels = this.read();
      this.readRevision = this.revision;
    }
    return this.lastPixels;
  }

  get presetShown() {
    return this.stroke || this.scene.strokes.length ? undefined : this.scene.base?.preset;
  }

  // ---- asking

  askSoon() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.ask(), REST);
  }

  ask() {
    if (!this.isAnswered || !this.pixels) return;
    this.isDue = Boolean(this.waiting);
    if (this.isDue) return; // once the kernel has answered, and then the newest only
    this.asked += 1;
    this.waiting = `${this.id}-${this.asked}`;
    this.revisionOf.set(this.waiting, this.revision);
    this.isLate = false;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      this.isLate = true;
      this.paintAnswer();
    }, PATIENCE);
    this.tell({ type: "query", number: this.waiting, image: toBase64(this.pixels) });
    this.paintAnswer();
  }

  showPreset() {
    clearTimeout(this.resting);
    const { places, ...answer } = this.answers[this.presetShown];
    const pictures = places.map((place) => this.pictures[place]);
    this.take({ ...answer, pictures }, this.revision);
  }

  clearAnswer() {
    clearTimeout(this.resting);
    this.take(null, this.revision);
  }

  // An answer has come from Python: to a query of this view, of another, or of Python itself.
  answerCame() {
    const answer = this.model.get("_answer");
    if (answer.number?.startsWith(FROM_PYTHON)) {
      this.showFromPython(answer);
      return;
    }
    const revision = this.revisionOf.get(answer.number);
    // One to an older query must not take the place of a newer one's.
    if (revision === undefined || revision < this.answerRevision) return;
    this.take(this.decoded(answer), revision);
  }

  showFromPython(answer) {
    clearTimeout(this.resting);
    if (this.shownNumber !== answer.number) {
      this.shownNumber = answer.number;
      if (this.stroke) this.endStroke();
      this.history.push(this.scene);
      this.scene = { base: { kind: "image", pixels: fromBase64(answer.image) }, strokes: [] };
      this.redraw();
      this.note = "";
      this.pixelsChanged();
      this.paintTools();
      this.fromPythonRevision = this.revision;
      clearTimeout(this.resting);
    }
    if (this.fromPythonRevision >= this.answerRevision) {
      this.take(this.decoded(answer), this.fromPythonRevision);
    }
  }

  decoded(answer) {
    return { ...answer, pictures: this.cut(fromBase64(answer.pictures ?? "")) };
  }

  take(answer, revision) {
    this.answer = answer;
    this.answerRevision = revision;
    this.paintAnswer();
  }

  // ---- showing

  paintTitle() {
    this.find(".title").textContent = this.model.get("title");
  }

  paintTools() {
    const width = this.find(".width");
    width.setAttribute("aria-valuetext", `${width.value} of 28`);
    width.title = `Width of the pen: ${width.value} of 28`;
    this.find(".pen").setAttribute("aria-pressed", !this.isErasing);
    this.find(".rubber").setAttribute("aria-pressed", this.isErasing);
    this.find(".undo").disabled = !this.history.length;
    const { base } = this.scene;
    const isFile = base?.kind === "file";
    const invert = this.find(".invert");
    invert.disabled = !isFile;
    invert.closest("label").classList.toggle("off", !isFile);
    invert.checked = isFile && base.isDark === this.isInkBright;
    this.presetButtons.forEach((button, i) => {
      button.setAttribute("aria-pressed", i === this.presetShown);
    });
  }

  paintPenMark(isShown) {
    const mark = this.find(".pen-mark");
    mark.hidden = !isShown;
    this.find(".help").hidden = !isShown;
    const { zoom } = this;
    const size = Math.max(this.penWidth * (this.isErasing ? 1.5 : 1) * zoom, 10);
    Object.assign(mark.style, {
      left: `${this.pen[0] * zoom - size / 2}px`,
      top: `${this.pen[1] * zoom - size / 2}px`,
      width: `${size}px`,
      height: `${size}px`,
    });
    mark.classList.toggle("down", Boolean(this.stroke));
  }

  paint() {
    const { pixels, scene } = this;
    const blank = new Uint8Array(this.rows * this.columns).fill(this.isInkBright ? 0 : 255);
    this.fill(this.preview, pixels ?? blank);
    this.find(".pad-hint").hidden = Boolean(this.stroke || scene.base || scene.strokes.length);
    this.paintAnswer();
  }

  // What there is to say beside an answer, or instead of one.
  messageNow() {
    if (this.note) return this.note;
    if (this.stroke) return "";
    if (!this.pixels) {
      const what = this.presets.length
        ? "Draw, press a ready-made picture, or open one."
        : "Draw, or open a picture.";
      const { base, strokes } = this.scene;
      if (base?.kind === "file") {
        return "Nothing stands out from the paper. Invert the picture, or do not centre it.";
      }
      return base || strokes.length ? `There is no ink. ${what}` : what;
    }
    if (this.answer?.failed && this.answerRevision === this.revision) return this.answer.failed;
    if (this.answerRevision === this.revision) return "";
    if (!this.isAlive) {
      const others = this.answers.length ? " The ready-made pictures have theirs here." : "";
      return `An answer to a new picture needs a running notebook.${others}`;
    }
    if (!this.isAnswered) return "Nobody answers yet: the notebook has not called on_query.";
    if (this.isLate) return "The kernel has not answered yet: it is busy, or no longer runs.";
    return "Looking …";
  }

  paintAnswer() {
    const isNew = this.answerRevision === this.revision;
    const message = this.find(".message");
    const words = this.messageNow();
    message.textContent = words;
    message.classList.toggle("failed", Boolean(this.note || (isNew && this.answer?.failed)));
    // An answer to what was on the pad before stays, faint, as long as a new one is to come.
    const answer = isNew || this.isAnswered ? this.answer : null;
    this.find(".answering").classList.toggle("old", !isNew);
    for (const name of ["vote", "verdict", "report"]) {
      this.find(`.${name}`).textContent = answer?.[name] ?? "";
      this.find(`.${name}`).hidden = !answer?.[name];
    }
    this.find(".verdict").classList.toggle("unknown", Boolean(answer?.items?.[0]?.far));
    const items = (answer && !answer.failed && answer.items) || [];
    this.tiles.forEach((tile, rank) => this.paintTile(tile, rank, items[rank], answer));
    this.find(".legend").hidden = !items.length;
    this.find(".legend").textContent =
      "Solid frame: of the class with most votes; dashed: of another." +
      (items.some(({ far }) => far) ? " Faint: farther than the threshold." : "");
    if (!this.stroke) this.say(isNew && !words ? this.answerWords(answer) : words);
  }

  paintTile({ root, picture, name, distance }, rank, item, answer) {
    root.hidden = !item;
    if (!item) return;
    this.fill(picture, answer.pictures[rank]);
    const words =
      `Neighbour ${rank + 1}: item ${item.index} of the gallery, class ${item.name}, ` +
      `distance ${item.distance}${item.far ? ", farther than the threshold" : ""}`;
    picture.setAttribute("aria-label", words);
    root.title = words;
    root.classList.toggle("wins", item.wins);
    root.classList.toggle("far", item.far);
    name.textContent = item.name;
    distance.textContent = item.distance;
  }

  answerWords(answer) {
    if (!answer) return "";
    const items = (answer.items ?? []).map(({ name, distance }) => `${name} at ${distance}`);
    const list = items.length ? `In order: ${items.join(", ")}.` : "";
    return [answer.vote, answer.verdict, answer.report, list].filter(Boolean).join(" ");
  }
}

const STYLE = `
.query { display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; position: relative; }
.query.dropping { outline: 3px dashed var(--accent); outline-offset: -3px; }
.sides { display: grid; grid-template-columns: 440px minmax(0, 1fr); gap: 14px 32px; }
.asking { display: flex; flex-direction: column; gap: 8px; min-width: 0; }
.drawing { display: flex; gap: 16px; flex-wrap: wrap; }
.pad {
  position: relative; flex: 1 1 auto; width: 100%; align-self: flex-start; min-width: 0;
  box-sizing: content-box; border: 1px solid #767676;
  border-radius: 3px; background: white; cursor: crosshair; touch-action: none;
  overflow: hidden; user-select: none; -webkit-user-select: none;
}
.pad:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.sheet { display: block; width: 100%; height: 100%; filter: invert(1); }
.pad-hint {
  position: absolute; inset: 0; display: grid; place-items: center; color: #666; font-size: 16px;
  pointer-events: none;
}
.pen-mark {
  position: absolute; border: 2px solid #d55e00; border-radius: 50%; pointer-events: none;
  box-shadow: 0 0 0 1px white;
}
.pen-mark.down { background: #d55e00; }
.seen { flex: 1 1 130px; display: flex; flex-direction: column; gap: 4px; min-width: 124px; }
.caption { font-weight: 600; }
.preview-frame { border: 1px solid #767676; border-radius: 3px; width: max-content; }
.picture { display: block; image-rendering: pixelated; }
.switch { display: flex; align-items: center; gap: 8px; min-height: 44px; cursor: pointer; }
.switch input { flex: none; margin: 0; }
.switch.off { color: var(--quiet); cursor: default; }
.tools label { flex: 1; }
.tools .width { flex: 1; width: 0; min-width: 60px; }
.presets { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 4px; }
.preset { padding: 0; width: 46px; height: 46px; }
.preset .picture { margin: auto; }
.answering { min-width: 0; display: flex; flex-direction: column; gap: 8px; }
.message:empty { display: none; }
.status {
  position: absolute; width: 1px; height: 1px; min-height: 0; overflow: hidden;
  clip-path: inset(50%);
}
.message.failed { color: var(--negative); font-weight: 600; }
.query:not(.dark) .message.failed { color: color-mix(in srgb, var(--negative) 82%, black); }
.vote, .verdict { font-size: 16px; font-weight: 600; }
.verdict { font-weight: 400; }
.verdict.unknown { font-weight: 600; }
.tiles {
  --tile: 64px; display: grid; grid-template-columns: repeat(auto-fill, minmax(74px, 1fr)); gap: 12px 6px;
  padding: 0; list-style: none; max-width: 720px;
}
.tile {
  display: flex; flex-direction: column; align-items: center; min-width: 0; line-height: 1.3;
}
.frame { border: 3px dashed #767676; border-radius: 3px; padding: 1px; background: white; }
.wins .frame { border: 3px solid var(--accent); }
.name { font-weight: 700; max-width: 100%; overflow-wrap: anywhere; text-align: center; }
.far .picture, .old .picture { opacity: 0.4; }
.old :is(.vote, .verdict, .tiles) { color: var(--quiet); }
@container (min-width: 1000px) {
  .tiles.few { --tile: 104px; grid-template-columns: repeat(4, minmax(0, 140px)); }
}
@container (max-width: 759px) {
  .sides { grid-template-columns: minmax(0, 1fr); }
}
`;

export default { render };
