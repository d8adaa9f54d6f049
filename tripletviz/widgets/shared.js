// What the widgets share: one look, one way to listen, to speak and to clean up.
//
// A widget's script imports from here; Python puts this text in the place of the import, since a
// widget is one module for the browser (`load_script`).

export const SYNC_MILLISECONDS = 200; // how often a moving value is sent to Python

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
export const pixelRatio = () => Math.min(window.devicePixelRatio || 1, 2); // finer is not seen
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// As in palette.py: a triplet's three by colour and shape, its difficulty by colour and word.
export const ROLE_COLORS = { anchor: "currentColor", positive: "#0072b2", negative: "#d55e00" };
export const CATEGORY_COLORS = { easy: "#7f8c8d", "semi-hard": "#b8860b", hard: "#9b30a0" };

// What a curve's name means, in the few words for which a chart has room.
export const CURVE_MEANINGS = { "positive triplets": "(loss above 0)" };

export const DISTANCE_NAMES = {
  euclidean: "Euclidean distance",
  squared_euclidean: "squared Euclidean distance",
  cosine: "cosine distance",
};

// How much larger a page shows an element than its own pixels say: a slide may be enlarged.
export function enlargement(element) {
  const ratio = element.getBoundingClientRect().width / (element.offsetWidth ?? element.clientWidth);
  return Number.isFinite(ratio) && Math.abs(ratio - 1) > 0.01 ? ratio : 1;
}

// Where in an element a pointer is, in the element's own pixels.
export function pointIn(element, { clientX, clientY }) {
  const { left, top } = element.getBoundingClientRect();
  const ratio = enlargement(element);
  return [(clientX - left) / ratio, (clientY - top) / ratio];
}

// ---------------------------------------------------------------- the clock

// Runs a model's `position` from where it is to its end while `playing`, once for each model, and
// gives what stops it. `last()` is the end, `speed()` snapshots a second; where motion is not
// wanted, whole ones are jumped to, `jumps` times as seldom.
export function runClock(model, { last, speed, jumps = 1 }) {
  let request = 0;
  let previous = 0;
  let waited = 0; // jumps owed, where motion is not wanted
  let sent = 0;

  function advance(seconds) {
    const position = model.get("position");
    const distance = seconds * speed();
    if (!reducedMotion()) return position + distance;
    waited += distance / jumps;
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
    const end = last();
    const position = Math.min(advance(seconds), end);
    model.set("position", position);
    const ended = position >= end;
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
      if (model.get("position") >= last()) model.set("position", 0);
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

// ---------------------------------------------------------------- data

// The buffer may start at any byte of a message, a typed array only at a multiple of its size.
const bytesOf = (view) =>
  view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
export const floatsOf = (view) => new Float32Array(bytesOf(view));
export const intsOf = (view) => new Int32Array(bytesOf(view));

// Three digits, the zeros among them too: a share of 0.9999 is 1.00, not the whole of it.
export function formatted(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : value.toPrecision(3);
}

// ---------------------------------------------------------------- elements

export function make(tag, className = "", text = undefined) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Plain text into an element, with what stands between backticks as code.
export function write(element, text) {
  const parts = text.split("`");
  const pieces = parts.map((part, k) => (k % 2 ? make("code", "", part) : part));
  element.replaceChildren(...(parts.length % 2 ? pieces : [text])); // a backtick alone is none
  return element;
}

export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(element, attributes);
  return element;
}

export function setAll(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

const ICONS = {
  back: "M14 4 6 10l8 6zM5 4h1.8v12H5z",
  play: "M6 3.5 16.5 10 6 16.5z",
  pause: "M5 4h3.6v12H5zM11.4 4H15v12h-3.6z",
  fit: "M3 8V3h5v2H5v3zM12 3h5v5h-2V5h-3zM3 12h2v3h3v2H3zM15 12h2v5h-5v-2h3zM8 8h4v4H8z",
  forward: "M6 4l8 6-8 6zM13.2 4H15v12h-1.8z",
};
export const icon = (name) =>
  `<svg viewBox="0 0 20 20" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;

// The mark of a role, centred at the origin: a diamond, a circle, a square of the same weight.
const ROLE_PATHS = {
  anchor: (r) => `M0 ${-1.25 * r}L${1.25 * r} 0L0 ${1.25 * r}L${-1.25 * r} 0Z`,
  positive: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  negative: (r) => `M${-0.9 * r} ${-0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
};
export const rolePath = (role, radius) => ROLE_PATHS[role](radius);

// The same mark as a small picture beside a word, for legends.
export const roleIcon = (role) =>
  `<svg class="role-icon" viewBox="-8 -8 16 16" aria-hidden="true"><path d="${rolePath(role, 6)}"
    fill="var(--${role}, currentColor)"/></svg>`;

// The pictures of a widget's items, all on one sheet (`make_sprite`).
export class Sprite {
  constructor(model) {
    const sheet = model.get("_sprite");
    this.layout = model.get("_sprite_layout");
    this.empty = !sheet?.byteLength;
    if (!this.empty) this.url = URL.createObjectURL(new Blob([sheet], { type: "image/png" }));
  }

  // Shows item `index` in an element, `size` CSS pixels high or wide. Dark ink on white, as in
  // the figures, whatever the theme.
  place(element, index, size) {
    const { height, width, columns } = this.layout;
    const zoom = size / Math.max(height, width);
    element.classList.add("digit");
    Object.assign(element.style, {
      width: `${width * zoom}px`,
      height: `${height * zoom}px`,
      backgroundImage: `url(${this.url})`,
      backgroundSize: `${columns * width * zoom}px auto`,
      backgroundPosition:
        `-${(index % columns) * width * zoom}px -${Math.floor(index / columns) * height * zoom}px`,
    });
  }

  make(index, size) {
    const element = make("div");
    this.place(element, index, size);
    return element;
  }

  // The sheet as a decoded image, to draw parts of it on a canvas.
  async load() {
    const image = new Image();
    image.setAttribute("src", this.url);
    await image.decode();
    return image;
  }

  remove() {
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

// ---------------------------------------------------------------- the theme

// A canvas keeps its pixels as red, green, blue, alpha: backwards in a little-endian word.
export const wordOf = ([red, green, blue]) =>
  ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// What the page's theme means in numbers; pixels know no CSS variables.
export function readTheme(element) {
  const style = getComputedStyle(element);
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgbOf = (color) => {
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const background = style.backgroundColor;
  const [red, green, blue] = rgbOf(background);
  const dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  return {
    background,
    backgroundWord: wordOf([red, green, blue]),
    dark,
    foreground: style.color,
    font: style.fontFamily,
    // Thin marks need more light on a dark ground than the same colour has on white.
    markColor: (color) => rgbOf(color).map((part) => (dark ? Math.round(0.75 * part + 64) : part)),
  };
}

// ---------------------------------------------------------------- the view

// Builds a widget's elements behind a shadow root, where neither a slide theme's fonts nor a
// notebook's table rules reach them. Gives what anywidget calls when the view goes.
export function mount({ model, el }, name, style, template, View) {
  const host = make("div", `tripletviz-${name}`);
  const shadow = host.attachShadow({ mode: "open" });
  shadow.innerHTML = `<style>${BASE_STYLE}${style}</style>${template}`;
  el.append(host);
  const view = new View(model, shadow);
  return () => {
    view.remove();
    host.remove();
  };
}

// What every view does: follow the model's traits, listen, paint once a frame, say its state.
export class BaseView {
  constructor(model, shadow) {
    this.model = model;
    this.shadow = shadow;
    this.root = shadow.querySelector(".widget");
    this.undo = [];
    this.request = 0;
  }

  find(selector) {
    return this.shadow.querySelector(selector);
  }

  findAll(selector) {
    return [...this.shadow.querySelectorAll(selector)];
  }

  on(target, name, listener, options) {
    target.addEventListener(name, listener, options);
    this.undo.push(() => target.removeEventListener(name, listener, options));
  }

  // Calls `listener` whenever one of the traits changes, here or in Python.
  follow(names, listener) {
    for (const name of [names].flat()) {
      this.model.on(`change:${name}`, listener);
      this.undo.push(() => this.model.off(`change:${name}`, listener));
    }
  }

  // Drags and clicks on an element, the pointer held: `moved(event, isFirst)`, `ended(event)`.
  onDrag(element, moved, ended = () => {}) {
    this.on(element, "pointerdown", (event) => {
      if (event.button) return;
      element.setPointerCapture(event.pointerId);
      moved(event, true);
    });
    this.on(
      element,
      "pointermove",
      (event) => element.hasPointerCapture(event.pointerId) && moved(event, false),
    );
    for (const name of ["pointerup", "pointercancel"]) this.on(element, name, ended);
  }

  // `actions` maps a key to a function of the event, which returns false to leave the key alone.
  // No key reaches JupyterLab, which would move to the next cell, or cut this one at an "x".
  onKeys(actions) {
    this.on(this.root, "keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (["Tab", "Escape"].includes(event.key) || (event.key === "Enter" && event.shiftKey)) return;
      event.stopPropagation();
      const { key, target } = event;
      if (target.matches("select, input:not([type=range])")) return;
      if ([" ", "Enter"].includes(key) && target.matches("button, summary, a")) return;
      const action = actions[key];
      if (!action || action(event) === false) return;
      event.preventDefault();
    });
  }

  // Calls `listener` at once and whenever the element's size, the page's theme or the screen's
  // resolution changes.
  onLook(element, listener) {
    let before;
    const look = () => {
      const { backgroundColor, color } = getComputedStyle(this.root);
      const now = [element.clientWidth, element.clientHeight, backgroundColor, color, pixelRatio()];
      if (!element.clientWidth || String(now) === before) return;
      before = String(now);
      this.root.classList.toggle("dark", readTheme(this.root).dark);
      listener();
    };
    const resized = new ResizeObserver(look);
    resized.observe(element);
    // A theme comes by class, by media query or by a late style sheet, a window moves to a denser
    // screen, and no event tells of all of them: looking twice a second does.
    const looking = setInterval(look, 500);
    this.undo.push(() => resized.disconnect(), () => clearInterval(looking));
  }

  send(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  // As `send`, for values that follow the pointer: at most five messages a second.
  sendSoon(name, value) {
    this.model.set(name, value);
    this.timer ??= setTimeout(() => this.sendNow(), SYNC_MILLISECONDS);
  }

  sendNow() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.model.save_changes();
  }

  // Calls `paint`, which a widget defines, once before the next frame.
  repaint() {
    this.request ||= requestAnimationFrame(() => {
      this.request = 0;
      this.paint();
    });
  }

  // The state in words. A screen reader hears it once it has come to rest, not at every move.
  say(words, delay = 300) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      const status = this.find(".status");
      if (status.textContent !== words) status.textContent = words; // said again only if it changed
    }, delay);
  }

  remove() {
    cancelAnimationFrame(this.request);
    clearTimeout(this.saying);
    if (this.timer !== undefined) this.sendNow();
    for (const undo of this.undo) undo();
  }
}

// JupyterLab's theme where there is one, the browser's own colours elsewhere. Sizes: 16 for what
// is read first, 13 for everything else, 11 for what stands on an axis. On a slide
// (deck.js says so) they are larger, and what a lecturer says, or what needs a kernel, is hidden.
export const BASE_STYLE = `
:host {
  display: block; container-type: inline-size;
  --large: 16px; --text: 13px; --small: 11px;
}
:host(.projected) { --large: 22px; --text: 18px; --small: 15px; }
:host(.projected) :is(.hint, .setting) { display: none; }
:host(.projected) .widget > .status {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
* { box-sizing: border-box; margin: 0; }
[hidden] { display: none !important; }
.widget {
  --line: var(--jp-border-color1, GrayText);
  --quiet: var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 68%, Canvas));
  --accent: var(--jp-brand-color1, #1976d2);
  --ground: var(--jp-layout-color0, Canvas);
  --raised: var(--jp-layout-color1, Canvas);
  --positive: #0072b2; --negative: #d55e00;
  --easy: #7f8c8d; --semi-hard: #b8860b; --hard: #9b30a0;
  padding: 10px 12px; background-color: var(--ground); border-radius: 4px;
  color: var(--jp-ui-font-color1, CanvasText);
  font: var(--text)/1.35 var(--jp-ui-font-family, system-ui, sans-serif); text-align: left;
}
.widget.dark {
  --accent: var(--jp-brand-color1, #64b5f6); --positive: #4da3d8; --negative: #f08a4b; --hard: #c77dd1;
  --semi-hard: #d9a93a;
}
.widget:focus-visible, button:focus-visible, select:focus-visible, input:focus-visible,
[tabindex]:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
header { display: flex; gap: 6px 20px; flex-wrap: wrap; align-items: baseline; }
.title { flex: 1 1 auto; font-size: var(--large); font-weight: 600; }
.readout { font-size: var(--large); font-variant-numeric: tabular-nums; white-space: nowrap; }
.status { min-height: 18px; color: var(--quiet); }
.quiet { color: var(--quiet); }
.number { font-variant-numeric: tabular-nums; }
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; }
.controls label { display: inline-flex; align-items: center; gap: 6px; color: var(--quiet); }
button, select, input[type="text"], input[type="number"] {
  font: inherit; color: var(--jp-ui-font-color1, CanvasText); background: none;
  border: 1px solid var(--line); border-radius: 4px; min-height: 44px;
}
button { cursor: pointer; min-width: 44px; padding: 0 10px; touch-action: manipulation; }
button:disabled { opacity: 0.4; cursor: default; }
button[aria-pressed="true"] {
  border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent);
}
button svg { display: block; margin: auto; width: 22px; height: 22px; fill: currentColor; }
@media (hover: hover) {
  button:hover:not(:disabled) {
    background: var(--jp-layout-color2, color-mix(in srgb, currentColor 12%, transparent));
  }
}
button, select, input { color-scheme: light; }
.dark :is(button, select, input) { color-scheme: dark; }
select { padding: 0 4px; }
option { background: var(--raised); }
input[type="range"] { height: 44px; min-width: 60px; touch-action: none; accent-color: var(--accent); }
input[type="checkbox"] { width: 20px; height: 20px; accent-color: var(--accent); }
.digit { background-repeat: no-repeat; image-rendering: pixelated; filter: invert(1); }
.role-icon { width: 16px; height: 16px; vertical-align: -3px; overflow: visible; }
`;
