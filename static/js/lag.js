/**
 * Lag, honestly, and in one place: lag = max(0, end - max(committed, start)). "No commit yet" is not zero.
 * Pure; mirrors platform/live/deltas.py.
 */

/**
 * @param {number} end log end offset
 * @param {number|null|undefined} committed the group's committed offset, or nothing
 * @param {number} start log start offset: what was deleted below it cannot be read any more
 * @returns {number|null} records still to read; null when the group never committed here
 */
export function lagOf(end, committed, start) {
  if (committed === null || committed === undefined || committed < 0) return null;
  return Math.max(0, end - Math.max(committed, start));
}

/** @typedef {{p: number, start: number, end: number, committed: number|null, lag: number|null}} PartitionLag */

/**
 * @param {import("./frames.js").Topic|undefined} topic
 * @param {import("./frames.js").Group|undefined} group
 * @param {string} name the topic's name
 * @returns {PartitionLag[]} one entry per partition, in order
 */
export function lagPerPartition(topic, group, name) {
  const committed = group?.committed?.[name] ?? {};
  return (topic?.partitions ?? []).map(({ p, start, end }) => {
    const saved = committed[String(p)] ?? null;
    return { p, start, end, committed: saved, lag: lagOf(end, saved, start) };
  });
}

/**
 * @param {PartitionLag[]} rows
 * @returns {{known: number, uncommitted: number}} lag summed where known, and partitions without a commit
 */
export function totalLag(rows) {
  return {
    known: rows.reduce((sum, row) => sum + (row.lag ?? 0), 0),
    uncommitted: rows.filter((row) => row.lag === null).length,
  };
}

/**
 * Does this group read the topic: has it committed there, or is a member assigned to it?
 * @param {import("./frames.js").Group} group
 * @param {string} topic
 */
export function reads(group, topic) {
  const saved = group.committed?.[topic];
  return Boolean(saved && Object.keys(saved).length)
    || group.members.some((member) => member.assigned?.[topic]?.length);
}
