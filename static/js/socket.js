/**
 * The live connection. `Session` is the pure half: which frames are new, which are repeats, where a gap is,
 * how long to wait before the next try. `connect` is the thin half that owns the way in use and the timers;
 * which way that is says ladder.js, how each works ways.js.
 */
import { decode } from "./frames.js";
import { Ladder, SETTLED } from "./ladder.js";
import { waysTo } from "./ways.js";

const BEAT_EVERY = 1_000;
/** A way by which not even the hello has come is none. */
const FIRST_WITHIN = 6_000;
/** A stream whose words come so much later than its quickest did is being held back, ms. */
const HELD = 4_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8_000;
const HIDDEN_AFTER = 10_000;
/** What reads the broker says something every three seconds; the site tells when it has not for longer, ms. */
const QUIET = 8_000;

/** Close codes that no further try can mend; 4408 (slow) and the rest resume. */
const FINAL = new Map([
  [4401, "You are signed out. Sign in again to see your sandbox."],
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
 *   sentence: string, ladder: import("./ladder.js").Ladder, quiet: number}} Link
 * `since` is the browser's clock (ms) when the last frame came; `quiet` the server's (ms), since when the site itself
 * has heard nothing of the sandbox, 0 when it does.
 */

/**
 * Keep one connection alive and hand its frames on, in order and without repeats.
 * @param {{url: string, view: () => string[], onFrame: (frame: import("./frames.js").Frame) => void,
 *   onLink: (link: Link) => void, ways?: ReturnType<typeof waysTo>, now?: () => number, chance?: () => number}} wiring
 */
export function connect({ url, view, onFrame, onLink, ways = waysTo(url), now = Date.now, chance = Math.random }) {
  const session = new Session();
  const ladder = new Ladder();
  let line = null;
  let attempt = 0;
  let heard = now();
  let opened = 0;
  let first = null;
  let quickest = Infinity;
  let acked = { seq: 0, at: 0 };
  let over = false;
  let retry = 0;
  let paused = false;
  let quiet = 0;

  const say = (op) => line?.say(op);
  const report = (state, sentence = "") => onLink({ state, since: heard, attempt, sentence, ladder, quiet });
  const hello = () => ({ view: view(), resume: session.resume });

  function open() {
    session.reopen();
    opened = now();
    first = null;
    quickest = Infinity;
    line = ways[ladder.way].open(hello, { text: (text) => text.split("\n").forEach(receive), closed });
    report(attempt ? "waiting" : "connecting");
  }

  function receive(text) {
    const frame = decode(text);
    if (!frame || !line) return;
    heard = now();
    if (first === null) begin();
    if (frame.lane === "ping") measure(frame);
    if (frame.lane === "control" && frame.kind === "missed") return ask();
    const verdict = session.take(frame);
    if (verdict === "resume") say({ op: "resume", epoch: session.epoch, seq: session.seq });
    if (verdict === "apply") onFrame(frame);
    if (frame.lane === "snap" || verdict === "apply" || frame.lane === "hello") attempt = 0;
    if (line) report("live");
  }

  function begin() {
    first = now();
    ladder.began(first);
    ladder.facts[ladder.way].trip = first - opened;
    if (paused) say({ op: "pause" });
  }

  /**
   * Control events may have been lost, which no sequence shows: everything they are about is asked for again. The site
   * says so to every tab that comes, as soon as it listens: what happened since the page was made was told to nobody.
   */
  function ask() {
    for (const kind of ["sandbox", "verdict"]) onFrame({ lane: "control", kind, data: {} });
  }

  function measure({ t, heard: sandboxHeard = 0 }) {
    acknowledge(session.seq);
    quiet = sandboxHeard && t - sandboxHeard > QUIET ? sandboxHeard : 0;
    const late = now() - t;
    quickest = Math.min(quickest, late);
    if (ladder.way !== "stream" || late - quickest < HELD) return;
    ladder.heldBack(now());
    restart();
  }

  function closed(code) {
    line = null;
    ladder.failed(first === null ? 0 : now() - first, now());
    const reason = finalReason(code);
    if (reason || over) return finish(reason ?? "");
    attempt += 1;
    report("waiting");
    retry = setTimeout(open, waitBefore(attempt, chance()));
  }

  /** It is we who hang up: what counts as silence begins here. */
  function restart() {
    heard = now();
    line?.close();
    line = null;
    clearTimeout(retry);
    open();
  }

  function finish(sentence) {
    over = true;
    clearInterval(beat);
    report("over", sentence);
  }

  function acknowledge(seq) {
    acked = { seq, at: now() };
    say({ op: "ack", seq });
  }

  /** A line can be dead without saying so: silence is the sign. */
  function watchSilence() {
    if (paused && ladder.way === "poll") return;
    const patience = first !== null ? ways[ladder.way].patience : FIRST_WITHIN;
    if (!line || now() - Math.max(heard, opened) < patience) return;
    const dead = line;
    report("stale");
    closed(0);
    dead.close();
  }

  const beat = setInterval(() => {
    if (session.seq !== acked.seq && now() - acked.at >= ways[ladder.way].ackEvery) acknowledge(session.seq);
    if (line && first !== null && now() - first >= SETTLED) ladder.settled();
    if (ladder.retry(now())) restart();
    watchSilence();
  }, BEAT_EVERY);
  open();
  return {
    /** Tell the server which topics are looked at now. */
    setView: () => say({ op: "view", topics: view() }),
    pause() {
      paused = true;
      say({ op: "pause" });
    },
    resume() {
      paused = false;
      say({ op: "resume", epoch: session.epoch, seq: session.seq });
    },
    /** Try the websocket again, where another way is in use. */
    retry: () => ladder.retryNow(),
    close() {
      over = true;
      clearInterval(beat);
      clearTimeout(retry);
      line?.close();
      line = null;
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
