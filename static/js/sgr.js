/**
 * Program output: text with colour (SGR) and nothing else. Every other escape sequence is dropped, and what is cut in
 * two between chunks is put together. Pure; the pane turns segments into spans by textContent.
 *
 * @typedef {{text: string, classes: string}} Segment
 */

const ESCAPE = "\u001b";
// CSI … final, OSC … BEL or ST, two-character escapes, and single control characters but \n \r \t.
const SEQUENCE = new RegExp(
  "\\u001b\\[([0-9;:?<=>!]*)[ -/]*([@-~])|\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)|\\u001b[PX^_][^\\u001b]*\\u001b\\\\"
  + "|\\u001b[ -/]*[0-Z\\\\^-~]|[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001a\\u001c-\\u001f\\u007f-\\u009f]", "g");
const LONGEST_ESCAPE = 256;

const FLAGS = { 1: "bold", 2: "faint", 3: "slanted", 4: "lined", 7: "turned" };
const OFF = { 22: ["bold", "faint"], 23: ["slanted"], 24: ["lined"], 27: ["turned"] };

/** @returns {{feed: (chunk: string) => Segment[]}} one per program: colour lasts until it is reset */
export function createSgr() {
  let kept = "";
  const style = { ink: null, ground: null, flags: new Set() };

  function feed(chunk) {
    const text = kept + chunk;
    const cut = unfinished(text);
    kept = text.slice(cut);
    return segments(text.slice(0, cut), style);
  }
  return { feed };
}

/** Where an escape sequence starts that has not ended yet; the length when none has. */
function unfinished(text) {
  const at = text.lastIndexOf(ESCAPE);
  if (at < 0 || text.length - at > LONGEST_ESCAPE) return text.length;
  return text.slice(at).search(SEQUENCE) === 0 ? text.length : at;
}

function segments(text, style) {
  const found = [];
  let from = 0;
  const put = (to) => { if (to > from) found.push({ text: text.slice(from, to), classes: classes(style) }); };
  for (const match of text.matchAll(SEQUENCE)) {
    put(match.index);
    from = match.index + match[0].length;
    if (match[2] === "m") dress(style, match[1]);
  }
  put(text.length);
  return found.map(({ text: piece, classes: names }) => ({ text: piece.replaceAll(ESCAPE, ""), classes: names }))
    .filter((segment) => segment.text);
}

function dress(style, parameters) {
  const codes = parameters.split(/[;:]/).map((code) => Number(code || 0));
  for (let i = 0; i < codes.length; i += 1) i += put(style, codes, i);
}

/** @returns {number} how many further codes were used up */
function put(style, codes, i) {
  const code = codes[i];
  if (code === 38 || code === 48) return extended(style, codes, i);
  if (code === 0) Object.assign(style, { ink: null, ground: null, flags: new Set() });
  else if (FLAGS[code]) style.flags.add(FLAGS[code]);
  else if (OFF[code]) OFF[code].forEach((flag) => style.flags.delete(flag));
  else if (code >= 30 && code <= 37) style.ink = code - 30;
  else if (code >= 90 && code <= 97) style.ink = code - 90 + 8;
  else if (code === 39) style.ink = null;
  else if (code >= 40 && code <= 47) style.ground = code - 40;
  else if (code >= 100 && code <= 107) style.ground = code - 100 + 8;
  else if (code === 49) style.ground = null;
  return 0;
}

/** Of the 256 colours only the first sixteen are ours to show; the rest stays ink. */
function extended(style, codes, i) {
  const place = codes[i] === 38 ? "ink" : "ground";
  if (codes[i + 1] === 2) { style[place] = null; return 4; }
  style[place] = codes[i + 2] < 16 ? codes[i + 2] : null;
  return 2;
}

function classes({ ink, ground, flags }) {
  return [...(ink === null ? [] : [`ansi${ink}`]), ...(ground === null ? [] : [`ground${ground}`]), ...flags].join(" ");
}
