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
  ladder.began(1_500);
  assert.equal(ladder.retry(300_999), false);
  assert.equal(ladder.retry(301_000), true);
  assert.equal(ladder.way, "socket");
  ladder.failed(0, 301_000);
  assert.equal(ladder.way, "stream");
  assert.equal(ladder.retryAt, 601_000);
  ladder.began(302_000);
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
  assert.equal(ladder.retry(9_000), false, "with the stream gone as well it is the site or the network");
  ladder.began(9_000);
  assert.equal(ladder.retryAt, 4_000, "what was planned earlier stays");
  assert.equal(ladder.retry(9_000), true);
  ladder.settled();
  assert.deepEqual([ladder.way, ladder.retryAt, ladder.vain], ["socket", 0, 0]);
});

test("one try in vain does not make it wait for minutes, many do", () => {
  const ladder = hadWorked();
  blocked(ladder);
  ladder.began(0);
  let now = 0;
  const waits = Array.from({ length: 9 }, () => {
    now = ladder.retryAt;
    assert.equal(ladder.retry(now), true);
    ladder.failed(0, now);
    ladder.began(now);
    return ladder.retryAt - now;
  });
  assert.deepEqual(waits, [6, 12, 24, 48, 96, 192, 300, 300, 300].map((s) => s * 1_000));
});

test("once the stream was gone as well, earlier tries in vain are not held against websockets", () => {
  const ladder = hadWorked();
  blocked(ladder);
  ladder.began(0);
  for (let i = 0; i < 3; i += 1) {
    ladder.retry(ladder.retryAt);
    ladder.failed(0, ladder.retryAt);
    ladder.began(ladder.retryAt);
  }
  assert.equal(ladder.vain, 3);
  ladder.failed(0, 36_000);
  ladder.began(40_000);
  assert.deepEqual([ladder.way, ladder.retryAt], ["stream", 43_000]);
});

test("a reader who asks does not wait", () => {
  const ladder = new Ladder();
  ladder.retryNow();
  assert.equal(ladder.retry(2), false);
  blocked(ladder);
  ladder.retryNow();
  assert.equal(ladder.retry(2), true);
});
