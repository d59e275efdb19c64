import assert from "node:assert/strict";
import test from "node:test";

import { ago } from "../../static/js/lenses/events.js";

test("an event says how long ago it was, in words that stay true for a while", () => {
  const said = [0, 1_900, 2_000, 9_999, 10_000, 19_999, 59_999, 60_000, 3_599_999, 3_600_000, 7_300_000].map(ago);

  assert.deepEqual(said, [
    "now", "now", "2 s ago", "9 s ago", "10 s ago", "10 s ago", "50 s ago", "1 min ago", "59 min ago", "1 h ago", "2 h ago",
  ]);
});

test("a clock that runs behind the server's calls the newest event now", () => {
  assert.equal(ago(-1_500), "now");
});
