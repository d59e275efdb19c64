import assert from "node:assert/strict";
import { test } from "node:test";
import { honesty } from "../../static/js/board.js";
import { STEPS, step, windowOf } from "../../static/js/charts/heat.js";
import { lanesHeight } from "../../static/js/charts/lanes.js";
import { hexLines, indented, readable } from "../../static/js/charts/record.js";
import { halves, newest } from "../../static/js/lenses/records.js";
import { heatTwin, lanesTwin, ownersTwin, recordsTwin } from "../../static/js/charts/twin.js";
import { plural, size, span } from "../../static/js/ink.js";
import { sentence } from "../../static/js/lenses/lag.js";
import { moved } from "../../static/js/pick.js";
import { laneRows } from "../../static/js/rows.js";
import { skyline } from "../../static/js/time.js";
import { arranged, first, resolve } from "../../static/js/workspace.js";
import { model, record } from "./scene.js";

const rows = laneRows(model(), "orders", "audit");

test("lag has six depths; none to do is the first", () => {
  assert.deepEqual([0, 1, 2, 3, 9, 10, 49, 50, 249, 250, 1e6].map(step), [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
  assert.equal(STEPS.length, 5);
});

test("the heatmap starts with a minute and grows to ten", () => {
  assert.equal(windowOf([], 1e6), 60_000);
  assert.equal(windowOf([{ t: 1e6 - 150_000 }], 1e6), 180_000);
  assert.equal(windowOf([{ t: 0 }], 1e7), 600_000);
});

test("lanes get 41 pixels each while there is room, never less than 28, and no more than 24 are drawn", () => {
  assert.equal(lanesHeight(3), 24 + 3 * 41 + 6);
  assert.equal(lanesHeight(12, 300), 24 + 12 * 28 + 6);
  assert.equal(lanesHeight(400, 300), lanesHeight(24, 300));
  assert.equal(lanesHeight(0), lanesHeight(1));
});

test("the twin of the lanes says every number of the picture", () => {
  const [head, lines] = lanesTwin(rows, "orders", "audit");
  assert.equal(head.length, 7);
  assert.deepEqual(lines[0], ["P0", "client-m1", "0", "10", "7", "3", "9.0 s"]);
  assert.deepEqual(lines[2], ["P2", "client-m2", "0", "0", "no commit yet", "unknown", "unknown"]);
  assert.deepEqual(lanesTwin(rows, "orders", null)[1][0], ["P0", "0", "10", "broker 1"]);
});

test("the twins of owners and lag name what they do not know", () => {
  const [, owners] = ownersTwin(rows, () => [], 10_000);
  assert.deepEqual(owners[0], ["P0", "client-m1", "–", "none"]);
  const [, lags] = heatTwin(rows, [{ t: 1, lags: [3, null, null] }, { t: 2, lags: [9, 4, null] }]);
  assert.deepEqual(lags, [["P0", "3", "9", "3"], ["P1", "4", "4", "4"], ["P2", "no commit yet", "–", "–"]]);
});

test("lag is said in a sentence a person would say", () => {
  assert.equal(sentence("audit", rows),
    "audit is 7 records behind, furthest on P1 (4). On 1 partition it has not committed yet.");
  assert.equal(sentence("audit", rows.map((row) => ({ ...row, lag: 0 }))), "audit has caught up.");
  assert.equal(sentence("audit", rows.map((row) => ({ ...row, lag: null }))), "audit has not committed on this topic yet.");
});

test("a value is shown as what it is: JSON, text, bytes or a tombstone", () => {
  assert.deepEqual(readable('{"a":1}', false, false), { kind: "JSON", text: '{\n  "a": 1\n}' });
  assert.deepEqual(readable("<img src=x>", false, false), { kind: "text", text: "<img src=x>" });
  assert.deepEqual(readable('{"a":', false, true), { kind: "text, cut", text: '{"a":' });
  assert.deepEqual(readable(null, false, false), { kind: "null, a tombstone", text: "" });
  assert.equal(readable("0000000007ff", true, false).kind, "binary, perhaps framed with schema id 7");
  assert.equal(readable("\u202etxt.exe", false, false).text, "\\u202etxt.exe");
  assert.equal(readable('{"a":"\u202e"}', false, false).text, '{\n  "a": "\\u202e"\n}');
});

test("JSON is indented as it came: no number rounded, no field dropped, no depth too much", () => {
  const same = ["{}", "[]", '{"a":[1,{"b":"x, [y]: {z}"},[]],"c":"\\"\\\\"}'];
  for (const json of same) assert.equal(indented(json), JSON.stringify(JSON.parse(json), null, 2));
  assert.equal(indented('{"n":9007199254740993,"x":1.0}'), '{\n  "n": 9007199254740993,\n  "x": 1.0\n}');
  assert.equal(indented('{"a":1,"a":2}').match(/"a"/g).length, 2);
  const deep = "[".repeat(1000) + "]".repeat(1000);
  const { kind, text } = readable(deep, false, false);
  assert.equal(kind, "JSON");
  assert.ok(text.length < 4000);
});

test("bytes are sixteen to a line, with the letters they would be", () => {
  assert.equal(hexLines("48692100ff"), `0000  48 69 21 00 ff${" ".repeat(33)}  Hi!··`);
  assert.equal(hexLines("00".repeat(17)).split("\n").length, 2);
});

test("arrow keys stay inside the log and skip empty lanes", () => {
  const scene = { rows };
  assert.deepEqual(moved("ArrowLeft", null, scene), { p: 0, o: 8 });
  assert.deepEqual(moved("ArrowRight", { p: 0, o: 9 }, scene), { p: 0, o: 9 });
  assert.deepEqual(moved("ArrowDown", { p: 0, o: 2 }, scene), { p: 1, o: 5 });
  assert.deepEqual(moved("ArrowDown", { p: 1, o: 8 }, scene), { p: 1, o: 8 });
  assert.deepEqual(moved("Home", { p: 1, o: 8 }, scene), { p: 1, o: 5 });
  assert.equal(moved("Tab", { p: 1, o: 8 }, scene), null);
  assert.equal(moved("Enter", null, { rows: [] }), null);
});

test("the skyline counts what the log grew by, never what it lost", () => {
  const at = (t, end) => ({ t, model: { topics: { a: { partitions: [{ p: 0, start: 0, end, leader: 1 }] } } } });
  assert.deepEqual(skyline([at(0, 0), at(600, 5), at(700, 6), at(1_200, 2)], "a", 1_500),
    [{ ago: 1_000, grown: 6 }]);
});

test("a lesson's own files come first, programs before others, and what is shown is always a tab", () => {
  const files = ["a/lab.json", "a/producer.py", "a/audit.py", "b/other.py", "kafka.properties"];
  assert.deepEqual(arranged(files, ["a"], []).near, ["a/audit.py", "a/producer.py", "a/lab.json"]);
  assert.ok(arranged(files, ["a"], ["kafka.properties"]).near.includes("kafka.properties"));
  assert.deepEqual(arranged(files, ["a"], [], ["a/producer.py", "a/audit.py"]).near[0], "a/producer.py");
  assert.deepEqual(arranged(files, ["a"], []).far, ["b/other.py", "kafka.properties"]);
  assert.equal(first(files, ["nothing"]), "a/audit.py");
  assert.equal(first(files, ["a"], ["c/x.py", "a/producer.py"]), "a/producer.py");
});

test("the files that were opened last stay tabs beside the lesson's own; another lesson's are in the list", () => {
  const own = ["a/1.py", "a/2.py", "a/3.py", "a/4.py", "a/5.py"];
  const files = [...own, "b/other.py", "try/first.py", "try/second.py"];
  const { near, far } = arranged(files, ["a"], ["gone.py", "a/5.py", "try/second.py", "try/first.py"]);
  assert.deepEqual(near, ["a/1.py", "a/2.py", "a/5.py", "try/first.py", "try/second.py"]);
  assert.deepEqual(far, ["a/3.py", "a/4.py", "b/other.py"]);
  assert.deepEqual(arranged(files, ["not-begun"], []).near, ["try/first.py", "try/second.py"]);
});

test("a file named in the text is the lab's own file of that name", () => {
  const files = ["a/producer.py", "b/producer.py"];
  assert.equal(resolve("producer.py", files, ["b"]), "b/producer.py");
  assert.equal(resolve("a/producer.py", files, ["b"]), "a/producer.py");
  assert.equal(resolve("missing.py", files, ["b"]), null);
});

test("numbers are written for people", () => {
  assert.equal(plural(1, "record"), "1 record");
  assert.equal(plural(2_400, "record"), "2,400 records");
  assert.equal(size(2_048), "2.0 KiB");
  assert.equal(span(1_234), "1.2 s");
  assert.equal(span(180_000), "3 min");
});

test("the honesty line says what is counted, what is drawn and what can be read", () => {
  assert.equal(honesty(model(), "orders"), "Every record is drawn; contents of the newest 2 are here.");
  assert.equal(honesty(model(), "orders", 9), "The newest 9 of 14 are drawn; contents of the newest 2 are here.");
  assert.equal(honesty(model(), "orders", 2), "The newest 2 of 14 are drawn.");
  assert.equal(honesty(model({ counts: { orders: { seen: 1_000, shown: 2 } } }), "orders"),
    "Every record is counted; contents came for 2 of 1,000.");
  assert.equal(honesty(model(), "nothing"), "No record yet.");
});

test("the newest records are told by their own time, over all partitions, and as text", () => {
  const lanes = { 0: [record(0, 1, { ts: 5 }), record(0, 2, { ts: 9 })], 1: [record(1, 4, { ts: 7, k: null, v: "<b>" })] };
  assert.deepEqual(newest(lanes).map(({ p, o }) => [p, o]), [[0, 2], [1, 4], [0, 1]]);
  assert.deepEqual(newest(undefined), []);
  assert.deepEqual(recordsTwin(newest(lanes))[1][1].slice(0, 3), ["P1 : 4", "none", "<b>"]);
});

test("what a cell of the text cuts is marked, counted, and leads to the whole record", () => {
  const cells = (more) => recordsTwin([record(2, 7, more)])[1][0].slice(1, 3);
  const place = { p: 2, o: 7 };
  const long = "a".repeat(130);

  assert.deepEqual(cells({ v: long, size: 130 })[1], { text: "a".repeat(120), more: "10 bytes more", place });
  assert.deepEqual(cells({ v: long, size: 5_000, cut: true })[1].more, "4.8 KiB more");
  assert.deepEqual(cells({ v: "ab".repeat(100), vb: true, size: 100 })[1].more, "40 bytes more");
  assert.deepEqual(cells({ k: "k".repeat(49) })[0], { text: "k".repeat(48), more: "1 character more", place });
  assert.deepEqual(cells({ v: "a".repeat(120), size: 120, k: "k".repeat(48) }), ["k".repeat(48), "a".repeat(120)]);
  const smiles = `${"a".repeat(119)}\u{1f600}b`;
  assert.deepEqual(cells({ v: smiles, size: 124 })[1], { text: "a".repeat(119), more: "5 bytes more", place });
});

test("a key that has to be cut keeps its end, where the keys of a lab differ", () => {
  assert.deepEqual(halves("T-hc8snpp-12"), ["T-hc8sn", "pp-12"]);
  assert.deepEqual(halves("T-1032"), ["T-1032", ""]);
  assert.deepEqual(halves("aaaaaa\u{1f600}bcde"), ["aaaaaa", "\u{1f600}bcde"]);
});
