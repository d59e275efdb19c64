/**
 * One record, opened: where it stands, its key, value and headers as text. Bytes of a record are hostile: they go in
 * by textContent only, as what they are.
 */
import { clock, h, num, size } from "../ink.js";
import { visible } from "../keys.js";

/** Pretty JSON when the value is JSON, else the text itself. @returns {{kind: string, text: string}} */
export function readable(value, binary, cut) {
  if (value === null) return { kind: "null, a tombstone", text: "" };
  if (binary) return { kind: `binary${schemaHint(value)}`, text: hexLines(value) };
  if (cut) return { kind: "text, cut", text: visible(value) };
  try {
    const parsed = JSON.parse(value);
    if (parsed !== null && typeof parsed === "object") return { kind: "JSON", text: visible(indented(value)) };
  } catch { /* not JSON: shown as it came */ }
  return { kind: "text", text: visible(value) };
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g;
const DEEPEST = 20;

/**
 * JSON on lines of its own, each token as it came: parsing would round 9007199254740993, and drop the first of two
 * fields of one name. What is nested deeper than anybody reads goes on in one line.
 * @param {string} json that is known to parse
 */
export function indented(json) {
  const out = [];
  let depth = 0;
  let last = "";
  const line = () => (depth < DEEPEST ? `\n${"  ".repeat(depth)}` : "");
  for (const [token] of json.matchAll(TOKENS)) {
    const began = last === "{" || last === "[";
    const ends = token === "}" || token === "]";
    if (ends) depth -= 1;
    if (ends ? !began : began || last === ",") out.push(line());
    else if (last === ":") out.push(" ");
    if (token === "{" || token === "[") depth += 1;
    out.push(token);
    last = token;
  }
  return out.join("");
}

/** A first byte 0 and four more are how schema registries frame a value. */
function schemaHint(hex) {
  return /^00[0-9a-f]{8}/.test(hex) ? `, perhaps framed with schema id ${parseInt(hex.slice(2, 10), 16)}` : "";
}

/** Sixteen bytes a line with their offset, and the letters they would be. */
export function hexLines(hex) {
  const lines = [];
  for (let at = 0; at < hex.length; at += 32) {
    const bytes = hex.slice(at, at + 32).match(/.{1,2}/g) ?? [];
    const letters = bytes.map((byte) => {
      const code = parseInt(byte, 16);
      return code > 31 && code < 127 ? String.fromCharCode(code) : "·";
    });
    const offset = (at / 2).toString(16).padStart(4, "0");
    lines.push(`${offset}  ${bytes.join(" ").padEnd(47)}  ${letters.join("")}`);
  }
  return lines.join("\n");
}

/**
 * @param {import("../frames.js").KafkaRecord|null} record null when only its place is known
 * @param {{topic: string, p: number, o: number, group: string|null, row: import("../rows.js").LaneRow|undefined,
 *   ink: (key: string) => number}} about
 */
export function recordView(record, { topic, p, o, group, row, ink }) {
  const place = h("p", { className: "place" }, h("b", {}, `P${p} : ${num(o)}`), ` in ${topic}`);
  const status = h("p", { className: "say" }, standing(o, group, row));
  if (!record) {
    return [place, status, h("p", { className: "dim" }, "Its contents were not sent to this page: at this rate only "
      + "some are. It is counted, and it is in your log.")];
  }
  const value = readable(record.v, record.vb, record.cut);
  return [
    place, status,
    h("dl", { className: "facts" },
      fact("Time", `${clock(record.ts)}.${String(record.ts % 1000).padStart(3, "0")}`),
      fact("Key", keyWord(record, ink)),
      fact("Headers", headers(record.h)),
      fact("Value", `${size(record.size)}, ${value.kind}`)),
    value.text ? h("pre", { className: "value", tabIndex: 0 }, value.text) : null,
    record.cut ? h("p", { className: "dim" }, "Cut for this page. The whole value is in your log.") : null,
  ].filter(Boolean);
}

function standing(o, group, row) {
  if (!group || !row) return "No group reads this topic yet.";
  if (row.committed === null) return `${group} has not committed on P${row.p} yet.`;
  return o < row.committed
    ? `Committed: ${group} starts at ${num(row.committed)} next time.`
    : `Still to do: ${group} has committed up to ${num(row.committed)}.`;
}

function keyWord(record, ink) {
  if (record.k === null) return "none";
  if (record.kb) return `binary: ${record.k}`;
  const word = h("span", { className: `key k${ink(record.k)}`, tabIndex: 0, role: "button" }, visible(record.k) || "(empty)");
  word.dataset.key = record.k;
  return word;
}

function headers(list) {
  if (!list.length) return "none";
  return h("ul", { className: "headers" }, ...list.map(([name, value]) =>
    h("li", {}, h("code", {}, visible(name)), " ", value === null ? "null" : visible(value))));
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
