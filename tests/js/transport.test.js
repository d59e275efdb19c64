import assert from "node:assert/strict";
import { test } from "node:test";
import { Ladder } from "../../static/js/ladder.js";
import { story } from "../../static/js/transport.js";

const blocked = (lived) => {
  const ladder = new Ladder();
  [1, 2, 3].forEach(() => ladder.failed(lived, 0));
  return ladder;
};

test("nothing is said while websockets work", () => {
  assert.equal(story(new Ladder()).badge, "");
});

test("an event stream is named, with what became of the websocket", () => {
  const { badge, rows } = story(blocked(400));
  assert.equal(badge, "by event stream");
  assert.deepEqual(rows, [
    ["Websocket", "bad", "closed after 0.4 s, three times, by something between us"],
    ["Event stream", "ok", "in use"], ["Polling", "none", "not needed"],
  ]);
});

test("polling says how often, how late, and why not the stream", () => {
  const ladder = blocked(0);
  ladder.heldBack(1);
  ladder.facts.poll.trip = 168;
  const { badge, why, rows } = story(ladder);
  assert.equal(badge, "by polling, every 2 s");
  assert.match(why, /only later; no event is skipped/);
  assert.deepEqual(rows, [
    ["Websocket", "bad", "did not open, three times, by something between us"],
    ["Event stream", "bad", "held back for seconds at a time, so not used"],
    ["Polling", "ok", "84 ms each way"],
  ]);
});

test("while the websocket is being tried the way in use stays named", () => {
  const ladder = blocked(0);
  ladder.retryNow();
  assert.equal(ladder.retry(2), true);
  assert.equal(story(ladder).badge, "by event stream");
});
