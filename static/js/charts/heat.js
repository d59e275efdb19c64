/**
 * Lag as a heatmap: partitions down, the last minutes across, one hue. The darker the cell, the further behind;
 * the steps are printed beside the picture, and "no commit yet" is hatched, which is not the same as 0.
 */
import { MOST_LANES } from "../rows.js";
import { LAG_FOR } from "../history.js";
import { T, fit, num, text } from "../ink.js";

const LEFT = 28;
const RIGHT = 56;
const FOOT = 20;
/** Upper bounds of the steps; beyond the last it is full ink. */
export const STEPS = [0, 2, 9, 49, 249];
const DEPTH = [0, 0.16, 0.34, 0.54, 0.76, 1];

export const heatHeight = (lanes, row) => Math.min(lanes, MOST_LANES) * row + FOOT;

/** @returns {number} 0 for nothing to do, up to 5 */
export function step(lag) {
  const at = STEPS.findIndex((bound) => lag <= bound);
  return at < 0 ? STEPS.length : at;
}

/**
 * The time shown grows with what there is to show, so that the first minute is not a sliver.
 * @param {{t: number}[]} samples
 */
export function windowOf(samples, now) {
  const age = now - (samples[0]?.t ?? now);
  return Math.min(LAG_FOR, Math.max(60_000, Math.ceil(age / 60_000) * 60_000));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{rows: import("../rows.js").LaneRow[], samples: {t: number, lags: (number|null)[]}[], hue: string,
 *   now: number, row: number}} scene
 */
export function drawHeat(canvas, { rows, samples, hue, now, row: tall }) {
  const [c, width] = fit(canvas);
  const right = width - RIGHT;
  const wide = windowOf(samples, now);
  const x = (t) => right - (now - t) / wide * (right - LEFT);
  const seen = Math.max(LEFT, x(samples[0]?.t ?? now));
  const shown = rows.slice(0, MOST_LANES);
  shown.forEach((row, i) => {
    text(c, `P${row.p}`, 0, i * tall + tall / 2, { size: 11.5, weight: 500, fill: T.ink });
    c.fillStyle = T.wash;
    c.fillRect(seen, i * tall + 1, right - seen, tall - 3);
    strip(c, samples, i, { x, y: i * tall + 1, tall: tall - 3, hue, now });
    text(c, row.lag === null ? "no commit" : num(row.lag), width, i * tall + tall / 2, {
      size: row.lag === null ? 11 : 13, weight: row.lag === null ? 400 : 600, fill: row.lag ? T.ink : T["ink-3"],
      align: "right",
    });
  });
  axis(c, x, right, shown.length * tall + 9, now, wide);
}

function strip(c, samples, i, { x, y, tall, hue, now }) {
  samples.forEach(({ t, lags }, at) => {
    if (t > now || x(t) < LEFT) return;
    const from = Math.max(LEFT, x(t));
    const until = Math.min(samples[at + 1]?.t ?? now, t + 5_000);
    const wide = Math.max(0.6, x(Math.min(until, now)) - from + 0.3);
    if (lags[i] === null || lags[i] === undefined) return hatch(c, from, y, wide, tall);
    c.globalAlpha = DEPTH[step(lags[i])];
    c.fillStyle = T[hue];
    c.fillRect(from, y, wide, tall);
    c.globalAlpha = 1;
  });
}

function hatch(c, x, y, wide, tall) {
  c.fillStyle = T["rule-2"];
  for (let dy = 2; dy < tall; dy += 4) c.fillRect(x, y + dy, wide, 1);
}

function axis(c, x, right, y, now, wide) {
  const minutes = wide / 60_000;
  text(c, minutes === 1 ? "1 min ago" : `${minutes} min ago`, LEFT, y, { size: 11 });
  text(c, minutes === 1 ? "30 s ago" : `${minutes / 2} min ago`, x(now - wide / 2), y, { size: 11, align: "center" });
  text(c, "now", right, y, { size: 11, align: "right" });
}
