/**
 * The text twins: what each picture says, as a table. They are drawn anew only when their words change, and never
 * more often than once a second, so that they can be read aloud.
 */
import { clock, num, span, table } from "../ink.js";
import { visible } from "../keys.js";

const EVERY = 1_000;
const NEWEST = 12;

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

/** The newest records as the lanes have them: a lane is more than its numbers. */
export function recordsTwin(records) {
  const key = (record) => (record.k === null ? "none" : record.kb ? `binary ${record.k}` : visible(record.k));
  const value = ({ v, vb }) => (v === null ? "null" : `${vb ? "binary " : ""}${visible(v.slice(0, 120))}`);
  return [["place", "key", "value", "time"], records.slice(0, NEWEST).map((record) =>
    [`P${record.p} : ${num(record.o)}`, key(record), value(record), clock(record.ts)]), "Newest records"];
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

/** Shows tables in `box`, at most once a second and only when a word changed. */
export function createTwin(box) {
  let shown = "";
  let at = -EVERY;
  return (tables, now) => {
    if (now - at < EVERY) return;
    const words = JSON.stringify(tables);
    at = now;
    if (words === shown) return;
    shown = words;
    box.replaceChildren(...tables.map((content) => table(...content)));
  };
}
