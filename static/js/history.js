/**
 * What the page remembers of the last minutes, from models alone: who owned which partition, lag once a second,
 * the rate of each topic, and the models of the last minute to look back on. Bounded in every direction. Pure.
 */
import { lagPerPartition, reads } from "./lag.js";
import { endOf, ownersOf } from "./rows.js";

/** How far back each memory reaches, ms. */
export const LOOK_BACK = 60_000;
export const OWNERS_FOR = 120_000;
export const LAG_FOR = 600_000;
const RING_STEP = 100;
const LAG_STEP = 1_000;

/** @typedef {{from: number, to: number|null, member: string, no: number}} Span */

export class History {
  constructor() {
    /** @type {{t: number, model: import("./model.js").Model}[]} */
    this.ring = [];
    /** @type {Map<string, Span[]>} */
    this.spans = new Map();
    /** @type {Map<string, {t: number, lags: (number|null)[]}[]>} */
    this.lags = new Map();
    this.numbers = new Map();
    this.sampledAt = 0;
    /** When this page began to see, server clock. */
    this.began = 0;
  }

  /** @param {import("./model.js").Model} model */
  take(model) {
    if (!model.t) return;
    this.began ||= model.t;
    const last = this.ring.at(-1);
    if (last && model.t - last.t < RING_STEP) last.model = model;
    else this.ring.push({ t: model.t, model });
    while (this.ring[0].t < model.t - LOOK_BACK) this.ring.shift();
    this.#watchOwners(model);
    if (model.t - this.sampledAt >= LAG_STEP) this.sample(model, model.t);
  }

  /** Lag is sampled by the clock as well: a quiet cluster sends nothing, and its lag still lasts. */
  sample(model, t) {
    this.sampledAt = t;
    for (const [id, group] of Object.entries(model.groups)) {
      for (const [name, topic] of Object.entries(model.topics)) {
        if (!reads(group, name)) continue;
        const list = listIn(this.lags, key(id, name));
        list.push({ t, lags: lagPerPartition(topic, group, name).map((row) => row.lag) });
        while (list[0].t < t - LAG_FOR) list.shift();
      }
    }
  }

  #watchOwners(model) {
    for (const [id, group] of Object.entries(model.groups)) {
      for (const [name, topic] of Object.entries(model.topics)) {
        const owners = ownersOf(group, name);
        if (!owners.size && !this.spans.has(key(id, name, topic.partitions[0]?.p))) continue;
        for (const { p } of topic.partitions) this.#own(id, name, p, owners.get(p), model.t);
      }
    }
  }

  #own(id, name, p, member, t) {
    const list = listIn(this.spans, key(id, name, p));
    const open = list.at(-1)?.to === null ? list.at(-1) : null;
    if (open?.member === member?.id) return;
    if (open) open.to = t;
    if (member) list.push({ from: t, to: null, member: member.id, no: this.numberOf(id, member.id) });
    while (list.length && list[0].to !== null && list[0].to < t - OWNERS_FOR) list.shift();
  }

  /** Members are counted as they come, per group: 1, 2, 3. A member that comes back is another one. */
  numberOf(group, member) {
    const known = listIn(this.numbers, group);
    const at = known.indexOf(member);
    return at >= 0 ? at + 1 : known.push(member);
  }

  /** @returns {Span[]} */
  owners(group, topic, p) {
    return this.spans.get(key(group, topic, p)) ?? [];
  }

  /** @returns {{t: number, lags: (number|null)[]}[]} */
  lagOver(group, topic) {
    return this.lags.get(key(group, topic)) ?? [];
  }

  /** The model as it was at time t (server clock), or the oldest we still have. */
  at(t) {
    const later = this.ring.findIndex((entry) => entry.t > t);
    if (later === 0) return this.ring[0].model;
    return (later < 0 ? this.ring.at(-1) : this.ring[later - 1])?.model ?? null;
  }

  /** Records per second over the last five. @returns {number} */
  rate(topic, now) {
    const newest = this.ring.at(-1);
    const then = this.ring.find((entry) => entry.t >= now - 5_000) ?? newest;
    if (!newest) return 0;
    const seconds = Math.max(1, (now - then.t) / 1000);
    return Math.max(0, endOf(newest.model.topics[topic]) - endOf(then.model.topics[topic])) / seconds;
  }
}

const key = (...names) => names.join("\n");

function listIn(map, name) {
  if (!map.has(name)) map.set(name, []);
  return map.get(name);
}
