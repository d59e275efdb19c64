/**
 * Partition lanes: records as movable type. Tint = committed, full ink = still to do, letter = key.
 * Draws one scene on one canvas; owns nothing but the position of its slide.
 */
import { MOST_LANES } from "../rows.js";
import { recordAt } from "../model.js";
import { T, clipped, fit, mark, num, span, text } from "../ink.js";

const CELL = 13;
const TALL = 21;
const RIGHT = 92;
const HEAD = 24;
const FOOT = 6;
const SLIDE = 0.16;
const JUMP = 30;
const DIM = 0.62;
const DIGIT = 6;

/**
 * @typedef {{
 *   model: import("../model.js").Model, topic: string, rows: import("../rows.js").LaneRow[],
 *   group: {id: string, hue: string}|null, others: {id: string, hue: string}[],
 *   ownerNo: (member: string) => number, ink: (key: string) => number,
 *   letter: (topic: string, key: string) => string,
 *   focus: number|null, pin: string|null, cursor: {p: number, o: number}|null, still: boolean,
 * }} Scene
 */

/** Height that fits so many lanes without crowding them, CSS pixels. */
export function lanesHeight(lanes, room = Infinity) {
  const count = Math.max(1, Math.min(lanes, MOST_LANES));
  const row = Math.max(28, Math.min(41, (room - HEAD - FOOT) / count));
  return Math.round(HEAD + count * row + FOOT);
}

/** @param {HTMLCanvasElement} canvas */
export function createLanes(canvas) {
  const heads = [];
  const dims = [];
  let place = null;

  /** @param {Scene} scene @returns {boolean} something is still moving: draw again */
  function draw(scene) {
    const [c, width, height] = fit(canvas);
    const rows = scene.rows.slice(0, MOST_LANES);
    const left = scene.group ? 66 : 34;
    const right = width - RIGHT;
    const rowTall = (height - HEAD - FOOT) / Math.max(1, rows.length);
    place = { left, right, rowTall, rows, width: right - left };
    titles(c, scene, width, right);
    let moving = false;
    rows.forEach((row, i) => {
      moving = slide(row, i, scene) || moving;
      c.globalAlpha = dims[i];
      lane(c, scene, row, { head: heads[i], middle: HEAD + i * rowTall + 9, left, right, width, rowTall });
      c.globalAlpha = 1;
    });
    return moving;
  }

  function slide(row, i, { focus, still }) {
    const aim = focus !== null && focus !== row.p ? DIM : 1;
    dims[i] = still ? aim : (dims[i] ?? aim) + (aim - (dims[i] ?? aim)) * SLIDE;
    const away = row.end - (heads[i] ?? row.end);
    const near = still || heads[i] === undefined || Math.abs(away) > JUMP || Math.abs(away) < 0.02;
    heads[i] = near ? row.end : heads[i] + away * SLIDE;
    return heads[i] !== row.end || Math.abs(dims[i] - aim) > 0.01;
  }

  /** @returns {{p: number, o: number}|null} the record under a point of the canvas */
  function hit(x, y) {
    if (!place || x < place.left || x > place.right) return null;
    const i = Math.floor((y - HEAD + 8) / place.rowTall);
    const row = place.rows[i];
    if (!row) return null;
    const o = Math.floor(heads[i] - (place.right - x) / CELL);
    return o >= row.start && o < row.end ? { p: row.p, o } : null;
  }

  /** Where a record stands, for a tip beside it. */
  function spot(p, o) {
    const i = place?.rows.findIndex((row) => row.p === p) ?? -1;
    if (i < 0) return null;
    return { x: place.right - (heads[i] - o) * CELL, y: HEAD + i * place.rowTall + 9 };
  }

  /** Records that have a cell on the canvas now; older ones lie beyond its left edge. */
  function drawn() {
    if (!place) return 0;
    const room = Math.floor(place.width / CELL);
    return place.rows.reduce((sum, { start, end }) => sum + Math.min(end - start, room), 0);
  }

  return { draw, hit, spot, drawn, forget: () => { heads.length = 0; } };
}

function titles(c, { group }, width, right) {
  text(c, "newest", right, 8, { align: "right", size: 11 });
  if (group) text(c, "owner", 30, 8, { size: 11 });
  text(c, group ? "behind" : "log end", width, 8, { align: "right", size: 11 });
}

function lane(c, scene, row, at) {
  const { middle, left, right } = at;
  const x = (o) => right - (at.head - o) * CELL;
  text(c, `P${row.p}`, 0, middle, { size: 12.5, weight: scene.focus === row.p ? 750 : 600, fill: T.ink });
  if (scene.group) owner(c, scene, row, middle);
  c.save();
  c.beginPath();
  c.rect(left, middle - 19, right - left + 1, at.rowTall + 4);
  c.clip();
  bed(c, row, x, at);
  if (scene.group && row.lag) lagSpan(c, scene.group.hue, x(Math.max(row.committed, row.start)), x(row.end), at);
  cells(c, scene, row, x, at);
  c.restore();
  flags(c, scene, row, x, at);
  c.fillStyle = T["ink-2"];
  c.fillRect(right + 1, middle - TALL / 2 - 4, 1.4, TALL + 8);
  figures(c, scene, row, at);
}

function owner(c, { group, ownerNo }, row, middle) {
  if (row.owner) {
    const no = ownerNo(row.owner.id);
    mark(c, (no - 1) % 6, 36, middle, 4.6, T[group.hue]);
    text(c, String(no), 46, middle, { size: 11.5, fill: T["ink-2"] });
    return;
  }
  c.strokeStyle = T["ink-3"];
  c.lineWidth = 1;
  c.setLineDash([2, 2]);
  c.strokeRect(31.5, middle - 4.5, 9, 9);
  c.setLineDash([]);
}

/** The line the type stands on; torn where the log was deleted below its start. */
function bed(c, row, x, { middle, left, right }) {
  const from = Math.max(left, x(row.start));
  c.fillStyle = T.rule;
  c.fillRect(from, middle + TALL / 2 + 5, right - from, 1);
  if (row.start === 0 || x(row.start) <= left) return;
  c.strokeStyle = T["ink-3"];
  c.lineWidth = 1.2;
  c.beginPath();
  for (let i = 0; i <= 6; i += 1) c.lineTo(from - 2 + (i % 2 ? 3 : 0), middle - TALL / 2 - 3 + i * (TALL + 8) / 6);
  c.stroke();
}

function lagSpan(c, hue, from, to, { middle, left }) {
  const start = Math.max(left, from);
  c.fillStyle = T[`${hue}t`];
  c.fillRect(start, middle - TALL / 2 - 4, to - start, TALL + 8);
  c.fillStyle = T[hue];
  c.fillRect(start, middle + TALL / 2 + 4, to - start, 2);
}

/** Paper first, then all letters in one font, then the offsets: changing the font is what costs. */
function cells(c, scene, row, x, { head, middle, left, right, rowTall }) {
  const first = Math.max(row.start, Math.floor(head - (right - left) / CELL) - 1);
  const last = Math.min(row.end, Math.ceil(head) + 1);
  const done = scene.group ? row.committed ?? -1 : Infinity;
  const top = middle - TALL / 2;
  const full = c.globalAlpha;
  c.font = `600 10.5px ${T.sans}`;
  c.textAlign = "center";
  c.textBaseline = "middle";
  for (let o = first; o < last && x(o) <= right - 2; o += 1) {
    const record = recordAt(scene.model, scene.topic, row.p, o);
    c.globalAlpha = scene.pin !== null && record?.k !== scene.pin ? full * 0.3 : full;
    cell(c, face(scene, record, o >= done), x(o), top);
    c.globalAlpha = full;
    if (scene.cursor?.p === row.p && scene.cursor.o === o) ring(c, x(o), top);
  }
  if (rowTall <= 37) return;
  for (let o = Math.max(20, Math.ceil(first / 20) * 20); o < last; o += 20) {
    // A number that the lane's end would cut says something else than it means.
    if (x(o) >= left && x(o) + num(o).length * DIGIT <= right) text(c, num(o), x(o) + 1, middle + TALL / 2 + 11, { size: 9.5 });
  }
}

function cell(c, { paper, ink, letter }, x, top) {
  c.fillStyle = paper;
  c.fillRect(x, top, CELL - 1, TALL);
  if (!letter) return;
  c.fillStyle = ink;
  c.fillText(letter, x + (CELL - 1) / 2, top + TALL / 2 + 0.5);
}

/** A record whose preview we do not hold is drawn, without a letter; one without a key has a dot. */
function face({ ink, letter, topic }, record, todo) {
  if (!record) return { paper: todo ? T["rule-2"] : T.wash, letter: "" };
  if (record.k === null) {
    return { paper: todo ? T["ink-3"] : T.wash, ink: todo ? T.plate : T["ink-2"], letter: "·" };
  }
  const no = ink(record.k);
  return {
    paper: todo ? T[`k${no}`] : T[`k${no}t`], ink: todo ? T["on-key"] : T[`k${no}`],
    letter: record.kb ? "#" : letter(topic, record.k),
  };
}

function ring(c, x, top) {
  c.strokeStyle = T.ink;
  c.lineWidth = 2;
  c.strokeRect(x - 1, top - 2, CELL + 1, TALL + 4);
}

/** Every group that reads here has its place marked; the one that is looked at has the solid flag. */
function flags(c, scene, row, x, { middle, left, right }) {
  c.save();
  c.beginPath();
  c.rect(left - 2, middle - 19, right - left + 14, 40);
  c.clip();
  for (const { id, hue } of scene.others) {
    const saved = scene.model.groups[id]?.committed?.[scene.topic]?.[row.p];
    if (saved !== undefined) flag(c, Math.min(right + 1, x(saved)), middle, T[hue], false);
  }
  if (scene.group && row.committed !== null) {
    flag(c, Math.min(right + 1, x(row.committed)), middle, T[scene.group.hue], true);
  }
  c.restore();
  if (!scene.group || row.committed === null || x(row.committed) >= left) return;
  c.fillStyle = T[scene.group.hue];
  c.beginPath();
  c.moveTo(left - 3, middle - 5);
  c.lineTo(left - 9, middle);
  c.lineTo(left - 3, middle + 5);
  c.fill();
}

function flag(c, x, middle, hue, solid) {
  const pole = Math.round(x) - 1;
  const top = middle - TALL / 2 - 7;
  c.strokeStyle = hue;
  c.lineWidth = solid ? 2 : 1.2;
  c.beginPath();
  c.moveTo(pole, middle + TALL / 2 + 5);
  c.lineTo(pole, top);
  c.stroke();
  c.beginPath();
  c.moveTo(pole, top);
  c.lineTo(pole + 8, top);
  c.lineTo(pole + 5.6, top + 3.2);
  c.lineTo(pole + 8, top + 6.4);
  c.lineTo(pole, top + 6.4);
  c.closePath();
  c.fillStyle = solid ? hue : T.plate;
  c.fill();
  c.lineWidth = 1.2;
  c.stroke();
}

/** The number the lane is about: lag where a group reads, else the log end. */
function figures(c, { group }, row, { middle, width }) {
  if (!group) {
    text(c, num(row.end), width, middle, { size: 14, weight: 600, fill: T.ink, align: "right" });
  } else if (row.lag === null) {
    text(c, "no commit yet", width, middle, { size: 11.5, fill: T["ink-2"], align: "right" });
  } else {
    const behind = row.behindMs ? span(row.behindMs) : row.lag ? "" : "–";
    text(c, clipped(c, num(row.lag), 52), width - 38, middle, {
      size: 14, weight: 600, fill: row.lag ? T.ink : T["ink-3"], align: "right",
    });
    text(c, behind, width, middle, { size: 11.5, align: "right" });
  }
}

/** The foot of a phone: a stroke per lane, lag as its heavy end. */
export function drawMini(canvas, rows, hue) {
  const [c, width, height] = fit(canvas);
  const shown = rows.slice(0, 12);
  const row = height / Math.max(1, shown.length);
  shown.forEach(({ lag, end, start }, i) => {
    const y = Math.round(i * row + row / 2);
    c.fillStyle = T["rule-2"];
    c.fillRect(0, y, width, 1);
    const wide = hue ? Math.min(40, lag ?? end - start) / 40 * width * 0.7 : Math.min(60, end - start) / 60 * width;
    c.fillStyle = hue ? T[hue] : T["ink-3"];
    c.fillRect(width - wide, y - 1.5, wide, 4);
    c.fillRect(width - wide - 2, y - 4, 2, 9);
  });
}
