/**
 * The text twins: what each picture says, as a table. They are drawn anew only when their words change, and never
 * more often than once a second, so that they can be read aloud.
 */
import { clock, h, num, plural, size, span, table } from "../ink.js";
import { visible } from "../keys.js";

const EVERY = 1_000;
const NEWEST = 12;
/** Characters of a key and of a value that a cell holds; what is longer says so, and opens. */
const KEY = 48;
const VALUE = 120;

/** @param {import("../rows.js").LaneRow[]} rows */
export function lanesTwin(rows, topic, group) {
  if (!group) {
    return [["partition", "log start", "log end", "leader"],
      rows.map((row) => [`P${row.p}`, num(row.start), num(row.end), `broker ${row.leader}`]),
      `${topic}, read by no group`];
  }
  return [["partition", "owner", "log start", "log end", "committed", "behind", "time behind"],
    rows.map((row) => [
      `P${row.p}`, row.owner?.client ?? "nobody", num(row.start), num(row.end),
      row.committed === null ? "no commit yet" : num(row.committed),
      row.lag === null ? "unknown" : num(row.lag), row.behindMs === null ? "unknown" : span(row.behindMs),
    ]), `${topic}, read by ${group}`];
}

/**
 * The newest records as the lanes have them: a lane is more than its numbers. A cell that holds less than the record
 * does is {text, more, place}: `more` says how much is left out, and leads to the record at `place`.
 */
export function recordsTwin(records) {
  return [["place", "key", "value", "time"], records.slice(0, NEWEST).map((record) =>
    [`P${record.p} : ${num(record.o)}`, keyCell(record), valueCell(record), clock(record.ts)]), "Newest records"];
}

function keyCell(record) {
  if (record.k === null) return "none";
  const text = start(record.k, KEY);
  const words = record.kb ? `binary ${text}` : visible(text);
  return text === record.k ? words : cut(words, `${plural(record.k.length - text.length, "character")} more`, record);
}

/** The record's own size counts: of a long value only its beginning came to this page. */
function valueCell(record) {
  if (record.v === null) return "null";
  const text = start(record.v, VALUE);
  const words = record.vb ? `binary ${text}` : visible(text);
  const told = record.vb ? text.length / 2 : new TextEncoder().encode(text).length;
  return record.size > told ? cut(words, `${size(record.size - told)} more`, record) : words;
}

const cut = (text, more, { p, o }) => ({ text, more, place: { p, o } });

/** The first characters; none is cut through. */
function start(text, most) {
  const halved = /[\ud800-\udbff]/.test(text[most - 1] ?? "") && text.length > most;
  return text.slice(0, halved ? most - 1 : most);
}

export function ownersTwin(rows, spans, now) {
  return [["partition", "owner", "since", "owners in the last two minutes"], rows.map(({ p, owner }) => {
    const list = spans(p).filter((one) => one.from <= now);
    const open = list.findLast((one) => one.to === null || one.to > now);
    return [`P${p}`, owner?.client ?? "nobody", open ? clock(open.from) : "–",
      list.map((one) => `member ${one.no}`).join(", ") || "none"];
  }), "Who reads what"];
}

export function heatTwin(rows, samples) {
  return [["partition", "behind now", "most", "least"], rows.map(({ p, lag }, i) => {
    const known = samples.map((sample) => sample.lags[i]).filter((value) => value !== null && value !== undefined);
    return [`P${p}`, lag === null ? "no commit yet" : num(lag), known.length ? num(Math.max(...known)) : "–",
      known.length ? num(Math.min(...known)) : "–"];
  }), "Records behind, as long as this page was open, ten minutes at most"];
}

/**
 * Shows tables in `box`, at most once a second and only what changed; a table stands still while one of its buttons
 * has the keyboard. open: a cut cell's button was pressed.
 * @param {(place: {p: number, o: number}, back: () => HTMLElement) => void} [open]
 * back: where the keyboard was, or what has taken its place
 */
export function createTwin(box, open) {
  let shown = [];
  let at = -EVERY;
  box.addEventListener("click", ({ target }) => {
    const place = target.closest("button")?.dataset.place;
    if (!place) return;
    const [p, o] = place.split(":").map(Number);
    open({ p, o }, () => box.querySelector(`[data-place="${place}"]`) ?? box);
  });
  return (tables, now) => {
    if (now - at < EVERY) return;
    at = now;
    const words = tables.map((content) => JSON.stringify(content));
    while (box.children.length > words.length) box.lastElementChild.remove();
    words.forEach((said, i) => {
      const old = box.children[i];
      if (old && (said === shown[i] || old.contains(document.activeElement))) return;
      shown[i] = said;
      const [head, rows, caption] = tables[i];
      const made = table(head, rows.map((row) => row.map(cell)), caption);
      if (old) old.replaceWith(made);
      else box.append(made);
    });
  };
}

function cell(value) {
  if (!value?.place) return value;
  const button = h("button", { type: "button", className: "more", title: "Open this record" }, value.more);
  button.dataset.place = `${value.place.p}:${value.place.o}`;
  return h("span", {}, `${value.text}… `, button);
}
