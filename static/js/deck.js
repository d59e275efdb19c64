/**
 * The failure deck: what the lesson's labs offer to break, with a guess first. Knows templates/lessons/_deck.html, and
 * one line of _board.html.
 */
import { breakIt, undoIt } from "./files.js";
import { clock, h, plural, say } from "./ink.js";

const FAULTS = {
  broker_stop: {
    title: "Stop the broker", says: "A clean stop, as for maintenance",
    path: "M8 6h14v18H8zM12 12h6v6h-6z",
  },
  broker_kill: {
    title: "Kill the broker", says: "kill -9: no goodbye to anyone", path: "M8 6h14v18H8zM4 27L26 3",
  },
  latency: {
    title: (ms) => `Slow the network by ${ms} ms`, says: "Every answer reaches your programs so much later",
    path: "M15 4a11 11 0 1 0 .1 0M15 9v6l5 3",
  },
  cut: {
    title: "Cut the network", says: "The broker is alive, but nobody can reach it",
    path: "M3 15h8M19 15h8M13 8l4 14M15 8l4 14",
  },
  drop_responses: {
    title: "Lose the answers", says: "Requests arrive, answers do not", path: "M4 10h22M22 6l4 4-4 4M26 20h-9M13 17l-6 6M7 17l6 6",
  },
};
/** What holds while a fault is in force; when a lab's own stimulus made it, the line says so. */
const IN_FORCE = {
  broker_stop: "the broker is stopped", broker_kill: "the broker was killed", latency: "the network is slow",
  cut: "the network is cut", drop_responses: "answers are lost",
};
const GUESSES = [
  "My programs fail at once", "They wait, and go on when it is over", "Records are lost", "Nothing that I can see",
];

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement} button that opens it
 * @param {HTMLElement} line on the board: what is broken, until when, and the way to undo it
 */
export function createDeck(dialog, button, line) {
  const said = createLine(line);
  const broke = (kind, until) => {
    dialog.close();
    said.show(kind, { until, own: true }, true);
  };
  const cards = [...dialog.querySelectorAll("[data-fault]")].map((item) => card(item, broke));
  button.hidden = cards.length === 0;
  button.addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("click", ({ target }) => { if (target === dialog) dialog.close(); });
  return {
    /** A fault began or ended, as the cluster's own event says. */
    changed({ kind, active, own = false, left_s: left = 0 }) {
      for (const one of cards) if (one.kind === kind && !active) one.over();
      if (active) said.show(kind, { until: own ? after(left) : null, own });
      else said.hide(kind);
    },
    /** The panel that came says what is broken: it was put in before this page was opened, or from another one. */
    found(panel) {
      const fault = panel?.querySelector("li[data-fault]")?.dataset;
      if (!fault) return said.overdue();
      const own = fault.own === "yes";
      return said.show(fault.fault, { until: own ? after(fault.left) : null, own });
    },
  };
}

const after = (seconds) => Date.now() + Number(seconds) * 1000;

/** Seconds that undoing a fault may take. */
const UNDO_S = 10;

/** The countdown is beside the sentence, not in it: a screen reader hears the sentence once. */
function createLine(line) {
  const sentence = line.querySelector("[role=status]");
  const left = line.querySelector(".left");
  const undo = line.querySelector("button");
  let now = { kind: "", until: null };
  let timer = 0;

  undo.addEventListener("click", async () => {
    const { kind } = now;
    undo.disabled = true;
    try {
      await undoIt(kind);
      hide(kind);
    } catch (error) {
      say(sentence, error.message);
    }
    undo.disabled = false;
  });

  function tick() {
    const seconds = Math.ceil((now.until - Date.now()) / 1000);
    // Longer than it was ours: somebody else, a lab perhaps, holds it on.
    if (seconds < -UNDO_S) show(now.kind, { until: null, own: false, lab: false }, true);
    else say(left, seconds > 0 ? `${plural(seconds, "second")} left` : "being undone");
  }

  function show(kind, { until, own, lab = true }, anew = false) {
    // What is known of its end stays: the event and the panel tell of the same fault once more.
    if (now.kind === kind && !anew) return;
    clearInterval(timer);
    now = { kind, until };
    const what = IN_FORCE[kind] ?? kind;
    const byLab = `${what[0].toUpperCase()}${what.slice(1)} on purpose: the lab did it, and ends it.`;
    say(sentence, until ? `Broken by you: ${what}, until ${clock(until)}.` : lab ? byLab : `Just now ${what}.`);
    say(left, "");
    undo.hidden = !own;
    line.hidden = false;
    if (!until) return;
    tick();
    timer = setInterval(tick, 500);
  }

  function hide(kind) {
    if (now.kind !== kind) return;
    clearInterval(timer);
    now = { kind: "", until: null };
    line.hidden = true;
    say(sentence, "");
  }

  /** Nothing is broken any more, as the panel says, and nobody told: the line is taken away when its time is over. */
  function overdue() {
    if (now.until !== null && now.until < Date.now()) hide(now.kind);
  }

  return { show, hide, overdue };
}

function card(item, broke) {
  const { fault: kind, seconds, ms, node } = item.dataset;
  const about = FAULTS[kind] ?? { title: kind, says: "", path: "" };
  const length = Number(seconds);
  const when = h("span", { className: "when" }, `${length} s`);
  const press = h("button", { type: "button", className: "solid", disabled: true }, "Break it");
  const hint = h("span", { className: "dim" }, `It is undone by itself after ${length} s.`);
  const guess = h("select", {}, h("option", { value: "" }, "Say what you expect first"), ...GUESSES.map((each) => h("option", {}, each)));
  let timer = 0;

  function over() {
    clearInterval(timer);
    item.classList.remove("on");
    say(when, `${length} s`);
    press.disabled = guess.value === "";
  }

  function begin(until) {
    item.classList.add("on");
    press.disabled = true;
    say(hint, `You expected: ${guess.value.toLowerCase()}. Look at the board.`);
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) over();
      else say(when, `active, ${plural(left, "second")} left`);
    };
    tick();
    timer = setInterval(tick, 500);
  }

  guess.addEventListener("change", () => { press.disabled = guess.value === ""; });
  press.addEventListener("click", async () => {
    press.disabled = true;
    try {
      await breakIt(kind, { seconds: length, ms: Number(ms), node: Number(node) });
      const until = Date.now() + length * 1000;
      begin(until);
      broke(kind, until);
    } catch (error) {
      say(hint, error.message);
      press.disabled = false;
    }
  });

  item.replaceChildren(h("details", { open: item === item.parentElement.firstElementChild, name: "deck" },
    h("summary", {}, drawing(about.path), h("span", {}, h("b", {}, typeof about.title === "function" ? about.title(ms) : about.title), h("small", {}, about.says)), when),
    h("div", { className: "in" }, h("label", {}, "What do you expect?", guess), h("p", { className: "acts" }, press, hint))));
  return { kind, over };
}

function drawing(d) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 30 30");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", d);
  svg.append(path);
  return svg;
}
