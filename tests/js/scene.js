/** A small cluster to ask things of: orders with three partitions, read by audit and once by billing. */

export const record = (p, o, more = {}) => (
  { p, o, ts: 1_000 + o, k: "acme", v: "{}", kb: false, vb: false, h: [], size: 2, cut: false, ...more });

export const member = (id, orders) => ({ id, client: `client-${id}`, host: "/127.0.0.1", assigned: orders ? { orders } : {} });

export const model = (more = {}) => ({
  epoch: "1", t: 10_000, broker: { ok: true, since: 0, sentence: "" },
  topics: {
    orders: {
      partitions: [{ p: 0, start: 0, end: 10, leader: 1 }, { p: 1, start: 5, end: 9, leader: 1 }, { p: 2, start: 0, end: 0, leader: 1 }],
      internal: false, viewed: true,
    },
    payments: { partitions: [{ p: 0, start: 0, end: 1, leader: 1 }], internal: false, viewed: false },
    __consumer_offsets: { partitions: [{ p: 0, start: 0, end: 99, leader: 1 }], internal: true, viewed: false },
  },
  groups: {
    audit: {
      type: "consumer", state: "Stable", generation: 4, members: [member("m1", [0, 1]), member("m2", [2])],
      committed: { orders: { 0: 7, 1: 2 } },
    },
    billing: { type: "classic", state: "Empty", members: [], committed: { orders: { 0: 1 } } },
  },
  records: { orders: { 0: [record(0, 6), record(0, 7)] } },
  counts: {}, events: [], ...more,
});
