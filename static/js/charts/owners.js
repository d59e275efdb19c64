/**
 * Who owned which partition over the last 45 s: one row per partition, one bar per owner, gaps with their length.
 */
import { MOST_LANES } from "../rows.js";
import { T, fit, mark, span as seconds, text, weave } from "../ink.js";

const SPAN = 45_000;
const LEFT = 28;
const HEAD = 6;
const GAP = 500;

export const ownersHeight = (lanes, row) => HEAD + Math.min(lanes, MOST_LANES) * row + 18;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{rows: import("../rows.js").LaneRow[], spans: (p: number) => import("../history.js").Span[],
 *   since: number, hue: string, now: number, row: number}} scene
 * since: before this the page saw nothing, and draws nothing
 */
export function drawOwners(canvas, { rows, spans, since, hue, now, row: tall }) {
  const [c, width] = fit(canvas);
  const right = width - 2;
  const x = (t) => right - (now - t) / SPAN * (right - LEFT);
  const seen = Math.max(LEFT, x(since));
  const shown = rows.slice(0, MOST_LANES);
  shown.forEach((row, i) => {
    const y = HEAD + i * tall;
    text(c, `P${row.p}`, 0, y + (tall - 6) / 2, { size: 11.5, weight: 500, fill: T.ink });
    c.fillStyle = T.rule;
    c.fillRect(seen, y + (tall - 6) / 2, right - seen, 1);
    bars(c, spans(row.p), { x, y, tall: tall - 6, right, now, hue });
  });
  axis(c, x, right, HEAD + shown.length * tall + 6, now);
}

function bars(c, spans, at) {
  let before = null;
  for (const one of spans) {
    if (one.from > at.now) break;
    const to = Math.min(one.to ?? at.now, at.now);
    if (to > at.now - SPAN) {
      if (before && one.from - before > GAP) gap(c, before, one.from, at);
      bar(c, one, Math.max(LEFT, at.x(one.from)), Math.min(at.right, at.x(to)), at);
    }
    before = to;
  }
  if (before && before < at.now - GAP && before > at.now - SPAN) gap(c, before, at.now, at);
}

function bar(c, { no }, from, to, { y, tall, hue }) {
  if (to <= from) return;
  const shape = (no - 1) % 6;
  c.fillStyle = weave(c, shape, hue);
  c.fillRect(from, y, to - from, tall);
  c.strokeStyle = T[hue];
  c.lineWidth = 1;
  c.strokeRect(from + 0.5, y + 0.5, Math.max(0, to - from - 1), tall - 1);
  if (to - from < 24) return;
  const wide = to - from > 48 ? 26 : 14;
  c.fillStyle = T.plate;
  c.fillRect(from + 4, y + 2, wide, tall - 4);
  mark(c, shape, from + 11, y + tall / 2, 4, T[hue]);
  if (wide > 14) text(c, String(no), from + 20, y + tall / 2 + 0.5, { size: 11, weight: 600, fill: T.ink });
}

/** Time in which nobody was reading. */
function gap(c, from, to, { x, y, tall }) {
  const start = Math.max(LEFT, x(from));
  const wide = x(to) - start;
  c.fillStyle = T.bad;
  c.fillRect(start + 1, y + tall - 2, Math.max(1, wide - 2), 2);
  if (wide < 30) return;
  const label = seconds(to - from);
  c.fillStyle = T.plate;
  c.fillRect(start + wide / 2 - 14, y + 1.5, 28, tall - 4);
  text(c, label, start + wide / 2, y + tall / 2 - 0.5, { size: 11, weight: 600, fill: T.bad, align: "center" });
}

function axis(c, x, right, y, now) {
  for (const ago of [45, 30, 15]) {
    text(c, `${ago} s ago`, x(now - ago * 1000), y, { size: 11, align: ago === 45 ? "left" : "center" });
  }
  text(c, "now", right, y, { size: 11, align: "right" });
}
