/**
 * The live connection. `Session` is the pure half: which frames are new, which are repeats, where a gap is,
 * how long to wait before the next try. `connect` is the thin half that owns the WebSocket and the timers.
 */
import { decode } from "./frames.js";

/** After this long without a frame (the server pings every 15 s) the picture is not live any more, ms. */
export const STALE_AFTER = 20_000;
const ACK_EVERY = 1_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8_000;
const HIDDEN_AFTER = 10_000;

/** Close codes that no further try can mend; 4408 (slow) and the rest resume. */
const FINAL = new Map([
  [4401, "You are signed out. Sign in again to see your cluster."],
  [4403, "This sandbox belongs to someone else."],
  [4404, "This sandbox is gone. Start a new one."],
]);

/**
 * Backoff with jitter: half fixed, half chance, so that a class does not come back in one moment.
 * @param {number} attempt 1 for the first try after a cut
 * @param {number} chance 0..1
 * @returns {number} ms
 */
export function waitBefore(attempt, chance) {
  const full = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
  return full / 2 + chance * full / 2;
}

/** @param {number} code @returns {string|null} one sentence when trying again is of no use */
export const finalReason = (code) => FINAL.get(code) ?? null;

/** What we have seen of the sequence, and what a frame means for it. No timers, no socket. */
export class Session {
  constructor() {
    this.epoch = "";
    this.seq = 0;
    this.healing = false;
  }

  /** @returns {{epoch: string, seq: number}|null} where to go on from; null asks for a snapshot */
  get resume() {
    return this.epoch ? { epoch: this.epoch, seq: this.seq } : null;
  }

  /**
   * @param {import("./frames.js").Frame} frame
   * @returns {"apply"|"ignore"|"resume"} resume: ask the server to go on from `this.resume`
   */
  take(frame) {
    switch (frame.lane) {
      case "snap": return this.#stand(frame, "apply");
      case "hello": return frame.resumed ? this.#stand(frame, "ignore") : "ignore";
      case "state":
      case "events":
      case "records": return this.#follow(frame, frame.s, "apply");
      case "skip": return this.#follow(frame, frame.from, "ignore");
      case "ping": return "ignore";
      default: return "apply";
    }
  }

  /** A snapshot, or a hello that resumes, says where the sequence stands, whatever was before. */
  #stand(frame, verdict) {
    this.epoch = frame.e;
    this.seq = frame.s;
    this.healing = false;
    return verdict;
  }

  /** `first` is the first number this frame covers; `frame.s` the last. */
  #follow(frame, first, verdict) {
    if (frame.e !== this.epoch || frame.s <= this.seq) return "ignore";
    if (first > this.seq + 1) return this.#heal();
    this.seq = frame.s;
    this.healing = false;
    return verdict;
  }

  /** A new connection owes us an answer of its own. */
  reopen() {
    this.healing = false;
  }

  /** Ask once; while the answer is on its way, what arrives out of order is dropped. */
  #heal() {
    if (this.healing) return "ignore";
    this.healing = true;
    return "resume";
  }
}

/**
 * @typedef {{state: "connecting"|"live"|"stale"|"waiting"|"over", since: number, attempt: number,
 *   sentence: string}} Link
 * `since` is the browser's clock (ms) when the last frame came.
 */

/**
 * Keep one websocket alive and hand its frames on, in order and without repeats.
 * @param {{url: string, view: () => string[], onFrame: (frame: import("./frames.js").Frame) => void,
 *   onLink: (link: Link) => void, Socket?: typeof WebSocket, now?: () => number, chance?: () => number}} wiring
 */
export function connect({
  url, view, onFrame, onLink, Socket = WebSocket, now = Date.now, chance = Math.random,
}) {
  const session = new Session();
  let socket = null;
  let attempt = 0;
  let heard = now();
  let acked = 0;
  let over = false;
  let retry = 0;

  const send = (message) => {
    if (socket?.readyState === 1) socket.send(JSON.stringify(message));
  };
  const report = (state, sentence = "") => onLink({ state, since: heard, attempt, sentence });

  function open() {
    socket = new Socket(url);
    session.reopen();
    const mine = socket;
    mine.onopen = () => send({ op: "hello", view: view(), resume: session.resume });
    mine.onmessage = ({ data }) => mine === socket && data.split("\n").forEach(receive);
    mine.onclose = ({ code }) => mine === socket && closed(code);
    report(attempt ? "waiting" : "connecting");
  }

  function receive(data) {
    const frame = decode(data);
    if (!frame) return;
    heard = now();
    if (frame.lane === "ping") send({ op: "ack", seq: session.seq });
    const verdict = session.take(frame);
    if (verdict === "resume") send({ op: "resume", epoch: session.epoch, seq: session.seq });
    if (verdict === "apply") onFrame(frame);
    if (frame.lane === "snap" || verdict === "apply" || frame.lane === "hello") attempt = 0;
    report("live");
  }

  function closed(code) {
    socket = null;
    const reason = finalReason(code);
    if (reason || over) return finish(reason ?? "");
    attempt += 1;
    report("waiting");
    retry = setTimeout(open, waitBefore(attempt, chance()));
  }

  function finish(sentence) {
    over = true;
    clearInterval(beat);
    report("over", sentence);
  }

  function ack() {
    if (session.seq === acked) return;
    acked = session.seq;
    send({ op: "ack", seq: acked });
  }

  /** A socket can be dead without saying so: silence is the sign. */
  function watchSilence() {
    if (!socket || now() - heard < STALE_AFTER) return;
    const dead = socket;
    report("stale");
    closed(4000);
    dead.close();
  }

  const beat = setInterval(() => { ack(); watchSilence(); }, ACK_EVERY);
  open();
  return {
    /** Tell the server which topics are looked at now. */
    setView: () => send({ op: "view", topics: view() }),
    pause: () => send({ op: "pause" }),
    resume: () => send({ op: "resume", epoch: session.epoch, seq: session.seq }),
    close() {
      over = true;
      clearInterval(beat);
      clearTimeout(retry);
      socket?.close();
    },
  };
}

/**
 * A hidden tab needs no records: pause after a while, go on when seen again.
 * @param {{pause: () => void, resume: () => void}} link
 */
export function pauseWhenHidden(link, page = document) {
  let timer = 0;
  let paused = false;
  page.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (page.hidden) timer = setTimeout(() => { paused = true; link.pause(); }, HIDDEN_AFTER);
    else if (paused) { paused = false; link.resume(); }
  });
}
