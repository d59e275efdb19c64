import assert from "node:assert/strict";
import { test } from "node:test";
import { KEEP_EVENTS, KEEP_RECORDS, apply, emptyModel, recordAt } from "../../static/js/model.js";
import { decode } from "../../static/js/frames.js";
import { lagPerPartition } from "../../static/js/lag.js";
import { fixture, play, stories } from "./fixtures.js";

for (const name of stories()) {
  const { about, frames, expect } = fixture(name);
  test(`${name}: ${about}`, () => {
    const { session, model, sent, controls, lost } = play(frames);
    assert.equal(session.epoch, expect.epoch);
    assert.equal(session.seq, expect.seq);
    const { broker, topics, groups } = model;
    if (expect.state) assert.deepEqual(plain({ broker, topics, groups }), expect.state);
    if (expect.offsets) assert.deepEqual(offsets(model, expect.offsets), expect.offsets);
    for (const [topic, counts] of Object.entries(expect.counts ?? {})) {
      assert.deepEqual(model.counts[topic] ?? { seen: 0, shown: 0 }, counts);
    }
    if (expect.lag) assert.deepEqual(lags(model, expect.lag), expect.lag);
    if (expect.events) assert.deepEqual(model.events.map((event) => event.kind), expect.events);
    if (expect.control) assert.deepEqual(controls, expect.control);
    if (expect.lost) assert.deepEqual(lost, expect.lost);
    assert.deepEqual(sent, expect.send ? [expect.send] : []);
  });
}

const plain = (value) => JSON.parse(JSON.stringify(value));

const offsets = (model, wanted) => Object.fromEntries(Object.keys(wanted).map((topic) => [topic,
  Object.fromEntries(model.topics[topic].partitions.map(({ p }) =>
    [p, (model.records[topic]?.[p] ?? []).map((record) => record.o)]))]));

const lags = (model, wanted) => Object.fromEntries(Object.entries(wanted).map(([group, topics]) => [group,
  Object.fromEntries(Object.keys(topics).map((topic) =>
    [topic, lagPerPartition(model.topics[topic], model.groups[group], topic).map((row) => row.lag)]))]));

test("a frame never changes the model it is applied to", () => {
  for (const name of stories()) {
    let model = freeze(emptyModel());
    for (const frame of fixture(name).frames) model = freeze(apply(model, frame));
  }
});

function freeze(value) {
  if (value && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  }
  return value;
}

const record = (p, o, k = "acme") => (
  { p, o, ts: o, k, v: "{}", kb: false, vb: false, h: [], size: 2, cut: false });
const records = (s, list) => ({
  lane: "records", e: "1", s, t: s, topic: "orders", records: list,
  parts: [{ p: 0, first: 0, last: 0, seen: list.length, shown: list.length, bytes: 0, markers: 0 }],
});

test("records are kept in order, once each, however they arrive", () => {
  let model = apply(emptyModel(), records(1, [record(0, 5), record(1, 1), record(0, 3)]));
  model = apply(model, records(2, [record(0, 4), record(0, 5, "birch"), record(1, 2)]));
  assert.deepEqual(model.records.orders[0].map((each) => each.o), [3, 4, 5]);
  assert.equal(recordAt(model, "orders", 0, 5).k, "birch");
  assert.equal(recordAt(model, "orders", 0, 6), null);
  assert.equal(recordAt(model, "orders", 9, 0), null);
  assert.equal(recordAt(model, "nothing", 0, 0), null);
});

test("records and events stay bounded, the newest are kept", () => {
  let model = emptyModel();
  for (let o = 0; o < KEEP_RECORDS + 50; o += 10) {
    model = apply(model, records(o, Array.from({ length: 10 }, (_, i) => record(0, o + i))));
  }
  assert.equal(model.records.orders[0].length, KEEP_RECORDS);
  assert.equal(model.records.orders[0].at(-1).o, KEEP_RECORDS + 49);
  const many = Array.from({ length: KEEP_EVENTS + 9 }, (_, i) => ({ kind: "broker", n: i + 1 }));
  model = apply(model, { lane: "events", e: "1", s: 1, t: 7, events: many });
  assert.equal(model.events.length, KEEP_EVENTS);
  assert.deepEqual(model.events.at(-1), { kind: "broker", n: KEEP_EVENTS + 9, t: 7 });
});

test("a topic made anew under the same name starts without the old one's records", () => {
  const topic = (end) => ({ partitions: [{ p: 0, start: 0, end, leader: 1 }], internal: false, viewed: true });
  const set = (s, value) => ({ lane: "state", e: "1", s, t: s, set: [[["topics", "orders"], value]] });
  let model = apply(emptyModel(), set(1, topic(9)));
  model = apply(model, records(2, [record(0, 8)]));
  model = apply(model, set(3, topic(0)));
  assert.equal(model.records.orders, undefined);
});

test("removing below something that is not there changes nothing", () => {
  const model = apply(emptyModel(), { lane: "state", e: "1", s: 1, t: 1, set: [[["groups", "a", "x"], null]] });
  assert.deepEqual(Object.keys(model.groups), []);
});

test("what was missed for good is told among the events", () => {
  const { model } = play(fixture("lost").frames);
  assert.match(model.events.at(-1).sentence, /^896 frames were missed for good/);
});

test("names like constructor and __proto__ are names like any other", () => {
  const frames = ["__proto__", "constructor"].map((name, i) => decode(JSON.stringify({
    lane: "state", e: "1", s: i, t: i,
    set: [[["topics", name], { partitions: [{ p: 0, start: 0, end: 3, leader: 1 }], internal: false, viewed: true }]],
  })));
  let model = emptyModel();
  assert.equal(model.topics.constructor, undefined);
  for (const frame of frames) model = apply(model, frame);
  assert.deepEqual(Object.keys(model.topics), ["__proto__", "constructor"]);
  assert.equal(model.topics.__proto__.partitions[0].end, 3);
  model = apply(model, { ...records(9, [record(0, 1)]), topic: "__proto__" });
  assert.equal(recordAt(model, "__proto__", 0, 1).o, 1);
  assert.equal({}.partitions, undefined);
});
