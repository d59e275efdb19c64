// The front page: a toy of a topic drawn by the course's own code, and one thing to break.

import { createLanes } from "../charts/lanes.js";
import { createTwin, lanesTwin } from "../charts/twin.js";
import { readTokens, say, still } from "../ink.js";
import { inkOf, letterCase } from "../keys.js";
import { laneRows } from "../rows.js";
import { GROUP, MOST_READERS, TOPIC, createToy } from "../toy.js";

const $ = (selector) => document.querySelector(selector);
const TELL_EVERY = 500;

const toy = createToy();
const lanes = createLanes($("#lanes canvas"));
const twin = createTwin($("#lanes .table"));
const letter = letterCase();
let before = performance.now();
let told = 0;

function scene(model) {
  return {
    model, topic: TOPIC, rows: laneRows(model, TOPIC, GROUP), group: { id: GROUP, hue: "g1" }, others: [],
    ownerNo: (id) => Number(id.slice(1)), ink: inkOf, letter, focus: null, pin: null, cursor: null, still: still(),
  };
}

function tell(rows) {
  const [first, rest] = toy.say();
  say($("#say b"), first);
  say($("#say span"), rest);
  $("#stop").disabled = toy.count < 2;
  $("#add").disabled = toy.count >= MOST_READERS;
  if (!$("#lanes .table").hidden) twin([lanesTwin(rows, TOPIC, GROUP)], told);
}

/** Every frame where things may move, twice a second where they may not. */
function draw() {
  const now = performance.now();
  toy.pass(now - before);
  before = now;
  const shown = scene(toy.model());
  lanes.draw(shown);
  if (now - told >= TELL_EVERY) {
    told = now;
    tell(shown.rows);
  }
  if (still()) setTimeout(draw, TELL_EVERY);
  else requestAnimationFrame(draw);
}

$("#stop").addEventListener("click", () => { toy.stop(); told = 0; });
$("#add").addEventListener("click", () => { toy.add(); told = 0; });
$("#twin").addEventListener("click", ({ currentTarget }) => {
  const asText = currentTarget.getAttribute("aria-pressed") !== "true";
  currentTarget.setAttribute("aria-pressed", String(asText));
  $("#lanes .table").hidden = !asText;
  $("#lanes canvas").hidden = asText;
  told = 0;
});
document.addEventListener("theme:changed", readTokens);
readTokens();
draw();
