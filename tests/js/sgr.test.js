import assert from "node:assert/strict";
import { test } from "node:test";
import { createSgr } from "../../static/js/sgr.js";

const read = (...chunks) => {
  const sgr = createSgr();
  return chunks.flatMap((chunk) => sgr.feed(chunk));
};
const plain = (...chunks) => read(...chunks).map((segment) => segment.text).join("");

test("colour lasts until it is reset", () => {
  assert.deepEqual(read("a\u001b[31mb\u001b[0mc"), [
    { text: "a", classes: "" }, { text: "b", classes: "ansi1" }, { text: "c", classes: "" }]);
  assert.deepEqual(read("\u001b[32mgreen", " still")[1], { text: " still", classes: "ansi2" });
});

test("weights, slants and grounds are kept side by side and taken off one by one", () => {
  assert.equal(read("\u001b[1;3;33;44mx")[0].classes, "ansi3 ground4 bold slanted");
  assert.equal(read("\u001b[1;3;4mx\u001b[22;23;24my")[1].classes, "");
  assert.equal(read("\u001b[91mx\u001b[39my")[0].classes, "ansi9");
});

test("of 256 colours the first sixteen are shown, true colour is ink", () => {
  assert.equal(read("\u001b[38;5;2mx")[0].classes, "ansi2");
  assert.equal(read("\u001b[38;5;200mx")[0].classes, "");
  assert.equal(read("\u001b[38;2;1;2;3;1mx")[0].classes, "bold");
});

test("every other escape sequence is dropped", () => {
  assert.equal(plain("a\u001b[2Jb\u001b[10;5Hc\u001b[?25ld"), "abcd");
  assert.equal(plain("a\u001b]0;title\u0007b\u001b]8;;http://x/\u001b\\link\u001b]8;;\u001b\\c"), "ablinkc");
  assert.equal(plain("a\u001bPq#0\u001b\\b\u001b(Bc\u001b=d\u0007\u0008e"), "abcde");
});

test("a sequence cut in two between chunks is put together", () => {
  const text = "one \u001b[1;31mtwo\u001b[0m \u001b]0;t\u0007three";
  for (let i = 0; i <= text.length; i += 1) {
    assert.equal(plain(text.slice(0, i), text.slice(i)), "one two three", `cut at ${i}`);
  }
});

test("an escape that never ends does not swallow what follows for ever", () => {
  const shown = plain(`a\u001b]${"x".repeat(400)}`, " goes on");
  assert.ok(shown.endsWith(" goes on"));
});

test("markup is text like any other", () => {
  assert.equal(plain("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
});
