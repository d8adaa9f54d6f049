// What the widgets share whose *train* button has the kernel train: a form, a button, and what the
// kernel says of the training.
//
// Whether a kernel is there that trains, a view asks by a message: traits are saved with a page,
// and would still say yes when it is exported.

import { CONTROLS_STYLE } from "./controls.js";
import { BaseView } from "./shared.js";

const PATIENCE = 2000; // milliseconds in which a free kernel answers
const BUSY = ["importing", "training"];

// A view of this kind has a `form`, which is a list of settings, and says in `messageNow(state)`
// what stands beside the button.
export class TrainableView extends BaseView {
  // ---- listening

  listenToForm() {
    this.on(this.find(".train"), "click", () => this.train());
    for (const setting of this.form) {
      const { name, input } = setting;
      const live = input.type === "range";
      this.on(input, live ? "input" : "change", () => {
        const value = setting.read();
        setting.write(value); // what is out of range comes back within it
        if (live) this.sendSoon(name, value);
        else this.send(name, value);
      });
    }
  }

  // Only an answer proves that somebody is there who trains.
  listenToKernel() {
    Object.assign(this, { alive: false, pending: "", late: false });
    const hear = ({ type }) => {
      this.hear(type);
      this.update();
    };
    this.model.on("msg:custom", hear);
    this.undo.push(
      () => this.model.off("msg:custom", hear),
      () => clearTimeout(this.waiting),
    );
    this.tell({ type: "hello" });
  }

  hear(type) {
    if (type === "alive") this.alive = true;
    if (type === "started") this.endWaiting();
  }

  tell(content) {
    this.model.send?.(content);
  }

  // ---- acting

  // Whether what the traits say of a training is true now.
  get isTold() {
    return this.alive;
  }

  get busy() {
    const told = this.isTold && BUSY.includes(this.model.get("state"));
    return this.pending === "train" || told;
  }

  get settingsNow() {
    return Object.fromEntries(this.form.map(({ name }) => [name, this.model.get(name)]));
  }

  train() {
    if (!this.alive || this.busy) return;
    if (this.timer !== undefined) this.sendNow();
    this.ask("train", { settings: this.settingsNow });
  }

  // Asks the kernel for something, and waits for its answer: what for is `pending`.
  ask(type, content = {}) {
    Object.assign(this, { pending: type, late: false });
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.late = true;
      this.update();
    }, PATIENCE);
    this.tell({ type, ...content });
    this.update();
  }

  endWaiting() {
    Object.assign(this, { pending: "", late: false });
    clearTimeout(this.waiting);
  }

  // ---- showing

  updateForm() {
    const isOff = !this.alive || this.busy;
    for (const { name, input, write } of this.form) {
      // What is being typed is not overwritten by news.
      const isTyping = input.type === "number" && this.shadow.activeElement === input;
      if (!isTyping) write(this.model.get(name));
      input.disabled = isOff;
    }
    this.find(".train").disabled = isOff;
  }

  updateMessage() {
    const { busy } = this;
    const state = this.model.get("state");
    const message = this.find(".message");
    message.textContent = this.messageNow(state);
    message.classList.toggle("failed", this.alive && !busy && state === "failed");
    const progress = this.find(".progress");
    progress.hidden = !busy;
    if (state === "training") progress.value = this.model.get("progress");
    else progress.removeAttribute("value");
  }

  get askingWords() {
    return this.late
      ? "The kernel has not answered: it is busy, or no longer runs."
      : "Asking the kernel ...";
  }
}

export const TRAINABLE_STYLE = `
${CONTROLS_STYLE}
.settings { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; }
.act { display: flex; align-items: center; gap: 4px 12px; }
.train {
  flex: none; min-width: 96px; font-weight: 600; border-color: var(--accent); color: var(--accent);
}
.train:disabled { border-color: var(--line); color: inherit; }
.failed { color: var(--negative); }
.progress {
  display: block; width: 100%; max-width: 420px; height: 8px; accent-color: var(--accent);
}
`;
