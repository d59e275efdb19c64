import assert from "node:assert/strict";
import { test } from "node:test";
import { History, LAG_FOR, LOOK_BACK } from "../../static/js/history.js";
import { opensAtOnce } from "../../static/js/place.js";
import { Look } from "../../static/js/look.js";
import { bornTopics, endOf, groupLag, groupsOf, heldIn, laneRows, topicNames } from "../../static/js/rows.js";
import { member, model } from "./scene.js";

test("a lane says who owns it, how far it is behind and for how long", () => {
  const [first, second, third] = laneRows(model(), "orders", "audit");
  assert.equal(first.owner.id, "m1");
  assert.equal(first.lag, 3);
  assert.equal(first.behindMs, 10_000 - 1_007);
  assert.equal(second.lag, 4);
  assert.equal(second.behindMs, null);
  assert.equal(third.lag, null);
  assert.equal(third.owner.id, "m2");
});

test("without a group there is no lag and no owner, only the log", () => {
  assert.deepEqual(laneRows(model(), "orders", null).map((row) => [row.end, row.lag, row.owner]),
    [[10, null, null], [9, null, null], [0, null, null]]);
});

test("topics of Kafka's own are kept apart", () => {
  assert.deepEqual(topicNames(model()), { own: ["orders", "payments"], internal: ["__consumer_offsets"] });
});

test("what a topic holds is not what was ever written to it", () => {
  assert.equal(heldIn(model().topics.orders), 14);
  assert.equal(endOf(model().topics.orders), 19);
  assert.equal(heldIn(undefined), 0);
});

test("groups of a topic and a group's lag over its topics", () => {
  assert.deepEqual(groupsOf(model(), "orders"), ["audit", "billing"]);
  assert.deepEqual(groupsOf(model(), "payments"), []);
  assert.deepEqual(groupLag(model(), "audit"), { known: 7, uncommitted: 1 });
});

test("the board shows what was chosen while it exists, else the lesson's topic, else the first", () => {
  const look = new Look({ topics: ["payments"] });
  assert.equal(look.topic(model()), "payments");
  look.set({ topicChosen: "orders" });
  assert.equal(look.topic(model()), "orders");
  look.set({ topicShown: "gone" });
  assert.equal(look.topic(model()), "orders");
  assert.equal(new Look({ topics: [] }).topic(model()), "orders");
  assert.equal(new Look({ topics: [] }).topic(model({ topics: {} })), null);
});

test("beginning a lab turns the board to its first topic that exists, whatever was chosen before", () => {
  const look = new Look({ topics: ["payments"] });
  look.set({ topicChosen: "payments" });
  look.atLab(["late", "orders"], { begun: true });
  assert.equal(look.topic(model()), "orders");
  look.set({ topicChosen: "payments" });
  look.atLab(["late", "orders"]);
  assert.equal(look.topic(model()), "payments", "going on with the same lab keeps the choice");
  look.atLab(["orders"]);
  assert.equal(look.topic(model()), "orders", "another lab does not");
});

const none = (names, full) => ({
  groups: {},
  topics: Object.fromEntries(names.map((name) => [name, {
    partitions: [{ p: 0, start: 0, end: full[name] ?? 0, leader: 1 }], internal: false, viewed: false,
  }])),
});

test("an empty topic is not on the board while another holds records, unless it is asked for", () => {
  const there = model(none(["first-steps", "notes", "task-events"], { notes: 2, "task-events": 90 }));
  const lesson = () => new Look({ topics: ["first-steps", "task-events"] });
  assert.equal(lesson().topic(there), "task-events", "of the lesson's the first with records");
  assert.equal(new Look({ topics: [] }).topic(there), "task-events", "without a lesson the fullest");
  assert.equal(new Look({ topics: ["first-steps"] }).topic(model(none(["a", "first-steps"], {}))), "first-steps");

  const again = lesson();
  again.begin({ lab: ["first-steps"], seen: "notes" });
  assert.equal(again.topic(there), "notes", "what was seen before the reload, for the lab's is empty");
  again.atLab(["first-steps"]);
  assert.equal(again.topic(there), "first-steps", "going to work at the lab waits for its topic");
  again.begin({ lab: ["task-events"], seen: "notes" });
  again.labFirst = false;
  assert.equal(again.topic(there), "task-events", "the lab's before what was seen");
  again.begin({ chosen: "first-steps" });
  assert.equal(again.topic(there), "first-steps", "chosen by hand stays");
});

test("a workspace that was left open begins open, but not over the text of a narrow screen", () => {
  const sheet = (narrow) => ({ isNarrow: () => narrow });
  assert.deepEqual([sheet(false), sheet(true)].map((one) => opensAtOnce({ open: true }, one)), [true, false]);
  assert.equal(opensAtOnce({}, sheet(false)), false);
});

test("a topic made while watching goes on the board, unless one was chosen by hand", () => {
  const look = new Look({ topics: ["payments"] });
  const before = model();
  const after = model({ topics: { ...before.topics, hello: before.topics.orders } });
  assert.deepEqual(bornTopics(before, after), ["hello"]);
  look.born(bornTopics(before, after));
  assert.equal(look.topic(after), "hello");
  assert.ok(look.view().includes("hello"));
  look.set({ topicChosen: "orders" });
  assert.equal(look.topic(after), "orders");
});

test("a group with members is looked at before one that only committed once", () => {
  const look = new Look({ topics: [] });
  assert.equal(look.group(model(), "orders"), "audit");
  look.set({ groupChosen: "billing" });
  assert.equal(look.group(model(), "orders"), "billing");
  assert.equal(look.group(model(), "payments"), null);
});

test("what is looked at is asked for, each once, at most eight", () => {
  const look = new Look({ topics: ["a", "b", "a", "c", "d", "e", "f", "g", "h", "i"] });
  look.set({ topicChosen: "z" });
  assert.deepEqual(look.view(), ["z", "a", "b", "c", "d", "e", "f", "g"]);
});

const later = (t, more) => ({ ...model(more), t });

test("owners are remembered as spans, members are numbered as they come", () => {
  const history = new History();
  history.take(later(1_000));
  const moved = { ...model().groups.audit, members: [member("m1", [0]), member("m2", [2]), member("m9", [1])] };
  history.take(later(5_000, { groups: { audit: moved } }));
  const gone = { ...moved, members: [] };
  history.take(later(9_000, { groups: { audit: gone } }));
  assert.deepEqual(history.owners("audit", "orders", 1), [
    { from: 1_000, to: 5_000, member: "m1", no: 1 }, { from: 5_000, to: 9_000, member: "m9", no: 3 }]);
  assert.equal(history.owners("audit", "orders", 0).at(-1).to, 9_000);
});

test("a look back gives the model of that moment, and no more than a minute is kept", () => {
  const history = new History();
  for (let t = 0; t <= 90_000; t += 500) history.take(later(t + 1, { mark: t }));
  assert.equal(history.at(80_001).mark, 80_000);
  assert.equal(history.at(80_400).mark, 80_000);
  assert.ok(history.ring[0].t >= 90_001 - LOOK_BACK);
  assert.equal(history.at(1).mark, history.ring[0].model.mark);
});

test("lag is kept once a second and for ten minutes", () => {
  const history = new History();
  for (let t = 0; t < LAG_FOR + 60_000; t += 500) history.take(later(t + 1));
  const samples = history.lagOver("audit", "orders");
  assert.ok(samples.length <= LAG_FOR / 1_000 + 1);
  assert.deepEqual(samples[0].lags, [3, 4, null]);
});

test("the rate is what the log grew by over the last five seconds", () => {
  const history = new History();
  const grown = (end) => ({ topics: { orders: { partitions: [{ p: 0, start: 0, end, leader: 1 }], internal: false, viewed: true } } });
  for (let i = 0; i <= 100; i += 1) history.take(later(1 + i * 100, grown(i * 2)));
  assert.equal(Math.round(history.rate("orders", 10_001)), 20);
  assert.equal(history.rate("orders", 60_000), 0);
});

test("a topic that came to the board by itself is asked for as well", () => {
  const look = new Look({ topics: ["a"] });
  look.set({ current: "z" });
  assert.deepEqual(look.view(), ["z", "a"]);
});
