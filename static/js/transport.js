/**
 * How the picture comes, said on the board when it is not by websocket: a badge, and behind it why, and what is
 * done about it.
 */
import { POLL_EVERY } from "./ways.js";
import { clock, h, num, span, word } from "./ink.js";

const SECONDS = POLL_EVERY / 1_000;
const BADGE = { stream: "by event stream", poll: `by polling, every ${SECONDS} s` };
const WHY = {
  stream: "So the board is told over plain HTTP, on a stream that stays open. The numbers are as true and as fast; "
    + "no event is skipped.",
  poll: `So the board asks over plain HTTP every ${SECONDS} s instead of being told at once. The numbers are as true, `
    + "only later; no event is skipped. Labs are judged on the server and are not slower.",
};

/**
 * @param {import("./ladder.js").Ladder} ladder
 * @returns {{badge: string, why: string, rows: [string, "ok"|"bad"|"none", string][]}} what to say; badge is ""
 *   while the websocket is in use
 */
export function story({ way, before, facts }) {
  const used = before ?? way;
  if (used === "socket") return { badge: "", why: "", rows: [] };
  const stream = used === "stream" ? ["ok", "in use"] : ["bad", failedStream(facts.stream)];
  const poll = used === "poll" ? ["ok", `${num(facts.poll.trip / 2)} ms each way`] : ["none", "not needed"];
  return {
    badge: BADGE[used], why: WHY[used],
    rows: [["Websocket", "bad", failedSocket(facts.socket)], ["Event stream", ...stream], ["Polling", ...poll]],
  };
}

const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${word(n)} times`);

function failedSocket({ failures, lived }) {
  const what = lived ? `closed after ${span(lived)}` : "did not open";
  return `${what}, ${times(Math.max(1, failures))}, by something between us`;
}

function failedStream({ failures, held }) {
  return held ? "held back for seconds at a time, so not used" : `brought nothing, ${times(Math.max(1, failures))}`;
}

/**
 * @param {HTMLElement} badge a button that opens `popover`
 * @param {HTMLElement} popover
 * @param {() => void} retry try the websocket again
 * @returns {(link: import("./socket.js").Link) => void}
 */
export function createBadge(badge, popover, retry) {
  const button = h("button", { type: "button", className: "quiet small" }, "Try the websocket again");
  button.addEventListener("click", () => {
    button.disabled = true;
    retry();
  });
  let shown = "";
  return ({ ladder, state }) => {
    const now = state === "over" ? { badge: "", why: "", rows: [] } : story(ladder);
    const key = JSON.stringify([now, ladder.retryAt]);
    if (key === shown) return;
    shown = key;
    button.disabled = false;
    badge.hidden = !now.badge;
    if (!now.badge && popover.matches(":popover-open")) popover.hidePopover();
    badge.replaceChildren(mark("wait"), now.badge);
    popover.replaceChildren(
      h("h2", {}, "Your network blocks websockets"), h("p", {}, now.why), table(now.rows),
      h("p", { className: "acts" }, button, h("span", { className: "dim small" }, next(ladder))),
    );
  };
}

function next({ retryAt }) {
  return retryAt > 1 ? `tried by itself, next at ${clock(retryAt).slice(0, 5)}` : "being tried";
}

function table(rows) {
  return h("dl", { className: "facts" }, ...rows.map(([name, state, said]) => (
    h("div", {}, h("dt", {}, name), h("dd", {}, mark(state), said)))));
}

function mark(state) {
  const sign = h("i", { className: `state ${state}` });
  sign.setAttribute("aria-hidden", "true");
  return sign;
}

