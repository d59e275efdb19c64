/**
 * What the reader is looking at: topic, group, lane, key, record, and whether the picture is held. Chosen by the
 * reader where they chose, by the lesson otherwise. Pure but for the listeners it calls.
 */
import { groupsOf, heldIn, topicNames } from "./rows.js";

export class Look {
  /** @param {{topics: string[]}} lesson topics the lesson is about, the most important first */
  constructor({ topics }) {
    this.wanted = topics;
    this.topicChosen = null;
    this.topicShown = null;
    /** Topics of the lab the reader is at, the first one first; they need not exist yet. */
    this.labTopics = [];
    /** The reader turned to the lab here and now: its topic is waited for on the board, even while it is empty. */
    this.labFirst = false;
    /** The topic that was created last while the reader watched. */
    this.topicBorn = null;
    /** The topic that is on the board now, however it got there. */
    this.current = null;
    this.groupChosen = null;
    this.groupShown = null;
    this.focus = null;
    this.pin = null;
    this.cursor = null;
    /** The closer look that was chosen; null: what fits, groups where there are some, else records. */
    this.lens = null;
    /** The topic of the record that is opened at the cursor. */
    this.opened = null;
    this.held = null;
    this.listeners = [];
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  /** @param {Partial<Look>} change */
  set(change) {
    const moved = Object.keys(change).some((name) => this[name] !== change[name]);
    Object.assign(this, change);
    if (moved) this.listeners.forEach((listener) => listener(change));
  }

  /** Turn to a lab; beginning one outranks what was chosen by hand before, going on with it does not. */
  atLab(topics, { begun = false } = {}) {
    if (!topics.length) return;
    const same = topics.join(" ") === this.labTopics.join(" ");
    const turned = { labTopics: topics, labFirst: true, topicShown: null };
    this.set(begun || !same ? { ...turned, topicChosen: null, topicBorn: null } : turned);
  }

  /** What the page knows as it opens. @param {{lab: string[], chosen?: string|null, seen?: string|null}} before */
  begin({ lab = [], chosen = null, seen = null }) {
    this.set({ labTopics: lab, topicChosen: chosen, current: seen });
  }

  /** Topics were created while the reader watched: the newest goes on the board, unless the lab has its own order. */
  born(names) {
    for (const name of names) this.set({ topicBorn: this.labTopics.includes(name) ? null : name });
  }

  /**
   * The topic on the board: what was pointed at or chosen while it exists, else what came last, else that of a lab
   * just turned to. Of the others the first that holds a record: the lab's, the one that is there already, the
   * lesson's, one that somebody reads, the fullest. An empty one only while all are empty.
   */
  topic(model) {
    const { own } = topicNames(model);
    const exists = (name) => name && model.topics[name];
    const held = (name) => heldIn(model.topics[name]);
    const asked = [this.topicShown, this.topicChosen, this.topicBorn, ...(this.labFirst ? this.labTopics : [])];
    const known = [...this.labTopics, this.current, ...this.wanted].filter(exists);
    const read = own.filter((name) => groupsOf(model, name).length > 0);
    const others = [...known, ...read, ...own.toSorted((a, b) => held(b) - held(a))];
    return asked.find(exists) ?? others.find(held) ?? others[0] ?? null;
  }

  /** The group whose work is coloured; members count more than old commits. */
  group(model, topic) {
    const all = groupsOf(model, topic);
    const chosen = [this.groupShown, this.groupChosen].find((id) => all.includes(id));
    return chosen ?? all.find((id) => model.groups[id].members.length) ?? all[0] ?? null;
  }

  /** Topics whose records should be sent. */
  view() {
    const names = [
      this.current, this.topicShown, this.topicChosen, this.topicBorn, ...this.labTopics, ...this.wanted,
    ].filter(Boolean);
    return [...new Set(names)].slice(0, 8);
  }
}
