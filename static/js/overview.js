/**
 * The staff's pages hear here that something changed, and ask for it again: body gets "overview:changed" with
 * {kinds, sandboxes, users, all}, so that a part of a page says hx-trigger="overview:changed from:body".
 *
 * While the socket is away the same event is dispatched every ten seconds (kinds: ["poll"]), and whatever has
 * [data-overview-status] says that the page is not live. A page asks for all this with [data-overview].
 */
import { waitBefore } from "./socket.js";

export const POLL_EVERY = 10_000;
/** The server says something every four seconds; after this long it is gone, whatever the socket believes. */
export const SILENT_AFTER = 12_000;

export const NOT_LIVE = "Not live: looked up every 10 s until the connection is back.";
/** Close codes that no further try can mend. */
const FINAL = new Map([
  [4401, "Not live: you are signed out. Sign in again."],
  [4403, "Not live: this page is for staff only."],
]);

/** @param {Location} at @returns {string} */
export const addressOf = (at) => `${at.protocol === "https:" ? "wss:" : "ws:"}//${at.host}/ws/overview/`;

/**
 * @param {Document} page
 * @param {{url?: string, Socket?: typeof WebSocket, now?: () => number, chance?: () => number}} [wiring]
 * @returns {{close: () => void}|null} null when the page did not ask for it
 */
export function follow(page, {
  url = addressOf(location), Socket = WebSocket, now = Date.now, chance = Math.random,
} = {}) {
  if (!page.querySelector("[data-overview]")) return null;
  let socket = null;
  let live = false;
  let over = false;
  let attempt = 0;
  let heard = now();
  let retry = 0;
  let missed = null;

  const tell = (detail) => page.body.dispatchEvent(new CustomEvent("overview:changed", { detail, bubbles: true }));

  /** A tab that nobody sees asks for nothing; it catches up once when it is seen again. */
  function changed(detail) {
    if (page.hidden) missed = { kinds: ["seen"], sandboxes: [], users: [], all: true };
    else tell(detail);
  }

  function say(isLive, sentence) {
    live = isLive;
    page.body.dataset.live = isLive ? "yes" : "no";
    for (const place of page.querySelectorAll("[data-overview-status]")) {
      if (place.textContent !== sentence) place.textContent = sentence;
    }
  }

  function open() {
    heard = now();
    socket = new Socket(url);
    const mine = socket;
    mine.onmessage = ({ data }) => mine === socket && receive(data);
    mine.onclose = ({ code }) => mine === socket && closed(code);
  }

  function receive(data) {
    heard = now();
    const frame = JSON.parse(data);
    if (frame.kind === "changed") changed(frame);
    if (frame.kind !== "hello") return;
    // What happened while nobody listened is not told again, so everything is asked for once.
    if (attempt) changed({ kinds: ["back"], sandboxes: [], users: [], all: true });
    attempt = 0;
    say(true, "");
  }

  function closed(code) {
    socket = null;
    over ||= FINAL.has(code);
    say(false, FINAL.get(code) ?? NOT_LIVE);
    if (over) return finish();
    attempt += 1;
    retry = setTimeout(open, waitBefore(attempt, chance()));
  }

  /** A socket can be dead without saying so: silence is the sign. */
  function watchSilence() {
    if (!socket || now() - heard < SILENT_AFTER) return;
    const dead = socket;
    closed(4000);
    dead.close();
  }

  const poll = () => live || changed({ kinds: ["poll"], sandboxes: [], users: [], all: true });
  const seen = () => {
    if (page.hidden || !missed) return;
    tell(missed);
    missed = null;
  };

  function finish() {
    over = true;
    clearInterval(polling);
    clearInterval(listening);
    clearTimeout(retry);
  }

  const polling = setInterval(poll, POLL_EVERY);
  const listening = setInterval(watchSilence, 1_000);
  page.addEventListener("visibilitychange", seen);
  open();
  return {
    close() {
      finish();
      socket?.close();
      socket = null;
    },
  };
}
