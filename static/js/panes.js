/** Output panes: the newest runs side by side, each with its state, Stop and Kill; older ones make room. */
import { h, say } from "./ink.js";
import { visible } from "./keys.js";
import { createOutput } from "./output.js";
import { markOf, outcome } from "./programs.js";

/** Panes shown at once; a running program keeps its pane before a finished one. */
export const MOST_PANES = 4;

/**
 * @param {HTMLElement} box the .outs element
 * @param {{stop: (id: string) => void, kill: (id: string) => void, isOurs: (path: string) => boolean}} act
 * isOurs: a program of this lesson; others are shown only while they run
 */
export function createPanes(box, act) {
  const panes = new Map();
  const closed = new Set();
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
    for (const run of wanted) {
      const pane = of(run.program_id);
      pane.root.hidden = false;
      pane.root.classList.toggle("wide", wanted.length % 2 === 1 && run === wanted.at(-1));
      pane.tell(run, copyOf(run, programs.all));
    }
    box.dataset.count = String(wanted.length);
    empty.hidden = wanted.length > 0;
  }

  function of(id) {
    if (!panes.has(id)) panes.set(id, createPane(box, id, act, () => { closed.add(id); panes.get(id).root.hidden = true; }));
    return panes.get(id);
  }

  function write(id, text) {
    of(id).write(text);
    if (spoken.has(id)) return;
    spoken.add(id);
    if (latest) update(latest);
  }

  return { update, write };
}

/** Running ones first, then the newest that ended; in the order in which they were started. */
export function chosen(runs, closed) {
  const open = runs.filter((run) => run.ended_at === null || !closed.has(run.program_id));
  const running = open.filter((run) => run.ended_at === null).slice(-MOST_PANES);
  const room = Math.max(0, MOST_PANES - running.length);
  const ended = open.filter((run) => run.ended_at !== null);
  const keep = new Set([...running, ...(room ? ended.slice(-room) : [])]);
  return open.filter((run) => keep.has(run));
}

/** "copy 2 of 3" while several of one file run. */
export function copyOf(run, all) {
  const copies = all.filter((other) => other.path === run.path && other.ended_at === null);
  const at = copies.indexOf(run);
  return copies.length > 1 && at >= 0 ? `copy ${at + 1} of ${copies.length}` : "";
}

function createPane(box, id, act, close) {
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
  const gone = button("Close", "Put this output away", close);
  const pre = h("div", { className: "lines", tabIndex: 0 });
  pre.setAttribute("role", "log");
  pre.setAttribute("aria-live", "off");
  const root = h("section", { className: "out" }, h("header", {}, mark, name, state, stop, kill, gone), pre);
  box.append(root);
  const output = createOutput(pre);

  return {
    root,
    write: output.write,
    tell(run, copy) {
      const file = visible(run.label || run.path.split("/").at(-1));
      const running = run.ended_at === null;
      mark.className = `state ${markOf(run)}`;
      say(name, file);
      say(state, [running && copy ? copy : outcome(run), run.args.join(" ")].filter(Boolean).join(", "));
      stop.hidden = kill.hidden = !running;
      gone.hidden = running;
      root.dataset.ended = String(!running);
      root.setAttribute("aria-label", `Output of ${file}`);
      pre.setAttribute("aria-label", `What ${file} printed`);
    },
  };
}
