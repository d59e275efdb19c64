import assert from "node:assert/strict";
import { test } from "node:test";
import { kindOf, news } from "../../static/js/labs.js";

const task = (word) => ({ kind: kindOf(word), said: `Keys: ${word}.` });
const panel = (...words) => new Map(words.map((word, n) => [`t${n}`, task(word)]));

test("numbers that run are not another word", () => {
  assert.equal(kindOf("watching, 3 of 10"), kindOf("watching"));
  assert.equal(kindOf("done 14:05"), "done");
  assert.equal(kindOf("ran out of time"), "ran out of time");
});

test("a result that came is said, and what is merely watched is not", () => {
  assert.deepEqual(news(panel("watching", "watching"), panel("watching, 3 of 10", "failed")), ["Keys: failed."]);
  assert.deepEqual(news(panel("", ""), panel("watching", "after task 1")), []);
  assert.deepEqual(news(panel("done 14:05"), panel("done 14:05")), []);
});

test("whoever asks is told the result, whether it is another one or not", () => {
  assert.deepEqual(news(panel("failed", "failed"), panel("failed", "failed"), "t1"), ["Keys: failed."]);
  assert.deepEqual(news(panel("watching"), panel("watching"), "t0"), ["Keys: watching."]);
});
