import assert from "node:assert/strict";
import { test } from "node:test";
import { lagOf, lagPerPartition, reads, totalLag } from "../../static/js/lag.js";
import { fixture } from "./fixtures.js";

test("lag is what both sides agreed on, case by case", () => {
  for (const { start, end, committed, lag } of fixture("lag").cases) {
    assert.equal(lagOf(end, committed, start), lag, JSON.stringify({ start, end, committed }));
  }
});

test("a partition without a commit counts as unknown, not as zero", () => {
  const topic = { partitions: [{ p: 0, start: 0, end: 9, leader: 1 }, { p: 1, start: 0, end: 5, leader: 1 }] };
  const group = { members: [], committed: { orders: { 0: 4 } } };
  const rows = lagPerPartition(topic, group, "orders");
  assert.deepEqual(rows.map((row) => row.lag), [5, null]);
  assert.deepEqual(totalLag(rows), { known: 5, uncommitted: 1 });
});

test("a group reads a topic when it committed there or a member is assigned to it", () => {
  const member = { id: "m", client: "c", host: "", assigned: { orders: [0] } };
  assert.equal(reads({ members: [], committed: { orders: { 0: 1 } } }, "orders"), true);
  assert.equal(reads({ members: [member], committed: {} }, "orders"), true);
  assert.equal(reads({ members: [member], committed: { orders: {} } }, "payments"), false);
});

test("a topic that is gone has no rows", () => {
  assert.deepEqual(lagPerPartition(undefined, undefined, "orders"), []);
});
