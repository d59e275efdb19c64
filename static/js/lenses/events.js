/**
 * What happened, newest first: the events lane in the cluster's own order. The newest is also said aloud to those who
 * listen, wherever they are on the page, at most every three seconds.
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
  return ({ model, now }) => {
    say(root.querySelector(".none"), model.events.length ? "" : "Nothing has happened since you opened this page.");
    if (drawn === model.events) return;
    drawn = model.events;
    list.replaceChildren(...model.events.filter((event) => event.t <= now + 1_000).slice(-SHOWN).reverse().map(line));
  };
}

function line(event) {
  const words = event.sentence || event.kind.replaceAll("_", " ");
  return h("li", { className: event.kind }, h("time", {}, clock(event.t)), h("span", {}, visible(words)));
}
