// Quiz: one question, a few choices, and for each why it is right or wrong once it is chosen.
//
// Right and wrong are known here, so that a quiz needs no kernel; Python hears what was chosen.

import { BaseView, make, mount, write } from "./shared.js";

const LETTERS = "ABCDEF";

// ---------------------------------------------------------------- words

// What a screen reader hears after a choice, and what is said before the first one.
export function statusWords(choices, right, chosen) {
  const at = choices.findIndex((choice) => choice.text === chosen);
  if (at < 0) return "Choose an answer; each one is explained, and you may try others.";
  const verdict = chosen === right ? "right" : "wrong";
  return `${LETTERS[at]} is ${verdict}. ${choices[at].why.replaceAll("`", "")}`;
}

// ---------------------------------------------------------------- the view

const TEMPLATE = `
<section class="widget quiz" tabindex="-1" role="group" aria-labelledby="question">
  <header><span class="kind">Quiz</span><h3 class="title" id="question"></h3></header>
  <div class="choices" role="radiogroup" aria-labelledby="question"></div>
  <div class="foot">
    <p class="invitation"></p>
    <button class="again">Start again</button>
  </div>
  <p class="status" role="status" aria-live="polite"></p>
</section>`;

class View extends BaseView {
  constructor(model, shadow) {
    super(model, shadow);
    this.choices = model.get("_choices");
    this.right = model.get("_right");
    this.rows = this.choices.map((choice, k) => this.makeRow(choice, k));
    this.find(".choices").append(...this.rows.map((row) => row.root));
    this.current = 0;
    this.follow(["question", "chosen", "tried"], () => this.repaint());
    this.on(this.find(".again"), "click", () => this.startAgain());
    this.listenToKeys();
    this.onLook(this.root, () => this.repaint());
    this.repaint();
  }

  makeRow({ text, why }, k) {
    const root = make("div", "row");
    const button = make("button", "choice");
    button.setAttribute("role", "radio");
    const letter = make("span", "letter", LETTERS[k]);
    const words = write(make("span", "words"), text);
    const mark = make("span", "mark");
    button.append(letter, words, mark);
    const explanation = make("p", "why");
    explanation.id = `why-${k}`;
    const verdict = make("strong", "verdict", text === this.right ? "Right." : "Wrong.");
    explanation.append(verdict, " ", write(make("span"), why));
    button.addEventListener("click", () => this.choose(k));
    root.append(button, explanation);
    return { root, button, mark, explanation };
  }

  listenToKeys() {
    const actions = {
      ArrowDown: () => this.move(1),
      ArrowRight: () => this.move(1),
      ArrowUp: () => this.move(-1),
      ArrowLeft: () => this.move(-1),
      Home: () => this.go(0),
      End: () => this.go(this.rows.length - 1),
    };
    this.choices.forEach((_, k) => {
      for (const key of [LETTERS[k], LETTERS[k].toLowerCase()]) {
        actions[key] = () => {
          this.go(k);
          this.choose(k);
        };
      }
    });
    this.onKeys(actions);
  }

  // ---- acting

  move(by) {
    const focused = this.rows.findIndex(({ button }) => button === this.shadow.activeElement);
    const from = focused < 0 ? this.current : focused;
    this.go((from + by + this.rows.length) % this.rows.length);
  }

  go(k) {
    this.current = k;
    this.paintEntrance();
    this.rows[k].button.focus({ preventScroll: true });
  }

  choose(k) {
    const { text } = this.choices[k];
    this.current = k;
    const tried = this.model.get("tried");
    if (!tried.includes(text)) this.model.set("tried", [...tried, text]);
    this.send("chosen", text);
  }

  startAgain() {
    this.model.set("tried", []);
    this.send("chosen", "");
    this.go(0);
  }

  // ---- showing

  paint() {
    write(this.find(".title"), this.model.get("question"));
    const chosen = this.model.get("chosen");
    const tried = new Set([...this.model.get("tried"), chosen]);
    this.choices.forEach(({ text }, k) => this.paintRow(k, tried.has(text), text === chosen));
    const at = this.choices.findIndex(({ text }) => text === chosen);
    if (at >= 0 && !this.shadow.activeElement) this.current = at;
    this.paintEntrance();
    this.find(".again").hidden = at < 0;
    this.find(".invitation").textContent =
      at < 0
        ? "Choose an answer; each one is explained, and you may try others."
        : chosen === this.right
          ? "You may look at the other answers too."
          : "Try another one.";
    const words = statusWords(this.choices, this.right, chosen);
    this.say(words, 100);
  }

  paintRow(k, isTried, isChosen) {
    const { root, button, mark, explanation } = this.rows[k];
    const isRight = this.choices[k].text === this.right;
    root.classList.toggle("right", isTried && isRight);
    root.classList.toggle("wrong", isTried && !isRight);
    root.classList.toggle("chosen", isChosen);
    button.setAttribute("aria-checked", isChosen);
    if (isTried) button.setAttribute("aria-describedby", explanation.id);
    else button.removeAttribute("aria-describedby");
    mark.textContent = isTried ? (isRight ? "✓ right" : "✗ wrong") : "";
    explanation.hidden = !isTried;
  }

  // One stop of the tab key, then arrows.
  paintEntrance() {
    this.rows.forEach(({ button }, k) => {
      button.tabIndex = k === this.current ? 0 : -1;
    });
  }
}

const STYLE = `
.quiz { display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; max-width: 860px; }
.quiz {
  --negative-text: color-mix(in srgb, var(--negative) 82%, black);
  border: 1px solid var(--line); border-left: 4px solid var(--accent);
}
.quiz.dark { --negative-text: var(--negative); }
header { flex-wrap: nowrap; gap: 12px; }
.kind {
  flex: none; font-size: var(--small); font-weight: 700; letter-spacing: 0.06em;
  text-transform: uppercase; color: var(--quiet);
}
.choices { display: grid; gap: 6px; }
.row { border-left: 3px solid transparent; padding-left: 5px; }
.right { --verdict: var(--positive); --verdict-text: var(--positive); }
.wrong { --verdict: var(--negative); --verdict-text: var(--negative-text); }
.right, .wrong { border-left-color: var(--verdict); }
.wrong { border-left-style: dashed; }
.choice {
  display: flex; align-items: center; gap: 12px; width: 100%; padding: 8px 12px;
  text-align: left; font-size: calc(var(--text) + 1px);
}
.choice[aria-checked="true"] {
  border-color: var(--verdict, var(--accent)); box-shadow: inset 0 0 0 1px var(--verdict);
}
.letter {
  flex: none; width: 24px; height: 24px; line-height: 22px; border: 1px solid currentColor;
  border-radius: 50%; text-align: center; font-size: 12px; font-weight: 700;
}
.words { flex: 1; overflow-wrap: anywhere; }
.mark { flex: none; font-weight: 700; color: var(--verdict-text); }
.verdict { color: var(--verdict-text); }
.why { padding: 6px 12px 8px 49px; font-size: calc(var(--text) + 1px); }
code { font-family: var(--jp-code-font-family, monospace); font-size: 0.93em; }
.foot { display: flex; align-items: center; justify-content: space-between; gap: 12px; min-height: 44px; }
.invitation { color: var(--quiet); }
.status { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@container (max-width: 479px) {
  .why { padding-left: 12px; }
  header { flex-direction: column; gap: 2px; }
}
`;

const render = (context) => mount(context, "quiz", STYLE, TEMPLATE, View);

export default { render };
