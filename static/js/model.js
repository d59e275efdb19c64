import { bare } from "./frames.js";

/**
 * The page's picture of one sandbox, built from frames and from nothing else. `apply` never changes the model
 * it is given: it shares what did not move, so holding an older model costs nothing and looks back are free.
 */

/**
 * @typedef {import("./frames.js").KafkaRecord} KafkaRecord
 * @typedef {{seen: number, shown: number}} Count
 * @typedef {{
 *   epoch: string, t: number, broker: import("./frames.js").Broker,
 *   topics: Record<string, import("./frames.js").Topic>,
 *   groups: Record<string, import("./frames.js").Group>,
 *   records: Record<string, Record<number, KafkaRecord[]>>,
 *   counts: Record<string, Count>,
 *   events: (import("./frames.js").LiveEvent & {t: number})[], told: number,
 * }} Model
 * `told`: number of the last event of this epoch.
 */

/** Records kept per partition, and events kept: what the board can show, with some to look back on. */
export const KEEP_RECORDS = 120;
export const KEEP_EVENTS = 200;

/** @returns {Model} */
export function emptyModel() {
  return {
    epoch: "", t: 0, broker: { ok: true, since: 0, sentence: "" },
    topics: bare({}), groups: bare({}), records: bare({}), counts: bare({}), events: [], told: 0,
  };
}

/**
 * @param {Model} model
 * @param {import("./frames.js").Frame} frame
 * @returns {Model} the same object when the frame says nothing about the cluster
 */
export function apply(model, frame) {
  switch (frame.lane) {
    case "snap": return fromSnapshot(model, frame);
    case "state": return { ...frame.set.reduce(patched, model), t: frame.t };
    case "events": return withEvents(model, frame);
    case "records": return withRecords(model, frame);
    case "lost": return withLoss(model, frame);
    default: return model;
  }
}

function fromSnapshot(model, frame) {
  const records = bare({});
  for (const [topic, list] of Object.entries(frame.records ?? {})) records[topic] = merged({}, list);
  return {
    epoch: frame.e, t: frame.t, broker: frame.broker, topics: frame.topics, groups: frame.groups, records,
    counts: bare({}), events: model.events, told: frame.e === model.epoch ? model.told : 0,
  };
}

function patched(model, [path, value]) {
  const next = { ...setIn(model, path, value) };
  if (path[0] === "topics" && path.length === 2) return withTopic(next, model, path[1], value);
  return next;
}

/** A topic that is gone, or came back as another one of the same name, takes its records with it. */
function withTopic(next, before, name, value) {
  if (value !== null && !startsAnew(before.topics[name], value)) return next;
  return { ...next, records: without(next.records, name), counts: without(next.counts, name) };
}

const copied = (object) => Object.assign(Object.create(null), object);

function withEntry(object, name, value) {
  const copy = copied(object);
  copy[name] = value;
  return copy;
}

function without(object, name) {
  const copy = copied(object);
  delete copy[name];
  return copy;
}

function startsAnew(before, after) {
  return Boolean(before && after?.partitions?.some((part, i) => part.end < (before.partitions[i]?.end ?? 0)));
}

/** Arrays stay arrays; null removes. A step that is missing is made, unless we are removing below it. */
function setIn(node, path, value) {
  const [step, ...rest] = path;
  const copy = Array.isArray(node) ? node.slice() : copied(node);
  if (rest.length === 0) {
    if (value === null) remove(copy, step);
    else copy[step] = value;
    return copy;
  }
  if (copy[step] === undefined && value === null) return node;
  copy[step] = setIn(copy[step] ?? bare({}), rest, value);
  return copy;
}

function remove(node, step) {
  if (Array.isArray(node)) node.splice(Number(step), 1);
  else delete node[step];
}

/** What follows a snapshot may have come before it already: an event is told once. */
function withEvents(model, frame) {
  const fresh = frame.events.filter(({ n }) => !(n <= model.told)).map((event) => ({ t: frame.t, ...event }));
  const told = Math.max(model.told, ...fresh.map(({ n }) => n ?? 0));
  return { ...model, t: frame.t, told, events: [...model.events, ...fresh].slice(-KEEP_EVENTS) };
}

/** What was missed for good is said where everything else that happened is. */
function withLoss(model, { t = model.t, from, to }) {
  const sentence = `${to - from + 1} frames were missed for good; the picture starts anew from here.`;
  return { ...model, events: [...model.events, { kind: "gap", t, sentence }].slice(-KEEP_EVENTS) };
}

function withRecords(model, { t, topic, parts, records }) {
  const count = model.counts[topic] ?? { seen: 0, shown: 0 };
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0);
  return {
    ...model, t,
    records: withEntry(model.records, topic, merged(model.records[topic] ?? {}, records)),
    counts: withEntry(model.counts, topic, { seen: count.seen + sum("seen"), shown: count.shown + sum("shown") }),
  };
}

/** Per partition: ordered by offset, without repeats, bounded. */
function merged(have, fresh) {
  const lanes = { ...have };
  for (const record of fresh) lanes[record.p] = placed(lanes[record.p], have[record.p], record);
  for (const p of new Set(fresh.map((record) => record.p))) lanes[p] = lanes[p].slice(-KEEP_RECORDS);
  return lanes;
}

/** Copies the shared list once, then grows the copy; the usual record comes last. */
function placed(list = [], shared, record) {
  const own = list === shared ? list.slice() : list;
  if (own.length === 0 || own.at(-1).o < record.o) own.push(record);
  else insert(own, record);
  return own;
}

function insert(list, record) {
  const at = list.findIndex((other) => other.o >= record.o);
  list.splice(at, list[at].o === record.o ? 1 : 0, record);
}

/**
 * @param {Model} model
 * @returns {KafkaRecord|null} the preview we hold of one record
 */
export function recordAt(model, topic, p, o) {
  const list = model.records[topic]?.[p];
  if (!list?.length || o < list[0].o) return null;
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].o < o) low = middle + 1;
    else high = middle;
  }
  return list[low].o === o ? list[low] : null;
}
