// The instructor's pages: what changed is asked for part by part and put where it belongs; rows hold still, focus and
// open evidence stay. Told by the staff's socket, by its own clock where only time went by, and by neither twice.

import { follow } from "../overview.js";

/** Asking sooner than this after the last answer would show a class of 200 nothing more, ms. */
const PAUSE = 900;
/** "Stuck" and "away" come with time alone, so the page asks now and then even when nobody tells it anything, ms. */
const CLOCK = 30_000;

const room = () => document.querySelector("[data-changes]");
let asking = false;
let wanted = false;

/** What the page has: `id.stamp` of each element, in its order. */
const held = (selector) => [...room().querySelectorAll(selector)].map((part) => `${part.id}.${part.dataset.v}`).join(",");

function address() {
  const asked = new URLSearchParams({ ids: held("tbody > [data-v]"), parts: held("[data-v]:not(tbody > *)") });
  const before = room().dataset.changes;
  return `${before}${before.endsWith("?") ? "" : "&"}${asked}`;
}

/** Ask once; whatever is told meanwhile is asked for in one more request. */
async function ask() {
  if (!room() || !globalThis.htmx) return;
  wanted = asking;
  if (asking) return;
  asking = true;
  try {
    await htmx.ajax("GET", address(), { source: document.body, swap: "none" });
  } catch {
    // The line above the page says that it is not live; the next word of the socket or the clock asks again.
  } finally {
    setTimeout(() => {
      asking = false;
      if (wanted) ask();
    }, PAUSE);
  }
}

/** Whether a change concerns this page: the class is told of its students, one student's page of that one. */
function concerns({ all, users, kinds }) {
  const one = room()?.dataset.student;
  return all || kinds?.includes("poll") || !one || users.includes(Number(one));
}

document.body.addEventListener("overview:changed", ({ detail }) => concerns(detail) && ask());
setInterval(() => document.hidden || ask(), CLOCK);
follow(document);

// -- when the site does not answer ------------------------------------------------------------------------------------

const NOT_YOURS = "Not live: this page is not yours any more. Reload it.";
const NO_ANSWER = "Not live: the site did not answer just now. It is asked again by itself.";

/** Say that what is shown may be old, or take that back; what the socket said meanwhile is left alone. */
function stale(sentence) {
  document.body.toggleAttribute("data-stale", Boolean(sentence));
  for (const place of document.querySelectorAll("[data-overview-status]")) {
    if (sentence || [NOT_YOURS, NO_ANSWER].includes(place.textContent)) place.textContent = sentence;
  }
}

document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful) stale("");
  else stale([403, 404].includes(detail.xhr?.status) ? NOT_YOURS : NO_ANSWER);
});

// -- what must survive a part's replacement ----------------------------------------------------------------------------

let opened = [];
document.body.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  opened = [...detail.target.querySelectorAll("details[open][id], [popover]:popover-open")].map((node) => node.id);
});
document.body.addEventListener("htmx:oobAfterSwap", () => {
  for (const node of opened.map((id) => document.getElementById(id)).filter(Boolean)) {
    if (node.popover) node.showPopover();
    else node.open = true;
  }
  opened = [];
  tell();
});

// -- the clock in words ------------------------------------------------------------------------------------------------

/** As sandboxes.console.words.lasting: one number. */
function lasting(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** How far this machine's clock is ahead of the site's, s: a wrong clock must not age anybody. */
const ahead = Date.now() / 1000 - Number(room()?.dataset.now ?? Date.now() / 1000);

function tell() {
  const now = Date.now() / 1000 - ahead;
  for (const place of document.querySelectorAll("[data-t]")) {
    const said = lasting(now - Number(place.dataset.t));
    if (place.textContent !== said) place.textContent = said;
  }
}
setInterval(tell, 10_000);

// -- keys and the text twin --------------------------------------------------------------------------------------------

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.(".heat tbody tr");
  if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
  const rows = [...row.parentElement.rows];
  const ends = { Home: 0, End: rows.length - 1 };
  const next = event.key in ends ? ends[event.key] : rows.indexOf(row) + STEPS[event.key];
  const link = rows[next]?.querySelector("a");
  if (!link) return;
  event.preventDefault();
  link.focus();
});

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("#twin");
  if (!button) return;
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  document.querySelector("#heat")?.classList.toggle("words", on);
});
