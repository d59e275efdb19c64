/**
 * Which way to take: the websocket while it works, an event stream where something between us and the site closes
 * websockets, asking again and again where that holds back streams too. Pure; times are the caller's, in ms.
 *
 * A way that fails says nothing while the site itself is away. So a lower way is only believed once it has worked;
 * before that, when all three have failed, it begins at the top again.
 *
 * @typedef {"socket"|"stream"|"poll"} Name
 * @typedef {{failures: number, lived: number, held: boolean, trip: number}} Fact
 * `failures` in a row; `lived`: how long the last one lasted; `held`: what it said came late; `trip`: of a poll.
 */
const ORDER = ["socket", "stream", "poll"];
const MOST_FAILURES = { socket: 3, stream: 2, poll: 1 };
/** One that was cut earlier counts as a failure; a later cut is bad luck, or a proxy's idle rule. */
export const SETTLED = 5_000;
const RETRY_EVERY = 300_000;
/** Where websockets have worked on this page it was probably the network, or the site, that was away: then sooner. */
const RETRY_SOON = 3_000;
/** In place of a time: the reader wants it now. */
const ASKED = 1;

export class Ladder {
  constructor() {
    /** @type {Name} */
    this.way = "socket";
    /** @type {Record<Name, Fact>} */
    this.facts = Object.fromEntries(ORDER.map((name) => [name, { failures: 0, lived: 0, held: false, trip: 0 }]));
    /** When the websocket is tried again, 0 while it is in use. */
    this.retryAt = 0;
    /** Tries of the websocket in a row that failed while another way worked. */
    this.vain = 0;
    /** Something has come by the way in use since it was taken; before that websockets have no better chance. */
    this.brought = false;
    this.worked = new Set();
    this.before = null;
  }

  /** The first frame has come by this way: if it is a lower one, the site is there again, and so may websockets be. */
  began(now) {
    this.facts[this.way].held = false;
    this.brought = true;
    if (this.way !== "socket") this.retryAt = Math.min(this.retryAt, now + this.#wait());
  }

  /** It has lasted: what went wrong before does not count any more. */
  settled() {
    this.worked.add(this.way);
    this.facts[this.way].failures = 0;
    this.before = null;
    if (this.way !== "socket") return;
    this.retryAt = 0;
    this.vain = 0;
  }

  /** It was held back for so long that it is no use, whatever else it does. */
  heldBack(now) {
    this.facts[this.way].held = true;
    this.#down(now);
  }

  /** @param {number} lived ms since its first frame, 0 when none came */
  failed(lived, now) {
    const fact = this.facts[this.way];
    if (lived >= SETTLED) return;
    fact.failures += 1;
    fact.lived = lived;
    if (this.before) return this.#back(now);
    // With the way below gone as well, it says nothing about websockets that they failed.
    if (this.way !== "socket") this.vain = 0;
    if (fact.failures >= MOST_FAILURES[this.way]) this.#down(now);
  }

  /** Is it time to see whether websockets work now? If so that is the way, for one try. */
  retry(now) {
    const isDue = this.retryAt === ASKED || (this.retryAt && this.brought && now >= this.retryAt);
    if (this.way === "socket" || !isDue) return false;
    this.before = this.way;
    this.way = "socket";
    return true;
  }

  /** Asked by the reader: now. */
  retryNow() {
    if (this.retryAt) this.retryAt = ASKED;
  }

  #back(now) {
    this.way = this.before;
    this.before = null;
    this.brought = false;
    this.vain += 1;
    this.retryAt = now + this.#wait();
  }

  /** Each try interrupts the way in use, so those in vain come ever more seldom. */
  #wait() {
    return this.worked.has("socket") ? Math.min(RETRY_EVERY, RETRY_SOON * 2 ** this.vain) : RETRY_EVERY;
  }

  #down(now) {
    if (this.way === "poll") {
      if (!this.worked.has("poll")) this.#fromTheTop();
      return;
    }
    this.way = ORDER[ORDER.indexOf(this.way) + 1];
    this.brought = false;
    this.facts[this.way].failures = 0;
    this.retryAt ||= now + this.#wait();
  }

  #fromTheTop() {
    this.way = "socket";
    this.retryAt = 0;
    for (const name of ORDER) this.facts[name].failures = 0;
  }
}
