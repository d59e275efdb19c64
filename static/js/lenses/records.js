/**
 * The closer look at records: the newest as lines, or one of them opened. The lines hold still while they are pointed
 * at or walked through by keyboard.
 */
import { recordView } from "../charts/record.js";
import { clock, h, num, say } from "../ink.js";
import { visible } from "../keys.js";
import { recordAt } from "../model.js";

/** Lines shown, and characters of a value in one. */
export const LINES = 40;
const PREVIEW = 160;

export function recordsLens(root, { look, ink }) {
  const list = root.querySelector(".stream");
  const one = root.querySelector(".opened");
  const back = root.querySelector(".back");
  /** Where the keyboard came from; and whether it is on its way to the record, or back. */
  let origin = null;
  let way = "";
  const cameFrom = (where) => { origin = where; way = "in"; };
  list.addEventListener("click", ({ target }) => {
    const line = target.closest("[data-place]");
    if (!line) return;
    cameFrom(() => list.querySelector(`[data-place="${line.dataset.place}"]`));
    look.set({ cursor: placeOf(line.dataset.place), opened: line.dataset.topic });
  });
  list.addEventListener("focusin", ({ target }) => stopAt(list, target));
  list.addEventListener("keydown", (event) => walk(list, event));
  function close() {
    way = "out";
    look.set({ opened: null, cursor: null });
  }
  back.addEventListener("click", close);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || back.hidden) return;
    event.preventDefault(); // on a narrow screen the same key would close the sheet as well
    close();
  });

  function draw(scene) {
    const shown = look.opened && look.cursor ? { topic: look.opened, ...look.cursor } : null;
    back.hidden = one.hidden = !shown;
    list.hidden = Boolean(shown);
    if (shown) return open(one, shown, scene, ink);
    const lines = newest(scene.model.records[scene.topic]);
    say(root.querySelector(".none"), lines.length ? "" : "No record of this topic has come since it was watched.");
    return stream(list, lines, scene, ink);
  }

  /** What had the keyboard is hidden once the other is shown, so it is led there then. */
  function lead() {
    if (way === "in" && !back.hidden) back.focus();
    if (way === "out") (origin?.() ?? list.querySelector("button") ?? root).focus();
    if (way === "out") origin = null;
    way = "";
  }

  return Object.assign((scene) => { draw(scene); if (way) lead(); }, { cameFrom });
}

/** One stop for Tab, not one for each line: the arrow keys go from line to line. */
function walk(list, event) {
  const lines = [...list.querySelectorAll("button")];
  const at = lines.indexOf(document.activeElement);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: lines.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  (lines[to] ?? lines[at]).focus();
}

/** The line that has the keyboard, or had it last, is the one that Tab comes back to. */
function stopAt(list, line) {
  for (const other of list.querySelectorAll("button")) other.tabIndex = other === line ? 0 : -1;
}

const placeOf = (text) => {
  const [p, o] = text.split(":").map(Number);
  return { p, o };
};

/** The newest records over all partitions, by their own time, the newest first. */
export function newest(lanes) {
  return Object.values(lanes ?? {}).flatMap((lane) => lane.slice(-LINES))
    .sort((a, b) => b.ts - a.ts || b.o - a.o).slice(0, LINES);
}

function stream(list, lines, { topic }, ink) {
  const sign = `${topic}|${lines.length}|${lines[0]?.p}:${lines[0]?.o}:${lines.at(-1)?.o}`;
  if (list.dataset.sign === sign || list.matches(":hover, :focus-within")) return;
  list.dataset.sign = sign;
  list.replaceChildren(...lines.map((record) => {
    const button = h("button", { type: "button" },
      h("span", { className: "at" }, `P${record.p} : ${num(record.o)}`), keyCell(record, ink),
      h("span", { className: "preview" }, preview(record)), h("time", {}, clock(record.ts)));
    button.dataset.place = `${record.p}:${record.o}`;
    button.dataset.topic = topic;
    return h("li", {}, button);
  }));
  stopAt(list, list.querySelector("button"));
}

function keyCell(record, ink) {
  if (record.k === null) return h("span", { className: "dim" }, "no key");
  if (record.kb) return h("span", { className: "dim" }, "binary key");
  const key = visible(record.k) || "(empty)";
  const [start, end] = halves(key);
  return h("span", { className: `key cut k${ink(record.k)}`, title: key }, h("span", {}, start), h("span", {}, end));
}

/** Characters at a key's end that are always shown: of a lab's keys only the end differs. */
const END = 5;

/** A key that is too long for its column is cut in the middle. @param {string} key @returns {[string, string]} */
export function halves(key) {
  const signs = [...key];
  return signs.length <= 2 * END ? [key, ""] : [signs.slice(0, -END).join(""), signs.slice(-END).join("")];
}

function preview(record) {
  if (record.v === null) return "null";
  if (record.vb) return `${record.v.slice(0, 40)}…`;
  const more = record.cut || record.v.length > PREVIEW ? "…" : "";
  return `${visible(record.v.slice(0, PREVIEW)).replace(/\s+/g, " ")}${more}`;
}

function open(box, { topic, p, o }, scene, ink) {
  const record = recordAt(scene.model, topic, p, o);
  const row = topic === scene.topic ? scene.rows.find((lane) => lane.p === p) : undefined;
  const sign = `${topic}:${p}:${o}:${row?.committed > o}:${row?.committed}:${record !== null}:${scene.group?.id}`;
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  box.replaceChildren(...recordView(record, { topic, p, o, group: scene.group?.id ?? null, row, ink }));
}
