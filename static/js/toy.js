/**
 * A toy of one topic with a group of readers, for the front page: it makes models of the shape that a real cluster's
 * frames make, so that the course's own pictures draw it. What it copies of Kafka: one owner per lane, places saved
 * once a second, and a reader that is gone is missed only when its session has run out. Pure but for `random`.
 */

export const TOPIC = "orders";
export const GROUP = "billing";
export const MOST_READERS = 6;
const LANES = 6;
const KEEP = 120;
const SESSION_MS = 5_000;
const SAVE_EVERY = 1_000;
const TOLD_MS = 12_000;
/** Two keys to a lane; the letter is the key. */
const KEYS = ["ash", "birch", "cedar", "dogwood", "elm", "fir", "gum", "hazel", "iris", "juniper", "kapok", "larch"];
/** Records a second on each lane, and what one reader can do with all of its lanes. */
const RATES = [1.6, 0.9, 2.1, 1.2, 0.7, 1.1];
const READS = 9;

/** @param {{random?: () => number, now?: number}} [wiring] */
export function createToy({ random = Math.random, now = Date.now() } = {}) {
  const lanes = RATES.map((rate, p) => ({ p, rate, end: 400 + 90 * p, read: 0, saved: 0, records: [], due: random() }));
  let readers = [];
  let owners = [];
  let generation = 0;
  let made = 0;
  let at = now;
  let sinceSave = 0;
  let story = null;

  const living = () => readers.filter((reader) => reader.goneAt === null);

  function join() {
    made += 1;
    readers.push({ id: `r${made}`, no: made, goneAt: null });
  }

  /** Every lane to a reader of the group, in turn; each goes on at the saved place. */
  function assign() {
    generation += 1;
    let again = 0;
    owners = lanes.map((lane, i) => {
      const owner = readers[i % readers.length].id;
      if (owner !== owners[i]) {
        again += Math.max(0, lane.read - lane.saved);
        lane.read = lane.saved;
      }
      return owner;
    });
    return again;
  }

  function produce(lane, seconds) {
    lane.due += lane.rate * seconds;
    for (; lane.due >= 1; lane.due -= 1) {
      const k = KEYS[(lane.p + (random() < 0.3 ? LANES : 0)) % KEYS.length];
      lane.records.push({ p: lane.p, o: lane.end, ts: at, k, v: null, kb: false, vb: false, h: [], size: 0, cut: false });
      lane.end += 1;
    }
    if (lane.records.length > KEEP) lane.records.splice(0, lane.records.length - KEEP);
  }

  function consume(seconds) {
    for (const { id } of living()) {
      const own = lanes.filter((lane) => owners[lane.p] === id);
      let room = READS * seconds;
      for (const lane of own.sort((a, b) => (b.end - b.read) - (a.end - a.read))) {
        const took = Math.min(room, lane.end - lane.read);
        lane.read += took;
        room -= took;
      }
    }
  }

  function save() {
    for (const lane of lanes) {
      if (living().some(({ id }) => id === owners[lane.p])) lane.saved = Math.floor(lane.read);
    }
  }

  /** Those whose session has run out leave the group, and what they had is shared out. */
  function expire() {
    const missed = readers.filter(({ goneAt }) => goneAt !== null && at - goneAt >= SESSION_MS);
    if (!missed.length) return;
    readers = readers.filter((reader) => !missed.includes(reader));
    story = { kind: "taken", since: at, again: Math.ceil(assign()) };
  }

  function step(ms) {
    at += ms;
    for (const lane of lanes) produce(lane, ms / 1000);
    consume(ms / 1000);
    sinceSave += ms;
    if (sinceSave >= SAVE_EVERY) {
      sinceSave %= SAVE_EVERY;
      save();
    }
    expire();
    if (story && story.kind !== "gone" && at - story.since > TOLD_MS) story = null;
  }

  /** @returns {import("./model.js").Model} */
  function model() {
    const partitions = lanes.map(({ p, end, records }) => ({ p, start: end - records.length, end, leader: 1 }));
    const members = readers.map(({ id, no }) => ({
      id, client: `reader ${no}`, host: "", assigned: { [TOPIC]: lanes.filter(({ p }) => owners[p] === id).map(({ p }) => p) },
    }));
    const committed = { [TOPIC]: Object.fromEntries(lanes.map(({ p, saved }) => [p, saved])) };
    return {
      epoch: "toy", t: at, broker: { ok: true, since: 0, sentence: "" }, counts: {}, events: [],
      topics: { [TOPIC]: { partitions, internal: false, viewed: true } },
      groups: { [GROUP]: { type: "consumer", state: "Stable", generation, members, committed } },
      records: { [TOPIC]: Object.fromEntries(lanes.map(({ p, records }) => [p, records])) },
    };
  }

  for (let i = 0; i < 3; i += 1) join();
  for (const lane of lanes) lane.read = lane.saved = lane.end;
  assign();
  for (let i = 0; i < 1_800; i += 1) step(100);
  story = null;

  return {
    model,
    /** Let so many milliseconds pass; a tab that slept goes on where it was. */
    pass(ms) {
      for (let left = Math.min(ms, 1_000); left > 0; left -= 100) step(Math.min(100, left));
    },
    /** The reader that joined last is gone; the group does not know yet. */
    stop() {
      const last = living().at(-1);
      if (living().length < 2) return;
      last.goneAt = at;
      story = { kind: "gone", since: at, who: last, lanes: lanes.filter(({ p }) => owners[p] === last.id) };
    },
    add() {
      if (living().length >= MOST_READERS) return;
      join();
      assign();
      story = { kind: "joined", since: at };
    },
    get count() { return living().length; },
    /** What happens, in one sentence and a half. @returns {[string, string]} */
    say() {
      if (story?.kind === "gone") {
        const waiting = story.lanes.reduce((sum, lane) => sum + lane.end - lane.saved, 0);
        return [`Reader ${story.who.no} is gone and nobody knows.`,
          `Its lanes fill, ${waiting} record${waiting === 1 ? "" : "s"} so far. The broker waits for a sign of life.`];
      }
      if (story?.kind === "taken") {
        const twice = story.again;
        return ["The others took over at the saved place",
          twice ? `and read ${twice} record${twice === 1 ? "" : "s"} a second time.` : "and this time nothing was read twice."];
      }
      if (story?.kind === "joined") return ["The lanes were shared out anew.", "Only those that changed hands began again at the saved place."];
      return [`${NUMBERS[this.count]} read one topic together.`, "Each lane has one owner. Stop a reader and watch."];
    },
  };
}

const NUMBERS = ["Nobody", "One program", "Two programs", "Three programs", "Four programs", "Five programs", "Six programs"];
