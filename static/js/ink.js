/**
 * Drawing helpers shared by every chart: theme tokens as a canvas can use them, crisp canvases, member marks and
 * weaves, numbers as words, tables. Text always goes in by textContent.
 */

const SVG = "http://www.w3.org/2000/svg";
const NAMES = [
  "paper", "plate", "raise", "ink", "ink-2", "ink-3", "rule", "rule-2", "wash", "ok", "warn", "warnt", "bad",
  "badt", "on-key", "focus",
  ...["g1", "g2", "g3"].flatMap((name) => [name, `${name}t`, `${name}m`]),
  ...Array.from({ length: 8 }, (_, i) => [`k${i}`, `k${i}t`]).flat(),
];
export const GROUP_HUES = ["g1", "g2", "g3"];
export const MARKS = 6;

/** Tokens resolved for the theme in use. @type {Record<string, string>} */
export const T = {};

/** Read the tokens again; call after the theme changed. light-dark() is resolved by the browser itself. */
export function readTokens() {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    T[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  T.sans = getComputedStyle(document.documentElement).getPropertyValue("--sans");
  weaves.clear();
}

/** @returns {boolean} the reader asked for no motion */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const FORMAT = new Intl.NumberFormat("en-GB");
export const num = (n) => FORMAT.format(Math.round(n));
export const word = (n) => WORDS[n] ?? num(n);
export const plural = (n, noun, spell = num) => `${spell(n)} ${noun}${Math.round(n) === 1 ? "" : "s"}`;

/** @param {number} ms @returns {string} hh:mm:ss on the reader's clock */
export function clock(ms) {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? "no such time" : time.toLocaleTimeString("en-GB", { hour12: false });
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1024) return plural(bytes, "byte");
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** Seconds with one decimal, or minutes when there are many. @param {number} ms */
export const span = (ms) => (ms < 99_950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`);

/**
 * A canvas as sharp as the screen, cleared.
 * @param {HTMLCanvasElement} canvas
 * @returns {[CanvasRenderingContext2D, number, number]} context, width and height in CSS pixels
 */
export function fit(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  return [c, width, height];
}

export function text(c, string, x, y, {
  size: px = 11.5, weight = 400, fill = T["ink-3"], align = "left", base = "middle",
} = {}) {
  c.font = `${weight} ${px}px ${T.sans}`;
  c.textAlign = align;
  c.textBaseline = base;
  c.fillStyle = fill;
  c.fillText(string, x, y);
}

/** A string that fits into `width`, with an ellipsis when it had to be shortened. */
export function clipped(c, string, width) {
  if (c.measureText(string).width <= width) return string;
  let end = string.length;
  while (end > 1 && c.measureText(`${string.slice(0, end)}…`).width > width) end -= 1;
  return `${string.slice(0, end)}…`;
}

// Six member marks: circle, square, triangle, diamond, bar, cross. Shape says who; hue says which group.
const OUTLINES = [
  "M6 1.4a4.6 4.6 0 1 1 0 9.2a4.6 4.6 0 1 1 0-9.2z", "M1.8 1.8h8.4v8.4H1.8z", "M6 1l5 9H1z", "M6 .6L11.4 6 6 11.4.6 6z",
  "M1 4h10v4H1z", "M1.5 4.4h2.9V1.5h3.2v2.9h2.9v3.2H7.6v2.9H4.4V7.6H1.5z",
];
const outlines = [];

export function mark(c, i, x, y, r, fill) {
  outlines[i] ??= new Path2D(OUTLINES[i]);
  c.save();
  c.translate(x - r * 1.1, y - r * 1.1);
  c.scale(r * 2.2 / 12, r * 2.2 / 12);
  c.fillStyle = fill;
  c.fill(outlines[i]);
  c.restore();
}

/** @param {number} i @param {string} hue "g1", "g2" or "g3" */
export function markIcon(i, hue) {
  return icon("0 0 12 12", OUTLINES[i], `mark ${hue}`);
}

/** @param {string} hue @param {boolean} solid */
export function flagIcon(hue, solid) {
  return icon("0 0 10 13", "M1.5 13V1h7L6 3.6l2.5 2.6h-7", `flag ${hue}${solid ? " solid-flag" : ""}`);
}

function icon(viewBox, d, classes) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", d);
  svg.append(path);
  return svg;
}

const weaves = new Map();
const LINES = {
  1: [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]],
  2: [[0, 2, 8, 2], [0, 6, 8, 6]],
  4: [[2, 0, 2, 8], [6, 0, 6, 8]],
  5: [[-2, -2, 10, 10]],
};

/** One hue per group, one weave per member. */
export function weave(c, i, hue) {
  const name = `${hue}${i}`;
  if (!weaves.has(name)) weaves.set(name, c.createPattern(swatch(i, hue), "repeat"));
  return weaves.get(name);
}

function swatch(i, hue) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const c = canvas.getContext("2d");
  const dark = i === 0 || i === 2 || i === 5;
  c.fillStyle = T[hue + (dark ? "m" : "t")];
  c.fillRect(0, 0, 8, 8);
  c.strokeStyle = T[hue + (dark ? "t" : "m")];
  c.fillStyle = T[`${hue}m`];
  c.lineWidth = 1.4;
  c.beginPath();
  for (const [x0, y0, x1, y1] of LINES[i] ?? []) { c.moveTo(x0, y0); c.lineTo(x1, y1); }
  c.stroke();
  if (i === 3) { c.fillRect(1, 1, 2, 2); c.fillRect(5, 5, 2, 2); }
  return canvas;
}

/**
 * @param {string[]} head
 * @param {(string|number)[][]} rows
 * @param {string} [caption]
 */
export function table(head, rows, caption) {
  const made = document.createElement("table");
  if (caption) made.createCaption().textContent = caption;
  const top = made.createTHead().insertRow();
  for (const title of head) {
    top.append(Object.assign(document.createElement("th"), { scope: "col", textContent: title }));
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) line.insertCell().append(value?.nodeType ? value : String(value));
  }
  return made;
}

/** `h("li", { className: "gone" }, "text", node)`: an element; strings become text, never markup. */
export function h(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Write only what changed, so that selections, focus and screen readers are left alone. */
export function say(node, string) {
  if (node && node.textContent !== string) node.textContent = string;
}
