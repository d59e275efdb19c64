import assert from "node:assert/strict";
import { test } from "node:test";
import { sentenceFor } from "../../static/js/refusals.js";

test("whatever was answered, there is one sentence and what to do next", () => {
  for (const status of [0, undefined, 200, 403, 404, 429, 500, 502, 503]) {
    assert.match(sentenceFor(status), /^[^.]+\. (Try again|Reload)[^.]*\.$/);
  }
});

test("no answer, an old page and a fault of ours are told apart", () => {
  assert.equal(new Set([0, 403, 404, 429, 500].map(sentenceFor)).size, 5);
  assert.equal(sentenceFor(500), sentenceFor(502));
});
