/** Output panes: the newest runs side by side, each with its state, Stop and Kill; older ones make room. */
import { h, say } from "./ink.js";
import { visible } from "./keys.js";
import { shortNames } from "./names.js";
import { createOutput } from "./output.js";
import { explanation, markOf, outcome } from "./programs.js";

/** Panes shown at once; a running program keeps its pane before a finished one. */
export const MOST_PANES = 4;

/**
 * @param {HTMLElement} box the .outs element
 * @param {{stop: (id: string) => void, kill: (id: string) => void, isOurs: (path: string) => boolean}} act
 * isOurs: a program of this lesson or of none; others are shown only while they run
 */
export function createPanes(box, act) {
  const panes = new Map();
  const closed = new Set();
  /** Panes that the reader folded or unfolded. */
  const byHand = new Map();
  const spoken = new Set();
  const empty = box.querySelector(".no-output");
  const since = Date.now() / 1000;
  let latest = null;

  /** Of what has ended, only what belongs here and has something to show: output, or an end that was seen. */
  const isShown = (run) => run.ended_at === null
    || (act.isOurs(run.path) && (spoken.has(run.program_id) || run.ended_at > since));

  function update(programs) {
    latest = programs;
    const wanted = chosen(programs.all.filter(isShown), closed);
    for (const [id, pane] of panes) if (!wanted.some((run) => run.program_id === id)) pane.root.hidden = true;
    const small = folded(wanted, byHand);
    const open = wanted.filter((run) => !small.has(run));
    const called = shortNames([...new Set(wanted.map((run) => run.path))]);
    for (const run of wanted) {
      const pane = of(run.program_id);
      pane.root.hidden = false;
      pane.root.classList.toggle("wide", open.length % 2 === 1 && run === open.at(-1));
      pane.fold(small.has(run));
      pane.tell(run, called.get(run.path), copyOf(run, programs.all));
    }
    box.dataset.count = String(wanted.length);
    box.dataset.open = String(open.length);
    empty.hidden = wanted.length > 0;
  }

  function of(id) {
    if (!panes.has(id)) panes.set(id, createPane(box, id, act, { close: () => close(id), fold: (on) => fold(id, on) }));
    return panes.get(id);
  }

  function close(id) {
    closed.add(id);
    update(latest);
  }

  function fold(id, on) {
    byHand.set(id, on);
    update(latest);
  }

  /** Bring the newest running pane of a program into view, with the keyboard in it. */
  function focus(path) {
    const run = latest?.running.findLast((one) => one.path === path);
    if (!run) return;
    fold(run.program_id, false);
    of(run.program_id).focus();
  }

  function write(id, text) {
    of(id).write(text);
    if (spoken.has(id)) return;
    spoken.add(id);
    if (latest) update(latest);
  }

  return { update, write, focus };
}

/** The same file was started again after it had ended; copies that ran side by side are all of them the latest. */
const isOutdone = (run, runs) => run.ended_at !== null
  && runs.some((other) => other.path === run.path && other.started_at >= run.ended_at);

/** Running ones first, then of each file the latest that ended; in the order in which they were started. */
export function chosen(runs, closed) {
  const open = runs.filter((run) => run.ended_at === null || !(closed.has(run.program_id) || isOutdone(run, runs)));
  const running = open.filter((run) => run.ended_at === null).slice(-MOST_PANES);
  const room = Math.max(0, MOST_PANES - running.length);
  const ended = open.filter((run) => run.ended_at !== null);
  const keep = new Set([...running, ...(room ? ended.slice(-room) : [])]);
  return open.filter((run) => keep.has(run));
}

/**
 * Which panes are one line only: what has ended, while others run or when there are more than two; of several that
 * ended the newest stays open. What the reader chose by hand stays so.
 * @param {Map<string, boolean>} byHand
 */
export function folded(runs, byHand = new Map()) {
  const live = runs.some((run) => run.ended_at === null);
  const ended = runs.filter((run) => run.ended_at !== null);
  const small = live ? ended : runs.length > 2 ? ended.slice(0, -1) : [];
  return new Set(runs.filter((run) => byHand.get(run.program_id) ?? small.includes(run)));
}

/** "copy 2 of 3" while several of one file run. */
export function copyOf(run, all) {
  const copies = all.filter((other) => other.path === run.path && other.ended_at === null);
  const at = copies.indexOf(run);
  return copies.length > 1 && at >= 0 ? `copy ${at + 1} of ${copies.length}` : "";
}

function createPane(box, id, act, { close, fold }) {
  const mark = h("i", { className: "state", ariaHidden: "true" });
  const name = h("b");
  const state = h("span", { className: "how" });
  const button = (label, title, press) => {
    const made = h("button", { type: "button", className: "quiet tiny", title }, label);
    made.addEventListener("click", press);
    return made;
  };
  const stop = button("Stop", "Ask it to end (SIGTERM)", () => act.stop(id));
  const kill = button("Kill -9", "End it at once, without a goodbye (SIGKILL)", () => act.kill(id));
  const more = button("Show", "Show what it printed", () => fold(!root.classList.contains("folded")));
  const gone = button("Close", "Put this output away", close);
  const pre = h("div", { className: "lines", tabIndex: 0 });
  pre.setAttribute("role", "log");
  pre.setAttribute("aria-live", "off");
  const root = h("section", { className: "out" }, h("header", {}, mark, name, state, more, stop, kill, gone), pre);
  box.append(root);
  const output = createOutput(pre);

  return {
    root,
    write: output.write,
    fold(on) {
      root.classList.toggle("folded", on);
      say(more, on ? "Show" : "Fold");
      more.setAttribute("aria-expanded", String(!on));
    },
    focus() {
      root.scrollIntoView({ block: "nearest" });
      pre.focus({ preventScroll: true });
    },
    tell(run, called, copy) {
      const file = visible(run.label || called);
      const running = run.ended_at === null;
      mark.className = `state ${markOf(run)}`;
      say(name, file);
      say(state, [running && copy ? copy : outcome(run), run.args.join(" ")].filter(Boolean).join(", "));
      const why = running ? "" : explanation(run, output.tail());
      if (why) output.note(why);
      stop.hidden = kill.hidden = !running;
      more.hidden = running && !root.classList.contains("folded");
      gone.hidden = running;
      root.dataset.ended = String(!running);
      root.classList.toggle("for-a-reason", markOf(run) === "bad" && Boolean(run.reason));
      root.setAttribute("aria-label", `Output of ${file}`);
      pre.setAttribute("aria-label", `What ${file} printed`);
    },
  };
}
