/** What happened, newest first: the events lane in the cluster's own order. */
import { clock, h, say } from "../ink.js";
import { visible } from "../keys.js";

const SHOWN = 60;

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
