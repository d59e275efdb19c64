/**
 * The student's programs: started, stopped and followed over one websocket. `Programs` is the pure half: which runs
 * there are and which events are new; `followPrograms` owns the socket.
 *
 * @typedef {{program_id: string, path: string, args: string[], label: string, started_at: number,
 *   ended_at: number|null, exit_code: number|null, signal: number|null, reason: string}} Run
 * Times are seconds since the epoch.
 */
import { finalReason, waitBefore } from "./socket.js";

/** For each of PROGRAM_REASONS (sandboxes/backends/base.py). */
const REASONS = {
  stopped: "stopped by you", killed: "killed by you", memory: "ended: it used more memory than it may",
  output: "ended: it printed more than 2 MiB, the most one may", disk: "ended: there was no room left for its files or its data",
  cpu: "ended: it used more processor time than it may", time: "ended: its time was up",
  sandbox_ended: "ended when your sandbox stopped or went to sleep",
  host_restart: "ended when the platform restarted",
};
const SIGNALS = { 6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM" };

/** @param {Run} run @returns {string} how a run ended, or that it runs */
export function outcome(run) {
  if (run.ended_at === null) return "running";
  if (REASONS[run.reason]) return REASONS[run.reason];
  if (run.signal) return `ended by ${SIGNALS[run.signal] ?? `signal ${run.signal}`}`;
  return run.exit_code === 0 ? "finished" : `exit code ${run.exit_code}`;
}

/** Python's own last line when it reads from a program's input, which is empty here. */
const NO_INPUT = /(^|\n)EOFError: EOF when reading a line\s*$/;

/**
 * @param {Run} run @param {string} tail the last of what it printed
 * @returns {string} what to say of how it ended that its own last words do not, or ""
 */
export function explanation(run, tail) {
  if (run.exit_code !== 1 || run.reason || !NO_INPUT.test(tail)) return "";
  return "Programs here have no keyboard, so input() finds nothing to read. "
    + "Write the value into the file in place of input(), and run it again.";
}

/** @param {Run} run @returns {"wait"|"ok"|"bad"|"none"} the mark beside it */
export function markOf(run) {
  if (run.ended_at === null) return "ok";
  if (run.exit_code === 0 || run.reason === "stopped" || run.reason === "killed") return "none";
  return "bad";
}

/** Two presses within this time are one double click, not the wish for two copies. */
const DOUBLE_CLICK_MS = 500;

/** @returns {(path: string) => boolean} whether a file was asked for already, just now */
export function justNow(now = () => performance.now()) {
  let last = { path: "", at: -Infinity };
  return (path) => {
    const again = path === last.path && now() - last.at < DOUBLE_CLICK_MS;
    last = { path, at: now() };
    return again;
  };
}

/** Runs by id, and how far the event stream has been read. */
export class Programs {
  constructor() {
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    this.seq = 0;
  }

  /** @param {Run[]} runs the whole list, as the server has it */
  list(runs) {
    this.runs = new Map(runs.map((run) => [run.program_id, run]));
  }

  /**
   * @param {{kind: string, seq: number, program: string, text: string, run: Run|null}} event
   * @returns {boolean} false for an event that was seen already
   */
  take(event) {
    const anew = event.kind === "start" && !this.runs.has(event.program);
    if (event.seq <= this.seq && !anew) return false;
    this.seq = event.seq;
    if (event.run) this.runs.set(event.program, event.run);
    return true;
  }

  /** @returns {Run[]} oldest first */
  get all() {
    return [...this.runs.values()].sort((a, b) => a.started_at - b.started_at);
  }

  get running() {
    return this.all.filter((run) => run.ended_at === null);
  }
}

/**
 * @param {{url: string, onRuns: (programs: Programs) => void,
 *   onEvent: (event: {kind: string, program: string, text: string, run: Run|null}) => void,
 *   onError: (sentence: string) => void, onLink: (live: boolean, sentence: string) => void,
 *   Socket?: typeof WebSocket, chance?: () => number}} wiring
 * onLink: whether there is a connection; a sentence it says holds as long as there is none
 */
export function followPrograms({ url, onRuns, onEvent, onError, onLink, Socket = WebSocket, chance = Math.random }) {
  const programs = new Programs();
  let socket = null;
  let attempt = 0;
  let retry = 0;
  let over = false;

  function open() {
    socket = new Socket(url);
    const mine = socket;
    mine.onopen = () => {
      mine.send(JSON.stringify({ op: "follow", after: programs.seq }));
      onLink(true, "");
    };
    mine.onmessage = ({ data }) => mine === socket && receive(JSON.parse(data));
    mine.onclose = ({ code }) => mine === socket && closed(code);
  }

  function receive(frame) {
    attempt = 0;
    if (frame.kind === "programs") programs.list(frame.programs);
    else if (frame.kind === "error") return onError(frame.sentence);
    else if (!programs.take(frame)) return;
    else onEvent(frame);
    if (frame.kind !== "output") onRuns(programs);
  }

  function closed(code) {
    const reason = finalReason(code);
    if (over || reason) return onLink(false, reason ?? "");
    attempt += 1;
    onLink(false, "");
    retry = setTimeout(open, waitBefore(attempt, chance()));
  }

  const send = (message) => {
    if (socket?.readyState === 1) socket.send(JSON.stringify(message));
    else onLink(false, "The connection is being made again. Try once more in a moment.");
  };

  open();
  return {
    run: (path, args = [], label = "") => send({ op: "run", path, args, label }),
    stop: (program) => send({ op: "stop", program }),
    kill: (program) => send({ op: "kill", program }),
    close() {
      over = true;
      clearTimeout(retry);
      socket?.close();
    },
  };
}
