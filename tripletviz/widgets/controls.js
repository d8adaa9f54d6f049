// Labelled controls for the settings of a training.

import { clamp, make } from "./shared.js";

const LEARNING_RATES = [
  0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5,
  1,
];

export const shortNumber = (value) => String(Number(value.toPrecision(4)));

// A labelled control: `read` gives its value, `write` shows one.
export function makeSetting(name, label, input, { read, write, output } = {}) {
  const root = make("label", `setting setting-${name}`);
  root.append(make("span", "setting-name", label), input);
  if (output) root.append(output);
  input.name = name;
  return {
    name,
    root,
    input,
    read: read ?? (() => Number(input.value)),
    write: write ?? ((value) => selectValue(input, value)),
  };
}

// Chooses an option of a menu, and adds it first where Python has set a value of its own.
export function selectValue(select, value) {
  const text = String(value);
  if (![...select.options].some((option) => option.value === text)) {
    select.append(new Option(text, text));
  }
  select.value = text;
}

export function makeMenu(entries) {
  const select = make("select");
  select.append(...entries.map(([value, text]) => new Option(text ?? value, value)));
  return select;
}

// A menu whose values are names.
export function makeChoice(name, label, entries) {
  const input = makeMenu(entries);
  return makeSetting(name, label, input, { read: () => input.value });
}

export function makeRange(max, min = 0, step = 1) {
  const input = make("input");
  Object.assign(input, { type: "range", min, max, step });
  return input;
}

export function makeCheckbox(name, label) {
  const input = make("input");
  input.type = "checkbox";
  const setting = makeSetting(name, label, input, {
    read: () => input.checked,
    write: (value) => (input.checked = value),
  });
  setting.root.classList.add("tick");
  return setting;
}

// A slider along given values; it stands at the one that is nearest, by their ratio.
export function makeScale(name, label, values) {
  const output = make("output", "number");
  const input = makeRange(values.length - 1);
  return makeSetting(name, label, input, {
    output,
    read: () => values[Number(input.value)],
    write(value) {
      const distance = values.map((each) => Math.abs(Math.log(each / value)));
      input.value = distance.indexOf(Math.min(...distance));
      output.textContent = shortNumber(value);
      input.setAttribute("aria-valuetext", shortNumber(value));
    },
  });
}

export const makeLearningRate = () => makeScale("learning_rate", "Learning rate", LEARNING_RATES);

export function makeSeed() {
  const input = make("input");
  Object.assign(input, { type: "number", min: 0, max: 2 ** 31 - 1, step: 1 });
  return makeSetting("seed", "Seed", input, {
    read: () => clamp(Math.round(Number(input.value)) || 0, 0, 2 ** 31 - 1),
    write: (value) => (input.value = value),
  });
}

export const CONTROLS_STYLE = `
.setting { display: inline-flex; align-items: center; gap: 6px; min-height: 44px; }
.setting-name { color: var(--quiet); }
.setting input[type="range"] { width: 110px; }
.setting output { min-width: 44px; }
.setting input[type="number"] { width: 76px; padding: 0 6px; }
.tick { flex-direction: row-reverse; }
.setting:has(:disabled) { opacity: 0.75; }
select:disabled, input:disabled { opacity: 0.6; }
`;
