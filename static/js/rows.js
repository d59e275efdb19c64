/**
 * What the lanes, the twin and the sentences say about one topic and one group, as plain rows. Pure.
 */
import { lagPerPartition, reads } from "./lag.js";
import { recordAt } from "./model.js";

/** Lanes drawn at most; the text twin has them all. */
export const MOST_LANES = 24;

/**
 * @typedef {{p: number, start: number, end: number, leader: number, committed: number|null, lag: number|null,
 *   behindMs: number|null, owner: import("./frames.js").Member|null}} LaneRow
 */

/**
 * @param {import("./model.js").Model} model
 * @param {string} topic
 * @param {string|null} group
 * @returns {LaneRow[]}
 */
export function laneRows(model, topic, group) {
  const owners = ownersOf(model.groups[group], topic);
  return lagPerPartition(model.topics[topic], model.groups[group], topic).map((row, i) => ({
    ...row,
    leader: model.topics[topic].partitions[i].leader,
    behindMs: behindMs(model, topic, row),
    owner: owners.get(row.p) ?? null,
  }));
}

/** @returns {Map<number, import("./frames.js").Member>} partition -> the member it is assigned to */
export function ownersOf(group, topic) {
  const owners = new Map();
  for (const member of group?.members ?? []) {
    for (const p of member.assigned?.[topic] ?? []) owners.set(p, member);
  }
  return owners;
}

/** Age of the first record still to do; null when its preview is not in the page. Caught up is 0. */
function behindMs(model, topic, { p, start, end, committed, lag }) {
  if (lag === null) return null;
  if (lag === 0) return 0;
  const next = recordAt(model, topic, p, Math.max(committed, start));
  return next && end > next.o ? Math.max(0, model.t - next.ts) : null;
}

/** @returns {string[]} the groups that read a topic, by name */
export function groupsOf(model, topic) {
  return Object.keys(model.groups).filter((id) => reads(model.groups[id], topic)).sort();
}

/** The student's topics first, Kafka's own after them. @returns {{own: string[], internal: string[]}} */
export function topicNames(model) {
  const names = Object.keys(model.topics).sort();
  return {
    own: names.filter((name) => !model.topics[name].internal),
    internal: names.filter((name) => model.topics[name].internal),
  };
}

/** The student's topics that are in `after` and were not in `before`. @returns {string[]} */
export function bornTopics(before, after) {
  return topicNames(after).own.filter((name) => !before.topics[name]);
}

/** @returns {number} records the topic holds now: markers and compacted records count as offsets */
export function heldIn(topic) {
  return (topic?.partitions ?? []).reduce((sum, { start, end }) => sum + end - start, 0);
}

/** @returns {number} offsets ever given out */
export function endOf(topic) {
  return (topic?.partitions ?? []).reduce((sum, { end }) => sum + end, 0);
}

/** Lag of one group over all topics it reads. @returns {{known: number, uncommitted: number}} */
export function groupLag(model, id) {
  const sum = { known: 0, uncommitted: 0 };
  for (const topic of Object.keys(model.topics)) {
    if (!reads(model.groups[id], topic)) continue;
    for (const { lag } of lagPerPartition(model.topics[topic], model.groups[id], topic)) {
      if (lag === null) sum.uncommitted += 1;
      else sum.known += lag;
    }
  }
  return sum;
}

