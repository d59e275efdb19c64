import assert from "node:assert/strict";
import { test } from "node:test";
import { laneRows } from "../../static/js/rows.js";
import { GROUP, MOST_READERS, TOPIC, createToy } from "../../static/js/toy.js";

/** Numbers that look like chance and are the same each time. */
function dice(seed = 7) {
  let state = seed;
  return () => { state = (state * 1103515245 + 12345) % 2147483648; return state / 2147483648; };
}

const toy = () => createToy({ random: dice(), now: 1_000_000 });
const rows = (one) => laneRows(one.model(), TOPIC, GROUP);
const pass = (one, seconds) => { for (let i = 0; i < seconds; i += 1) one.pass(1_000); };
const lag = (one) => rows(one).map((row) => row.lag);

test("six lanes are read by three, each lane by one, and nobody is far behind", () => {
  const one = toy();
  assert.deepEqual(rows(one).map(({ owner }) => owner.id), ["r1", "r2", "r3", "r1", "r2", "r3"]);
  assert.ok(Math.max(...lag(one)) < 8, lag(one));
});

test("a reader that is gone is missed only when its session has run out, and then others take over", () => {
  const one = toy();
  one.stop();
  pass(one, 4);
  assert.match(one.say()[0], /^Reader 3 is gone and nobody knows/);
  assert.equal(rows(one)[2].owner.id, "r3");
  assert.ok(lag(one)[2] > 4);

  pass(one, 3);
  assert.match(one.say()[0], /^The others took over at the saved place/);
  assert.deepEqual(new Set(rows(one).map(({ owner }) => owner.id)), new Set(["r1", "r2"]));
  pass(one, 5);
  assert.ok(Math.max(...lag(one)) < 8, lag(one));
});

test("what was read and not yet saved is read a second time, and said so", () => {
  const one = toy();
  let told = "";
  for (let i = 0; i < 40 && !/a second time/.test(told); i += 1) {
    one.add();
    one.pass(130);
    one.stop();
    pass(one, 6);
    told = one.say()[1];
  }
  assert.match(told, /^and read \d+ records? a second time\.$/);
});

test("offsets only grow, a saved place never passes the end, and a lane keeps what it draws", () => {
  const one = toy();
  let before = rows(one);
  for (let i = 0; i < 30; i += 1) {
    if (i % 7 === 3) one.stop();
    if (i % 7 === 5) one.add();
    pass(one, 1);
    const now = rows(one);
    now.forEach((row, p) => {
      assert.ok(row.end >= before[p].end);
      assert.ok(row.committed >= before[p].committed && row.committed <= row.end);
      assert.ok(row.end - row.start <= 120);
    });
    before = now;
  }
});

test("the last reader cannot be stopped, and a seventh is not let in", () => {
  const one = toy();
  for (let i = 0; i < 9; i += 1) one.stop();
  assert.equal(one.count, 1);
  for (let i = 0; i < 9; i += 1) one.add();
  assert.equal(one.count, MOST_READERS);
});

test("a tab that slept for an hour goes on where it was", () => {
  const one = toy();
  const before = rows(one).map(({ end }) => end);
  one.pass(3_600_000);
  assert.ok(rows(one).every(({ end }, p) => end - before[p] <= 3));
});
