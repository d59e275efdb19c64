import assert from "node:assert/strict";
import { test } from "node:test";
import { Ladder } from "../../static/js/ladder.js";

const blocked = (ladder, at = 0) => [1, 2, 3].forEach(() => ladder.failed(400, at));

test("three websockets that are cut at once lead to the event stream", () => {
  const ladder = new Ladder();
  ladder.failed(400, 0);
  ladder.failed(0, 0);
  assert.equal(ladder.way, "socket");
  ladder.failed(400, 0);
  assert.equal(ladder.way, "stream");
  assert.deepEqual(ladder.facts.socket, { failures: 3, lived: 400, held: false, trip: 0 });
});

test("a websocket that lasted and is cut now and then stays the way", () => {
  const ladder = new Ladder();
  for (let i = 0; i < 9; i += 1) ladder.failed(60_000, i);
  assert.equal(ladder.way, "socket");
});

test("a stream that fails twice leads to polling", () => {
  const ladder = new Ladder();
  blocked(ladder);
  ladder.failed(0, 0);
  assert.equal(ladder.way, "stream");
  ladder.failed(0, 0);
  assert.equal(ladder.way, "poll");
});

test("a stream that is held back leads to polling at once, and is remembered for it", () => {
  const ladder = new Ladder();
  blocked(ladder);
  ladder.began(0);
  ladder.heldBack(1);
  assert.equal(ladder.way, "poll");
  assert.equal(ladder.facts.stream.held, true);
});

test("when all three fail the site is away, and it begins with the websocket again", () => {
  const ladder = new Ladder();
  blocked(ladder);
  [1, 2, 3].forEach(() => ladder.failed(0, 0));
  assert.equal(ladder.way, "socket");
  assert.equal(ladder.retryAt, 0);
});

test("polling that has worked is kept while the site is away", () => {
  const ladder = new Ladder();
  blocked(ladder);
  ladder.failed(0, 0);
  ladder.failed(0, 0);
  ladder.settled();
  for (let i = 0; i < 9; i += 1) ladder.failed(0, i);
  assert.equal(ladder.way, "poll");
});

test("after five minutes one try shows whether websockets work now", () => {
  const ladder = new Ladder();
  blocked(ladder, 1_000);
  assert.equal(ladder.retry(300_999), false);
  assert.equal(ladder.retry(301_000), true);
  assert.equal(ladder.way, "socket");
  ladder.failed(0, 301_000);
  assert.equal(ladder.way, "stream");
  assert.equal(ladder.retryAt, 601_000);
  assert.equal(ladder.retry(601_000), true);
  ladder.settled();
  assert.deepEqual([ladder.way, ladder.retryAt, ladder.retry(9e9)], ["socket", 0, false]);
});

const hadWorked = () => {
  const ladder = new Ladder();
  ladder.settled();
  return ladder;
};

test("where websockets had worked they are tried again some seconds after another way has brought something", () => {
  const ladder = hadWorked();
  blocked(ladder, 1_000);
  ladder.failed(0, 4_000);
  ladder.began(9_000);
  assert.equal(ladder.retryAt, 6_000, "what was planned earlier stays");
  assert.equal(ladder.retry(9_000), true);
  ladder.settled();
  assert.deepEqual([ladder.way, ladder.retryAt, ladder.vain], ["socket", 0, 0]);
});

test("one try in vain does not make it wait for minutes, many do", () => {
  const ladder = hadWorked();
  blocked(ladder);
  let now = 0;
  const waits = Array.from({ length: 8 }, () => {
    now = ladder.retryAt;
    assert.equal(ladder.retry(now), true);
    ladder.failed(0, now);
    ladder.began(now);
    return ladder.retryAt - now;
  });
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300, 300].map((s) => s * 1_000));
});

test("what failed while the stream was gone as well is not held against websockets", () => {
  const ladder = hadWorked();
  blocked(ladder);
  for (const now of [5_000, 15_000, 35_000]) {
    ladder.retry(now);
    ladder.failed(0, now);
  }
  assert.equal(ladder.retryAt, 75_000);
  ladder.failed(0, 36_000);
  ladder.began(40_000);
  assert.deepEqual([ladder.way, ladder.retryAt], ["stream", 45_000]);
});

test("a reader who asks does not wait", () => {
  const ladder = new Ladder();
  ladder.retryNow();
  assert.equal(ladder.retry(2), false);
  blocked(ladder);
  ladder.retryNow();
  assert.equal(ladder.retry(2), true);
});
