// ConfusionExplorer: which classes are taken for which, and on which images.
//
// Python sends true and predicted classes; the script counts them, for one method or for the
// difference of two, and shows the images behind each cell.

import { BaseView, Sprite, clamp, intsOf, make, mount } from "./shared.js";

const CELL_SIZES = [24, 44]; // smallest and largest, in CSS pixels
const ROOMY = 38; // from here on a cell has room for a decimal
const WIDE = 980; // from here on the matrix has something beside it
const SIDE = 450; // width of that, at least
const PLEASANT = 32; // cells smaller than this get the whole width instead
const PICTURE_SIZE = 56;
const HELD_SIZE = 84;
const MOST_SHADE = 58; // per cent of the colour: text on it keeps its contrast
const MINUS = "−";
const PERCENT = "\u00a0%"; // stays with its number

// ---------------------------------------------------------------- the numbers

// How many items of class t, row, are predicted to be p, column: `count` x `count`, row by row.
export function matrixOf(classOf, predicted, count) {
  const matrix = new Int32Array(count * count);
  classOf.forEach((t, item) => {
    matrix[t * count + predicted[item]] += 1;
  });
  return matrix;
}

// Of each class: its items, those predicted to be of it, and those of them that are right.
export function totalsOf(matrix, count) {
  const rows = new Int32Array(count);
  const columns = new Int32Array(count);
  const right = new Int32Array(count);
  matrix.forEach((n, i) => {
    const [t, p] = [Math.floor(i / count), i % count];
    rows[t] += n;
    columns[p] += n;
    if (t === p) right[t] += n;
  });
  return { rows, columns, right };
}

// Cells off the diagonal that are not zero, [true, predicted, number]: the largest first, whatever
// its sign, or with `wholes` the largest share of its row; equal ones in the order of the matrix.
export function confusionsOf(matrix, count, wholes = null) {
  const cells = Array.from(matrix, (n, i) => [Math.floor(i / count), i % count, n]);
  const sizeOf = ([t, , n]) => Math.abs(n) / (wholes?.[t] ?? 1);
  return cells.filter(([t, p, n]) => t !== p && n).sort((a, b) => sizeOf(b) - sizeOf(a));
}

// Items of a cell in one method or in either of two: those of the first alone, of the second
// alone, of both.
export function itemsOf(t, p, classOf, first, second = null) {
  const groups = [[], [], []];
  classOf.forEach((label, item) => {
    if (label !== t) return;
    const [a, b] = [first[item] === p, second !== null && second[item] === p];
    if (a || b) groups[a && b ? 2 : Number(b)].push(item);
  });
  return groups;
}

// How dark a number is to be, from 0 to 1, beside the largest of its kind.
export const logShade = (number, most) =>
  number ? Math.log1p(Math.abs(number)) / Math.log1p(Math.abs(most)) : 0;

// ---------------------------------------------------------------- words

const thousands = (count) => count.toLocaleString("en-US");
const imagesOf = (count) => `${thousands(count)} ${count === 1 ? "image" : "images"}`;
const signed = (number, text) => (number > 0 ? `+${text}` : number < 0 ? MINUS + text : text);

// A number from 0 to `whole` in so many decimals, that claims neither nothing nor all wrongly.
export function rounded(number, whole, decimals) {
  const text = number.toFixed(decimals);
  const least = 10 ** -decimals;
  if (number > 0 && Number(text) === 0) return `<${least.toFixed(decimals)}`;
  if (number < whole && Number(text) === whole) return `>${(whole - least).toFixed(decimals)}`;
  return text;
}

const shareWords = (part, whole) => (whole ? rounded(part / whole, 1, 3) : "–");
export const percentWords = (part, whole, decimals = 1) =>
  whole && part ? rounded((100 * part) / whole, 100, decimals) : "0";

// The difference of two shares, either of which may be of nothing.
function shareDifference(part, whole, otherPart, otherWhole) {
  if (!whole || !otherWhole) return "–";
  const difference = part / whole - otherPart / otherWhole;
  return signed(difference, difference ? rounded(Math.abs(difference), 1, 3) : "0");
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget confusions" tabindex="-1" role="group">
  <header><div class="title"></div><div class="readout"></div></header>
  <div class="controls">
    <label class="method-label">Method <select class="method"></select></label>
    <label class="minus-label">minus <select class="minus"></select></label>
    <span class="units" role="group" aria-label="Numbers in the matrix">
      <button class="unit" data-unit="count" title="Number of images">Counts</button>
      <button class="unit" data-unit="percent" title="Percent of the images of the true class"
        >% of row</button>
    </span>
  </div>
  <p class="baseline quiet number"></p>
  <div class="matrix-box">
    <div class="scroll"><table class="matrix" role="grid" aria-readonly="true"></table></div>
    <p class="legend quiet"></p>
  </div>
  <div class="list-box">
    <h3 class="list-title"></h3>
    <div class="list" role="group" aria-label="Confusions: press one to see its images"></div>
  </div>
  <div class="images">
    <div class="images-head">
      <h3 class="cell-words"></h3>
      <span class="pages">
        <button class="page-back" title="Images before" aria-label="Images before">‹</button>
        <span class="page number"></span>
        <button class="page-forward" title="Images after" aria-label="Images after">›</button>
      </span>
    </div>
    <div class="tiles" role="group" aria-label="Images of the cell: press one to hold it"></div>
    <div class="foot">
      <div class="held" hidden></div>
      <p class="status" role="status" aria-live="polite"></p>
      <p class="hint quiet">Press an image to hold it.</p>
    </div>
  </div>
</section>`;

const render = (context) => mount(context, "confusion-explorer", STYLE, TEMPLATE, View);

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.readData();
    this.sprite = new Sprite(model);
    this.undo.push(() => this.sprite.remove());
    this.start = 0; // of the page, among the images of the cell
    this.focused = 0; // place of the image that Tab enters
    this.perPage = 0;
    this.build();
    this.listen();
    this.update();
  }

  readData() {
    const { model } = this;
    this.names = model.get("_names");
    this.classes = model.get("_classes");
    this.size = this.classes.length;
    this.classOf = intsOf(model.get("_class_of"));
    const predicted = intsOf(model.get("_predicted"));
    const length = this.classOf.length;
    this.predicted = this.names.map((_, m) => predicted.subarray(m * length, (m + 1) * length));
    this.matrices = this.predicted.map((each) => matrixOf(this.classOf, each, this.size));
    this.totals = this.matrices.map((each) => totalsOf(each, this.size));
    this.rowTotals = this.totals[0].rows; // the same for every method
    this.rows = this.classes.map((_, t) => t).filter((t) => this.rowTotals[t]);
    this.placeOf = new Map(this.classes.map(({ label }, place) => [label, place]));
  }

  nameOf(place) {
    return this.classes[place].name;
  }

  // ---- building

  build() {
    this.root.setAttribute("aria-label", this.model.get("title") || "Confusion explorer");
    this.find(".method").append(...this.names.map((name) => new Option(name)));
    for (const selector of [".method-label", ".minus-label"]) {
      this.find(selector).hidden = this.names.length === 1;
    }
    this.buildMatrix();
    const longest = Math.max(...this.classes.map(({ name }) => name.length));
    this.root.classList.toggle("long-names", longest > 3);
    const words = Math.max(...this.names.map((name) => name.length)) + longest + 5;
    this.tileWidth = clamp(Math.ceil(6.2 * words), 88, 176);
    this.root.style.setProperty("--tile", `${this.tileWidth}px`);
  }

  buildMatrix() {
    const head = make("thead");
    const over = this.makeRow(make("td"));
    const across = this.makeHeading("column", "axis", "Predicted class");
    across.colSpan = this.size;
    over.append(across, make("td"));
    const names = this.makeRow(this.makeHeading("column", "axis", "True"));
    this.heads = this.classes.map(({ name }) => this.makeHeading("column", "name", name));
    names.append(...this.heads, this.makeHeading("column", "axis edge", "Recall"));
    head.append(over, names);

    const body = make("tbody");
    this.cells = new Map();
    this.recalls = new Map();
    this.sides = new Map();
    for (const t of this.rows) body.append(this.makeClassRow(t));
    const last = this.makeRow(this.makeHeading("row", "axis", "Precision"));
    last.className = "precisions";
    this.precisions = this.classes.map(() => this.makeEdge());
    last.append(...this.precisions, this.makeEdge());
    body.append(last);
    this.find(".matrix").append(head, body);
  }

  makeClassRow(t) {
    const side = this.makeHeading("row", "name", this.nameOf(t));
    side.title = `Class ${this.nameOf(t)}: ${imagesOf(this.rowTotals[t])}`;
    this.sides.set(t, side);
    const row = this.makeRow(side);
    this.classes.forEach((_, p) => {
      const cell = make("td", t === p ? "cell diagonal" : "cell");
      cell.setAttribute("role", "gridcell");
      cell.append(make("span"));
      cell.addEventListener("click", () => this.goTo(t, p, true));
      this.cells.set(t * this.size + p, cell);
      row.append(cell);
    });
    const recall = this.makeEdge();
    this.recalls.set(t, recall);
    row.append(recall);
    return row;
  }

  makeRow(first) {
    const row = make("tr");
    row.setAttribute("role", "row");
    row.append(first);
    return row;
  }

  makeHeading(of, className, text) {
    const heading = make("th", className);
    heading.setAttribute("role", `${of}header`);
    heading.setAttribute("scope", of === "row" ? "row" : "col");
    heading.append(make("span", "", text));
    if (className === "name") heading.title = `Class ${text}`;
    return heading;
  }

  makeEdge() {
    const edge = make("td", "edge number");
    edge.setAttribute("role", "gridcell");
    edge.append(make("span"));
    return edge;
  }

  // ---- listening

  listen() {
    this.follow(["shown_method", "subtracted_method", "unit", "title"], () => this.update());
    this.follow(["selected_cell", "selected_image"], () => this.cellChanged());
    this.on(this.find(".method"), "change", (event) =>
      this.choose(event.target.value, this.model.get("subtracted_method")),
    );
    this.on(this.find(".minus"), "change", (event) =>
      this.choose(this.model.get("shown_method"), event.target.value),
    );
    for (const button of this.findAll(".unit")) {
      this.on(button, "click", () => this.send("unit", button.dataset.unit));
    }
    this.on(this.find(".page-back"), "click", () => this.turn(-1));
    this.on(this.find(".page-forward"), "click", () => this.turn(1));
    this.listenToKeys();
    this.onLook(this.root, () => this.resize());
  }

  listenToKeys() {
    const steps = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Home: [0, -Infinity],
      End: [0, Infinity],
      PageUp: [-Infinity, 0],
      PageDown: [Infinity, 0],
    };
    const actions = {};
    for (const [key, [down, right]] of Object.entries(steps)) {
      actions[key] = ({ target }) => {
        if (target.closest(".list")) return this.moveInList(down || right);
        if (target.closest(".tiles")) return this.moveInTiles(down, right);
        if (target === this.root || target.closest(".matrix")) return this.move(down, right);
        return false;
      };
    }
    for (const key of ["Enter", " "]) {
      actions[key] = ({ target }) => target.closest(".matrix") ? this.enterImages() : false;
    }
    this.onKeys(actions);
  }

  // ---- acting

  get shown() {
    return Math.max(this.names.indexOf(this.model.get("shown_method")), 0);
  }

  // The method subtracted, -1 for none.
  get subtracted() {
    const place = this.names.indexOf(this.model.get("subtracted_method"));
    return place === this.shown ? -1 : place;
  }

  get cell() {
    return this.model.get("selected_cell").map((label) => this.placeOf.get(label));
  }

  goTo(t, p, takesFocus = false) {
    if (takesFocus) this.cells.get(t * this.size + p).focus({ preventScroll: true });
    const labels = [t, p].map((place) => this.classes[place].label);
    this.model.set("selected_image", this.heldIn(t, p));
    this.send("selected_cell", labels);
  }

  // The image held, if it is one of the cell for the methods shown; -1 else.
  heldIn(t, p) {
    const held = this.model.get("selected_image");
    if (held < 0 || this.classOf[held] !== t) return -1;
    const methods = [this.shown, this.subtracted].filter((m) => m >= 0);
    return methods.some((m) => this.predicted[m][held] === p) ? held : -1;
  }

  move(down, right) {
    const [t, p] = this.cell;
    const row = clamp(this.rows.indexOf(t) + down, 0, this.rows.length - 1);
    this.goTo(this.rows[row], clamp(p + right, 0, this.size - 1));
    const at = this.shadow.activeElement;
    if (at === this.root) this.focusCell();
  }

  focusCell() {
    const [t, p] = this.cell;
    this.cells.get(t * this.size + p).focus({ preventScroll: true });
  }

  moveInList(step) {
    const { activeElement } = this.shadow;
    const buttons = [...this.find(".list").children];
    const next = buttons[clamp(buttons.indexOf(activeElement) + step, 0, buttons.length - 1)];
    next.focus({ preventScroll: true });
    next.click();
  }

  enterImages() {
    if (!this.items.length) {
      this.say(`${this.cellWords()} There is no image to go to.`, 0);
      return;
    }
    this.focusImage(this.start);
  }

  moveInTiles(down, right) {
    const at = this.start + this.tiles.findIndex(({ root }) => root === this.shadow.activeElement);
    this.focusImage(at + right + down * this.columns);
  }

  focusImage(place) {
    this.focused = clamp(place, 0, this.items.length - 1);
    this.start = this.focused - (this.focused % this.perPage);
    this.paint();
    this.tiles[this.focused - this.start].root.focus({ preventScroll: true });
  }

  turn(pages) {
    this.start = clamp(this.start + pages * this.perPage, 0, Math.max(this.items.length - 1, 0));
    this.focused = this.start;
    this.repaint();
  }

  hold(item) {
    this.focused = this.items.indexOf(item);
    this.send("selected_image", this.model.get("selected_image") === item ? -1 : item);
  }

  // Another method; one that is the same as the other takes its place.
  choose(shown, subtracted) {
    const before = this.model.get("shown_method");
    this.model.set("shown_method", shown);
    this.model.set("subtracted_method", subtracted === shown ? before : subtracted);
    this.model.set("selected_image", this.heldIn(...this.cell));
    this.model.save_changes();
  }

  // ---- showing

  // What is shown has changed, not only the cell.
  update() {
    const { shown, subtracted } = this;
    this.matrix = this.matrices[shown];
    if (subtracted >= 0) {
      this.matrix = this.matrix.map((n, i) => n - this.matrices[subtracted][i]);
    }
    this.updateTexts();
    this.updateControls();
    this.updateMatrix();
    this.updateList();
    this.cellChanged();
  }

  rightBy(m) {
    return this.totals[m].right.reduce((sum, n) => sum + n, 0);
  }

  updateTexts() {
    const { names, shown, subtracted } = this;
    const length = this.classOf.length;
    const right = this.rightBy(shown);
    let finding = `${names[shown]} gets ${thousands(right)} of ${thousands(length)} right: ` +
      `accuracy ${shareWords(right, length)}`;
    if (subtracted >= 0) {
      const other = this.rightBy(subtracted);
      finding = `${names[shown]} minus ${names[subtracted]}: ` +
        `accuracy ${shareWords(right, length)} ${MINUS} ${shareWords(other, length)} = ` +
        shareDifference(right, length, other, length);
    }
    const title = this.model.get("title");
    this.find(".title").textContent = title || finding;
    this.find(".readout").textContent = title ? finding : "";
    const most = Math.max(...this.rowTotals);
    this.find(".baseline").textContent =
      "Accuracy: " +
      names.map((name, m) => `${name} ${shareWords(this.rightBy(m), length)}`).join(" · ") +
      ` · always the most frequent class ${shareWords(most, length)}`;
    this.find(".legend").textContent =
      subtracted >= 0
        ? `Blue: ${names[shown]} does better (more on the diagonal, fewer off it). ` +
          `Orange: ${names[subtracted]} does. Shade: logarithm of the number.`
        : "Framed: right, shaded by recall. Orange: taken for another class, shaded by the " +
          "logarithm of the number.";
    this.find(".list-title").textContent =
      (subtracted >= 0 ? "Where they differ most" : "Most frequent confusions") +
      (this.isPercent ? ", in percent of the true class" : "");
  }

  updateControls() {
    const { names, shown, subtracted } = this;
    this.find(".method").selectedIndex = shown;
    const others = names.filter((_, m) => m !== shown);
    this.find(".minus").replaceChildren(
      new Option("nothing", ""),
      ...others.map((name) => new Option(name, name)),
    );
    this.find(".minus").value = subtracted >= 0 ? names[subtracted] : "";
    for (const button of this.findAll(".unit")) {
      button.setAttribute("aria-pressed", button.dataset.unit === this.model.get("unit"));
    }
  }

  // What stands in a cell.
  numberWords(n, t) {
    const isDifference = this.subtracted >= 0;
    const text =
      this.isPercent
        ? percentWords(Math.abs(n), this.rowTotals[t], this.cellSize < ROOMY ? 0 : 1)
        : String(Math.abs(n));
    return isDifference ? signed(n, text) : text;
  }

  get isPercent() {
    return this.model.get("unit") === "percent";
  }

  sizeOf(n, t) {
    return this.isPercent && n ? (100 * Math.abs(n)) / this.rowTotals[t] : Math.abs(n);
  }

  updateMatrix() {
    const { size, matrix, subtracted } = this;
    const isDifference = subtracted >= 0;
    const sizes = Array.from(matrix, (n, i) => this.sizeOf(n, Math.floor(i / size)));
    const isOn = (_, i) => i % size === Math.floor(i / size);
    const most = Math.max(...sizes.filter((_, i) => !isOn(_, i)));
    const mostOn = Math.max(...sizes.filter(isOn));
    const names = isDifference
      ? `${this.names[this.shown]} minus ${this.names[subtracted]}`
      : this.names[this.shown];
    this.find(".matrix").setAttribute("aria-label", `Confusion matrix of ${names}`);
    // A sign takes the room that a number in a small cell lacks.
    this.root.classList.toggle("tight", this.cellSize < (isDifference ? CELL_SIZES[1] : ROOMY));
    for (const [i, cell] of this.cells) {
      const [t, p] = [Math.floor(i / size), i % size];
      const n = matrix[i];
      const isRight = isDifference ? (t === p) === n > 0 : t === p;
      let shade = logShade(sizes[i], t === p ? mostOn : most);
      if (t === p && !isDifference) shade = n / this.rowTotals[t];
      cell.firstChild.textContent = this.numberWords(n, t);
      cell.classList.toggle("zero", n === 0);
      cell.style.setProperty("--hue", isRight ? "var(--positive)" : "var(--negative)");
      cell.style.setProperty("--shade", `${(shade * MOST_SHADE).toFixed(1)}%`);
      cell.setAttribute("aria-label", this.cellLabel(t, p));
    }
    this.updateEdges();
  }

  updateEdges() {
    const [a, b] = [this.totals[this.shown], this.totals[this.subtracted]];
    const words = (i, kind) =>
      b
        ? shareDifference(a.right[i], a[kind][i], b.right[i], b[kind][i])
        : shareWords(a.right[i], a[kind][i]);
    for (const [t, edge] of this.recalls) {
      edge.firstChild.textContent = words(t, "rows");
      edge.title = `Recall of class ${this.nameOf(t)}: ${this.partWords(t, "rows")}`;
    }
    this.precisions.forEach((edge, p) => {
      edge.firstChild.textContent = words(p, "columns");
      edge.title = `Precision of class ${this.nameOf(p)}: ${this.partWords(p, "columns")}`;
    });
  }

  partWords(i, kind) {
    const of = kind === "rows" ? "of that class" : "predicted to be of it";
    return [this.shown, this.subtracted]
      .filter((m) => m >= 0)
      .map((m) => {
        const { right, [kind]: whole } = this.totals[m];
        return `${this.names[m]} ${thousands(right[i])} right of ${thousands(whole[i])} ${of}`;
      })
      .join("; ");
  }

  // A cell for who hears it.
  cellLabel(t, p) {
    const i = t * this.size + p;
    const place = `True ${this.nameOf(t)}, predicted ${this.nameOf(p)}`;
    const whole = this.rowTotals[t];
    const [a, b] = [this.matrices[this.shown][i], this.matrices[this.subtracted]?.[i]];
    if (b === undefined) return `${place}: ${imagesOf(a)}, ${percentWords(a, whole)}${PERCENT} of the row`;
    return (
      `${place}: ${signed(a - b, String(Math.abs(a - b)))}, ${this.names[this.shown]} ${a}, ` +
      `${this.names[this.subtracted]} ${b} of ${imagesOf(whole)}`
    );
  }

  updateList() {
    const list = this.find(".list");
    const hadFocus = list.contains(this.shadow.activeElement);
    const wholes = this.isPercent ? this.rowTotals : null;
    this.confusions = confusionsOf(this.matrix, this.size, wholes);
    list.replaceChildren(...this.confusions.map((each) => this.makeConfusion(...each)));
    if (!this.confusions.length) {
      const words = this.subtracted >= 0 ? "No cell off the diagonal differs." : "None.";
      list.append(make("p", "quiet", words));
    } else if (hadFocus) list.firstChild.focus({ preventScroll: true });
  }

  makeConfusion(t, p, n) {
    const button = make("button", "confusion");
    const names = `${this.nameOf(t)} taken for ${this.nameOf(p)}`;
    const i = t * this.size + p;
    const percent = this.isPercent;
    const whole = this.rowTotals[t];
    if (this.subtracted < 0) {
      const number = percent ? `${percentWords(n, whole)}${PERCENT}` : imagesOf(n);
      button.textContent = `${names}: ${number}`;
    } else {
      const [a, b] = [this.shown, this.subtracted].map((m) => this.matrices[m][i]);
      const [x, y] = percent ? [a, b].map((each) => percentWords(each, whole) + PERCENT) : [a, b];
      const number = percent ? percentWords(Math.abs(n), whole) : String(Math.abs(n));
      button.textContent = `${names}: ${x} ${MINUS} ${y} = ${signed(n, number)}`;
    }
    button.dataset.cell = i;
    button.addEventListener("click", () => this.goTo(t, p));
    return button;
  }

  cellChanged() {
    const [t, p] = this.cell;
    const second = this.subtracted >= 0 ? this.predicted[this.subtracted] : null;
    this.groups = itemsOf(t, p, this.classOf, this.predicted[this.shown], second);
    const key = [t, p, this.shown, this.subtracted].join();
    this.items = this.groups.flat();
    if (key !== this.key) {
      this.key = key;
      this.start = this.focused = 0;
    }
    this.showPageOfHeld();
    this.repaint();
  }

  showPageOfHeld() {
    const at = this.items.indexOf(this.model.get("selected_image"));
    if (at < 0 || !this.perPage) return;
    this.focused = at;
    this.start = at - (at % this.perPage);
  }

  resize() {
    this.layOut();
    const room = this.find(".tiles").clientWidth - 2;
    this.columns = Math.max(1, Math.floor(room / (this.tileWidth + 4)));
    const perPage = this.columns * (this.columns < 4 ? 3 : 2);
    if (perPage !== this.perPage) {
      this.perPage = perPage;
      this.tiles = Array.from({ length: perPage }, () => this.makeTile());
      this.find(".tiles").replaceChildren(...this.tiles.map((tile) => tile.root));
      this.find(".tiles").style.setProperty("--columns", this.columns);
      this.start = this.focused - (this.focused % perPage);
      this.showPageOfHeld();
    }
    this.updateMatrix();
    this.paint();
  }

  // The matrix beside everything else, where its cells are not too small then; above it elsewhere.
  layOut() {
    const edges = this.root.classList.contains("long-names") ? 96 + 54 : 66 + 54;
    const width = this.root.clientWidth;
    const fitting = (room) => Math.floor((room - edges) / this.size);
    const besideIt = width - SIDE - 58; // with the gaps between and around them
    const isWide = width >= WIDE && fitting(besideIt) >= PLEASANT;
    this.cellSize = clamp(fitting(isWide ? besideIt : width - 30), ...CELL_SIZES);
    this.root.classList.toggle("wide", isWide);
    this.root.classList.toggle("small-cells", this.cellSize < ROOMY);
    this.root.style.setProperty("--cell", `${this.cellSize}px`);
  }

  makeTile() {
    const root = make("button", "tile");
    const picture = make("span", "picture");
    const truth = make("span", "truth");
    const said = this.names.map(() => make("span", "said"));
    root.append(picture, truth, ...said);
    root.addEventListener("click", () => this.hold(root.item));
    return { root, picture, truth, said };
  }

  paint() {
    if (!this.perPage) return; // no room yet
    this.paintCells();
    this.paintImages();
    this.paintHeld();
    this.say(this.statusWords());
  }

  paintCells() {
    const [t, p] = this.cell;
    const at = this.shadow.activeElement;
    const hadFocus = at?.matches(".cell");
    for (const [i, cell] of this.cells) {
      const isSelected = i === t * this.size + p;
      cell.tabIndex = isSelected ? 0 : -1; // one stop of the tab key, then arrows
      cell.setAttribute("aria-selected", isSelected);
    }
    this.heads.forEach((head, k) => head.classList.toggle("current", k === p));
    for (const [k, side] of this.sides) side.classList.toggle("current", k === t);
    if (hadFocus) this.focusCell();
    const buttons = this.findAll(".confusion");
    const current = buttons.findIndex(({ dataset }) => Number(dataset.cell) === t * this.size + p);
    buttons.forEach((button, k) => {
      button.setAttribute("aria-pressed", k === current);
      button.tabIndex = k === Math.max(current, 0) ? 0 : -1;
    });
    if (current >= 0) this.scrollList(buttons[current]);
    this.scrollMatrix(this.cells.get(t * this.size + p));
  }

  // Where the matrix is wider than its place, to the cell, past the headings that stay at the left.
  scrollMatrix(cell) {
    const box = this.find(".scroll");
    const side = this.find("th[role=rowheader]").offsetWidth;
    const left = cell.offsetLeft - side - 3;
    const right = cell.offsetLeft + cell.offsetWidth + 3 - box.clientWidth;
    box.scrollLeft = clamp(box.scrollLeft, Math.min(right, left), left);
  }

  // Only within the list: the page stays where it is.
  scrollList(button) {
    const list = this.find(".list");
    const top = button.offsetTop - list.offsetTop;
    const low = top + button.offsetHeight - list.clientHeight;
    list.scrollTop = clamp(list.scrollTop, low, Math.max(top, low));
  }

  paintImages() {
    const { items, start, perPage } = this;
    this.find(".cell-words").textContent = this.cellWords();
    const end = Math.min(start + perPage, items.length);
    this.find(".pages").hidden = items.length <= perPage;
    this.find(".page").textContent =
      `${thousands(start + 1)}–${thousands(end)} of ${thousands(items.length)}`;
    this.find(".page-back").disabled = start === 0;
    this.find(".page-forward").disabled = end >= items.length;
    this.tiles.forEach((tile, k) => this.paintTile(tile, items[start + k], start + k));
  }

  verdicts(item) {
    const truth = this.classOf[item];
    return this.predicted.map((each) => [this.nameOf(each[item]), each[item] === truth]);
  }

  paintTile({ root, picture, truth, said }, item, place) {
    root.hidden = item === undefined;
    if (root.hidden) return;
    root.item = item;
    if (this.sprite.empty) picture.textContent = `#${item}`;
    else this.sprite.place(picture, item, PICTURE_SIZE);
    truth.textContent = `true ${this.nameOf(this.classOf[item])}`;
    this.verdicts(item).forEach(([name, isRight], m) => {
      said[m].textContent = `${this.names[m]}: ${name}\u00a0${isRight ? "✓" : "✗"}`;
      said[m].classList.toggle("shown", this.names.length > 1 && m === this.shown);
      said[m].classList.toggle("wrong", !isRight);
    });
    root.title = this.imageWords(item);
    root.setAttribute("aria-label", this.imageWords(item));
    root.setAttribute("aria-pressed", item === this.model.get("selected_image"));
    root.tabIndex = place === this.focused ? 0 : -1;
  }

  paintHeld() {
    const item = this.model.get("selected_image");
    const held = this.find(".held");
    held.hidden = item < 0 || this.sprite.empty;
    if (!held.hidden) this.sprite.place(held, item, HELD_SIZE);
    this.find(".status").classList.toggle("unseen", item < 0); // the heading says the same
    this.find(".hint").hidden = item >= 0 || !this.items.length;
  }

  cellWords() {
    const [t, p] = this.cell;
    const i = t * this.size + p;
    const whole = this.rowTotals[t];
    const [a, b] = [this.matrices[this.shown][i], this.matrices[this.subtracted]?.[i]];
    const what = t === p ? "recognised" : `taken for ${this.nameOf(p)}`;
    const place = `${this.nameOf(t)} ${what}`;
    if (b === undefined) {
      return `${place}: ${thousands(a)} of ${imagesOf(whole)} (${percentWords(a, whole)}${PERCENT}).`;
    }
    const [first, second, both] = this.groups.map(({ length }) => length);
    const names = [this.names[this.shown], this.names[this.subtracted]];
    const only = `only by ${names[0]} ${first}, only by ${names[1]} ${second}`;
    return `${place}: ${only}, by both ${both}.`;
  }

  imageWords(item) {
    const verdicts = this.verdicts(item).map(
      ([name, isRight], m) => `${this.names[m]} says ${name}, ${isRight ? "right" : "wrong"}`,
    );
    return `Image ${item} is of class ${this.nameOf(this.classOf[item])}: ${verdicts.join("; ")}.`;
  }

  statusWords() {
    const item = this.model.get("selected_image");
    if (item >= 0) return `Held: ${this.imageWords(item)}`;
    return this.cellWords();
  }
}

const STYLE = `
.confusions {
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 65%, Canvas));
  --negative-text: color-mix(in srgb, var(--negative) 82%, black);
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px 28px;
  grid-template-areas: "header" "controls" "baseline" "matrix" "list" "images";
}
.confusions.wide {
  grid-template-columns: auto minmax(0, 1fr);
  grid-template-areas:
    "header header" "matrix controls" "matrix baseline" "matrix list" "matrix images";
  grid-template-rows: auto auto auto auto 1fr;
}
.confusions.dark { --negative-text: var(--negative); }
header { grid-area: header; }
.matrix-box { grid-area: matrix; min-width: 0; }
.scroll { overflow-x: auto; padding: 3px; position: relative; }
.confusions > .controls { grid-area: controls; }
.baseline { grid-area: baseline; }
.list-box { grid-area: list; min-width: 0; }
.images { grid-area: images; min-width: 0; }
h3 { font: inherit; font-weight: 600; }
.matrix { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
.matrix :is(th, td) { padding: 0; text-align: center; font-weight: 400; font-size: 13px; }
.axis { color: var(--quiet); height: 22px; }
.matrix tr > :first-child { position: sticky; left: 0; background: var(--ground); z-index: 2; }
.matrix th:first-child { text-align: right; padding-right: 6px; }
.readout { white-space: normal; }
th.name.current { font-weight: 700; }
th.name.current span {
  text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px;
}
.cell {
  width: var(--cell); min-width: var(--cell); height: var(--cell); cursor: pointer;
  border: 1px solid color-mix(in srgb, var(--line) 45%, transparent);
  background: color-mix(in srgb, var(--hue) var(--shade), var(--ground));
}
.cell.zero { color: var(--quiet); }
.diagonal { border: 2px solid var(--positive); font-weight: 600; }
.cell[aria-selected="true"] { outline: 3px solid currentColor; outline-offset: -3px; }
.cell:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 0; position: relative; z-index: 1;
}
.edge { color: var(--quiet); min-width: 50px; }
.precisions .edge { min-width: 0; height: 30px; }
.matrix td.edge { font-size: 11px; }
.small-cells .matrix .cell, .small-cells .matrix .name { font-size: 11px; }
.tight .precisions .edge span { writing-mode: vertical-rl; padding-top: 4px; }
.legend { font-size: 11px; padding: 4px 3px 0; width: 0; min-width: 100%; }
.units { display: inline-flex; gap: 4px; }
.confusions select { max-width: 180px; }
.list {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 4px;
  max-height: 146px; overflow-y: auto; padding: 3px;
}
.confusion {
  font-size: min(var(--text), 15px); text-align: left; font-variant-numeric: tabular-nums;
}
.images-head {
  display: flex; justify-content: space-between; align-items: center; gap: 8px; min-height: 44px;
}
.pages { display: inline-flex; align-items: center; gap: 4px; flex: none; }
.pages button { padding: 0; font-size: 24px; line-height: 1; }
.page { min-width: 92px; text-align: center; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--tile), 1fr)); gap: 4px;
  padding: 3px;
}
.tile {
  display: flex; flex-direction: column; align-items: center; justify-content: flex-start;
  padding: 5px 2px; line-height: 1.3; border-color: transparent; overflow-wrap: anywhere;
  color: inherit;
}
.picture { display: block; }
.truth { font-weight: 600; padding-top: 2px; }
.said { font-size: 11px; }
.said.shown { font-weight: 700; }
.said.wrong { color: var(--negative-text); }
.foot { display: flex; gap: 14px; align-items: center; padding: 6px 3px 0; }
.held { flex: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.foot .status { color: inherit; }
.images { position: relative; }
.long-names thead .name span {
  writing-mode: vertical-rl; transform: rotate(180deg); max-height: 86px; overflow: hidden;
  padding-top: 3px;
}
.long-names tbody .name span {
  display: block; max-width: 90px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
`;

export default { render };
