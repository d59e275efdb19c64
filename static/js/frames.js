/**
 * What crosses the live websocket, as types and one decoder. Mirrors platform/live/frames.py; the shared
 * fixtures in tests/live/fixtures keep both sides honest. Knows nothing of sockets or the page.
 *
 * A binary key or value (kb, vb) comes as hex. Units: t and ts are milliseconds since the epoch (server clock, record clock); sizes are bytes;
 * start, end and committed are offsets ("the next one"), never counts.
 *
 * @typedef {{p: number, start: number, end: number, leader: number}} Partition
 * @typedef {{partitions: Partition[], internal: boolean, viewed: boolean}} Topic
 * @typedef {{id: string, client: string, host: string, assigned: Record<string, number[]>}} Member
 * @typedef {{type: string, state: string, generation?: number, members: Member[],
 *   committed: Record<string, Record<string, number>>}} Group
 * @typedef {{p: number, o: number, ts: number, k: string|null, v: string|null, kb: boolean, vb: boolean,
 *   h: [string, string|null][], size: number, cut: boolean}} KafkaRecord
 * @typedef {{ok: boolean, since: number, sentence: string}} Broker
 * @typedef {{p: number, first: number, last: number, seen: number, shown: number, bytes: number,
 *   markers: number}} Part
 * @typedef {{kind: string, n?: number, sentence?: string, t?: number, [more: string]: unknown}} LiveEvent
 *
 * @typedef {{lane: "hello", e: string, s: number, t: number, resumed: boolean,
 *   limits: Record<string, number>}} HelloFrame
 * @typedef {{lane: "snap", e: string, s: number, t: number, broker: Broker, topics: Record<string, Topic>,
 *   groups: Record<string, Group>, records: Record<string, KafkaRecord[]>}} SnapFrame
 * @typedef {{lane: "state", e: string, s: number, t: number, set: [(string|number)[], unknown][]}} StateFrame
 * @typedef {{lane: "events", e: string, s: number, t: number, events: LiveEvent[]}} EventsFrame
 * @typedef {{lane: "records", e: string, s: number, t: number, topic: string, parts: Part[],
 *   records: KafkaRecord[]}} RecordsFrame
 * @typedef {{lane: "skip", e: string, s: number, t: number, from: number}} SkipFrame
 * @typedef {{lane: "lost", e?: string, t?: number, from: number, to: number}} LostFrame
 * @typedef {{lane: "ping", t: number}} PingFrame
 * @typedef {{lane: "control", kind: string, data: Record<string, unknown>}} ControlFrame
 * @typedef {HelloFrame|SnapFrame|StateFrame|EventsFrame|RecordsFrame|SkipFrame|LostFrame|PingFrame|
 *   ControlFrame} Frame
 */

const NUMBERS = {
  hello: ["s"], snap: ["s", "t"], state: ["s", "t"], events: ["s", "t"], records: ["s", "t"],
  skip: ["s", "from"], lost: ["from", "to"], ping: [], control: [],
};
const NEEDS = {
  hello: ["e"], snap: ["e", "broker", "topics", "groups"], state: ["e", "set"], events: ["e", "events"],
  records: ["e", "topic", "parts", "records"], skip: ["e"], lost: [], ping: [], control: ["kind"],
};

/**
 * Read one websocket text.
 * @param {string} text
 * @returns {Frame|null} null when it is no frame we know; the caller ignores it and goes on.
 */
export function decode(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  const lane = frame?.lane;
  if (typeof lane !== "string" || !Object.hasOwn(NEEDS, lane)) return null;
  const whole = NUMBERS[lane].every((name) => Number.isFinite(frame[name]))
    && NEEDS[lane].every((name) => frame[name] !== undefined);
  if (!whole) return null;
  return lane === "snap" || lane === "state" ? bare(frame) : frame;
}

/**
 * The same value with objects that inherit nothing: a topic may be called `constructor` or `__proto__`, and must then
 * be found exactly when it is there.
 */
export function bare(value) {
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== "object") return value;
  const plain = Object.create(null);
  for (const name of Object.keys(value)) plain[name] = bare(value[name]);
  return plain;
}
