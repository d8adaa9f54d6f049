// Prediction: asks for a number or for the shape of a curve, before it is measured.

import { BaseView, clamp, make, makeSvg, mount, setAll, write } from "./shared.js";

const ICON = { width: 108, height: 60, side: 8 }; // a drawn shape, in CSS pixels
const STEPS = 100; // of the slider's arrow keys from one end to the other, about

// ---------------------------------------------------------------- numbers and words

// A round step, at most a hundredth of the way.
export function stepOf(low, high) {
  const raw = (high - low) / STEPS;
  const power = 10 ** Math.floor(Math.log10(raw) + 1e-9);
  const factor = [5, 2, 1].find((digit) => digit * power <= raw * (1 + 1e-9));
  return Number((factor * power).toPrecision(6));
}

export function spoken(value) {
  const digits = Math.abs(value) >= 1000 ? 8 : 6;
  return Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 6 });
}

// The path of a shape in its frame: heights from left to right, the higher the further up.
export function pathOf(points, { width, height, side }) {
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const y = (value) =>
    high > low ? height - side - ((value - low) / (high - low)) * (height - 2 * side) : height / 2;
  const x = (k) => side + (k / (points.length - 1)) * (width - 2 * side);
  return points.map((p, k) => `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(p).toFixed(1)}`).join("");
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget prediction" tabindex="-1" role="group" aria-labelledby="question">
  <header><span class="kind">Predict</span><h3 class="title" id="question"></h3></header>
  <div class="number-answer">
    <span class="slide">
      <span class="end low number"></span>
      <input type="range" class="slider" aria-labelledby="question">
      <span class="end high number"></span>
    </span>
    <label>Your number <input type="number" class="field" step="any" placeholder="?">
      <span class="unit"></span></label>
  </div>
  <div class="shapes" role="radiogroup" aria-labelledby="question"></div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.shapes = model.get("_shapes");
    this.low = model.get("_low");
    this.high = model.get("_high");
    this.unit = model.get("_unit");
    this.find(".number-answer").hidden = this.shapes.length > 0;
    this.find(".shapes").hidden = this.shapes.length === 0;
    if (this.shapes.length) this.buildShapes();
    else this.buildNumber();
    this.follow(["question", "value", "answered"], () => this.repaint());
    this.onLook(this.root, () => this.repaint());
    this.repaint();
  }

  // ---- a number

  buildNumber() {
    const { low, high } = this;
    this.slider = this.find(".slider");
    this.field = this.find(".field");
    this.find(".unit").textContent = this.unit;
    this.hasSlider = low !== null && high !== null;
    this.find(".slide").hidden = !this.hasSlider;
    if (this.hasSlider) {
      setAll(this.slider, { min: low, max: high, step: stepOf(low, high) });
      this.slider.value = (low + high) / 2;
      this.find(".low").textContent = spoken(low);
      this.find(".high").textContent = spoken(high);
    }
    this.on(this.slider, "input", () => this.answerSoon(this.slider.valueAsNumber));
    // Let go where it stood, it has been chosen all the same.
    for (const name of ["change", "pointerup"]) {
      this.on(this.slider, name, () => this.answer(this.slider.valueAsNumber));
    }
    this.on(this.field, "change", () => this.typed());
    const choose = () => this.answer(this.slider.valueAsNumber);
    this.onKeys({
      Enter: ({ target }) => target === this.slider && choose(),
      " ": ({ target }) => target === this.slider && choose(),
    });
  }

  typed() {
    const typed = this.field.valueAsNumber;
    if (Number.isNaN(typed)) return this.answer(null);
    const value = clamp(typed, this.low ?? -Infinity, this.high ?? Infinity);
    this.wasOutside = value !== typed;
    return this.answer(value);
  }

  answerSoon(value) {
    this.wasOutside = false;
    this.model.set("answered", true);
    this.sendSoon("value", value);
  }

  answer(value) {
    this.model.set("answered", value !== null);
    this.model.set("value", value);
    this.sendNow();
    this.repaint();
  }

  // ---- a shape

  buildShapes() {
    this.buttons = this.shapes.map(({ name, points }, k) => {
      const button = make("button", "shape");
      button.setAttribute("role", "radio");
      const picture = makeSvg("svg", {
        viewBox: `0 0 ${ICON.width} ${ICON.height}`,
        class: "curve",
        "aria-hidden": "true",
      });
      const { side, width, height } = ICON;
      picture.append(
        makeSvg("path", { class: "axes", d: `M3 3V${height - 2}H${width - 2}` }),
        makeSvg("path", { class: "line", d: pathOf(points, { side, width, height }) }),
      );
      const tick = make("span", "tick");
      const words = make("span", "name");
      words.append(tick, write(make("span"), name));
      button.append(picture, words);
      button.addEventListener("click", () => this.answer(name));
      return { button, tick };
    });
    this.find(".shapes").append(...this.buttons.map(({ button }) => button));
    this.onKeys({
      ArrowRight: () => this.move(1),
      ArrowDown: () => this.move(1),
      ArrowLeft: () => this.move(-1),
      ArrowUp: () => this.move(-1),
    });
  }

  move(by) {
    const names = this.shapes.map(({ name }) => name);
    const focused = this.buttons.findIndex(({ button }) => button === this.shadow.activeElement);
    const from = focused < 0 ? names.indexOf(this.model.get("value")) : focused;
    const to = (Math.max(from, 0) + by + names.length) % names.length;
    this.answer(names[to]);
    this.buttons[to].button.focus({ preventScroll: true });
  }

  // ---- showing

  paint() {
    write(this.find(".title"), this.model.get("question"));
    const value = this.model.get("value");
    if (this.shapes.length) this.paintShapes(value);
    else this.paintNumber(value);
    this.root.classList.toggle("answered", this.model.get("answered"));
    this.say(this.statusWords(value), 150);
  }

  paintNumber(value) {
    const shown = value === null ? "" : String(Number(value.toPrecision(8)));
    const isTyping = this.shadow.activeElement === this.field;
    if (!isTyping || this.field.valueAsNumber !== value) this.field.value = shown;
    if (!this.hasSlider) return;
    if (value !== null) this.slider.value = value;
    this.slider.classList.toggle("untouched", value === null);
    this.slider.setAttribute("aria-valuetext", value === null ? "no prediction yet" : shown);
  }

  paintShapes(value) {
    const at = this.shapes.findIndex(({ name }) => name === value);
    this.buttons.forEach(({ button, tick }, k) => {
      button.setAttribute("aria-checked", k === at);
      button.tabIndex = k === Math.max(at, 0) ? 0 : -1;
      tick.textContent = k === at ? "✓ " : "";
    });
  }

  statusWords(value) {
    if (value === null) return "No prediction yet. Make one before you run on.";
    const unit = this.unit && ` ${this.unit}`;
    const said = this.shapes.length ? value : `${spoken(value)}${unit}`;
    if (!this.model.get("answered")) return `Preset: ${said}. Make your own prediction before you run on.`;
    if (this.wasOutside) {
      const ends = [this.low, this.high].map((end) => (end === null ? "" : spoken(end)));
      return `The number lies between ${ends.join(" and ")}. Your prediction: ${said}.`;
    }
    return `Your prediction: ${said}. You may change it until you compare.`;
  }
}

const STYLE = `
.prediction {
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; max-width: 860px;
  border: 1px solid var(--line); border-left: 4px solid var(--semi-hard);
}
header { flex-wrap: nowrap; gap: 12px; }
.kind {
  flex: none; font-size: var(--small); font-weight: 700; letter-spacing: 0.06em;
  text-transform: uppercase; color: var(--quiet);
}
code { font-family: var(--jp-code-font-family, monospace); font-size: 0.93em; }
.number-answer { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 24px; }
.number-answer label { display: inline-flex; align-items: center; gap: 8px; }
.slide { display: flex; flex: 1 1 260px; align-items: center; gap: 8px; max-width: 460px; }
.slider { flex: 1; }
.slider.untouched { opacity: 0.55; }
.end { color: var(--quiet); }
.field { width: 112px; padding: 0 8px; font-size: var(--large); }
.shapes { display: flex; flex-wrap: wrap; gap: 8px; }
.shape {
  display: flex; flex-direction: column; align-items: center; gap: 2px; width: 132px;
  padding: 8px 6px;
}
.shape[aria-checked="true"] {
  border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent);
}
.shape .curve { width: 108px; height: 60px; fill: none; }
.axes { stroke: var(--line); stroke-width: 1; }
.line { stroke: currentColor; stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round; }
.shape[aria-checked="true"] .line { stroke: var(--accent); }
.shape[aria-checked="true"] .name { font-weight: 700; }
@container (max-width: 479px) {
  header { flex-direction: column; gap: 2px; }
  .shape { width: calc(50% - 4px); }
}
`;

const render = (context) => mount(context, "prediction", STYLE, TEMPLATE, View);

export default { render };
