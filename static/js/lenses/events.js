/**
 * What happened, newest first: the events lane in the cluster's own order, each with its time on the clock and how long
 * ago that is. The newest is also said aloud to those who listen, wherever they are on the page, at most every three
 * seconds.
 */
import { clock, h, say } from "../ink.js";
import { visible } from "../keys.js";

const SHOWN = 60;

const SPEAK_EVERY = 3_000;

/** @param {HTMLElement} node a polite live region */
export function createSpeaker(node) {
  let said = null;
  let at = 0;
  return (events, t) => {
    const newest = events.at(-1);
    if (newest === said || t - at < SPEAK_EVERY) return;
    if (said !== null && newest) say(node, visible(newest.sentence ?? ""));
    said = newest ?? {};
    at = t;
  };
}

export function eventsLens(root) {
  const list = root.querySelector(".events");
  let drawn = null;
  let lines = [];
  return ({ model, now }) => {
    say(root.querySelector(".none"), model.events.length ? "" : "Nothing has happened since you opened this page.");
    if (drawn !== model.events) {
      drawn = model.events;
      lines = model.events.filter((event) => event.t <= now + 1_000).slice(-SHOWN).reverse().map(line);
      list.replaceChildren(...lines.map(({ item }) => item));
    }
    for (const { since, t } of lines) say(since, ago(now - t));
  };
}

function line({ t, kind, sentence }) {
  const at = new Date(t);
  const known = !Number.isNaN(at.getTime());
  const exact = h("time", known ? { dateTime: at.toISOString(), title: at.toLocaleString("en-GB") } : {}, clock(t));
  const since = h("small", {});
  const words = h("span", {}, visible(sentence || kind.replaceAll("_", " ")));
  return { item: h("li", { className: kind }, exact, words, since), since, t };
}

/** How long ago, in as few words as are true for a while. @param {number} ms */
export function ago(ms) {
  if (ms < 2_000) return "now";
  if (ms < 10_000) return `${Math.floor(ms / 1_000)} s ago`;
  // Every second of an hour would flicker at the eye's edge.
  if (ms < 60_000) return `${Math.floor(ms / 10_000) * 10} s ago`;
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min ago` : `${Math.floor(ms / 3_600_000)} h ago`;
}
