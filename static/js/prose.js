/**
 * The text side of the page: numbers that are true now, key words, and paragraphs that turn the board.
 */
import { num, plural, say, word } from "./ink.js";
import { lagPerPartition, totalLag } from "./lag.js";
import { endOf, groupLag, heldIn, ownersOf, topicNames } from "./rows.js";

const UNKNOWN = "–";
const STATES = {
  Stable: "stable", Empty: "empty", Dead: "gone", PreparingRebalance: "stopped, all members wait",
  CompletingRebalance: "changing owners", Assigning: "changing owners", Reconciling: "changing owners",
};

/** @param {string|undefined} state Kafka's name of a group's state */
export const stateWords = (state) => STATES[state] ?? (state ? state.toLowerCase() : UNKNOWN);

/** @param {{known: number, uncommitted: number}} lag */
export function lagWords({ known, uncommitted }) {
  if (uncommitted && !known) return "no commit yet";
  return plural(known, "record");
}

/**
 * One live value as words; what is not there is a dash, never a zero.
 * @param {{live: string, topic?: string, group?: string, partition?: string}} ask
 * @param {import("./model.js").Model} model
 * @param {{topic: string|null, group: string|null, rate: (topic: string) => number}} board
 */
export function liveWords(ask, model, board) {
  const topic = ask.topic ?? board.topic;
  const group = ask.group ?? board.group;
  const say = Object.hasOwn(VALUES, ask.live) ? VALUES[ask.live] : null;
  return say ? say({ model, topic, group, partition: ask.partition, rate: board.rate, named: ask.topic }) : UNKNOWN;
}

const partitionsOf = ({ model, topic, partition }) => (model.topics[topic]?.partitions ?? [])
  .filter(({ p }) => partition === undefined || p === Number(partition));

const VALUES = {
  lag({ model, topic, group, partition, named }) {
    if (!model.groups[group]) return UNKNOWN;
    if (!named && partition === undefined) return lagWords(groupLag(model, group));
    const rows = lagPerPartition(model.topics[topic], model.groups[group], topic)
      .filter(({ p }) => partition === undefined || p === Number(partition));
    return rows.length ? lagWords(totalLag(rows)) : UNKNOWN;
  },
  members: ({ model, group }) => (model.groups[group]
    ? plural(model.groups[group].members.length, "member", word) : UNKNOWN),
  state: ({ model, group }) => stateWords(model.groups[group]?.state),
  generation: ({ model, group }) => String(model.groups[group]?.generation ?? UNKNOWN),
  records: (ask) => (partitionsOf(ask).length ? plural(heldIn({ partitions: partitionsOf(ask) }), "record") : UNKNOWN),
  end: (ask) => (partitionsOf(ask).length ? num(endOf({ partitions: partitionsOf(ask) })) : UNKNOWN),
  start: (ask) => (partitionsOf(ask).length ? num(Math.min(...partitionsOf(ask).map((part) => part.start))) : UNKNOWN),
  partitions: (ask) => (partitionsOf(ask).length ? plural(partitionsOf(ask).length, "partition", word) : UNKNOWN),
  topics: ({ model }) => plural(topicNames(model).own.length, "topic", word),
  groups: ({ model }) => plural(Object.keys(model.groups).length, "group", word),
  rate: ({ model, topic, rate }) => (model.topics[topic] ? `${num(rate(topic))} records/s` : UNKNOWN),
  committed: ({ model, topic, group, partition }) => {
    const saved = model.groups[group]?.committed?.[topic]?.[partition ?? "0"];
    return saved === undefined ? "no commit yet" : num(saved);
  },
  owner: ({ model, topic, group, partition }) =>
    ownersOf(model.groups[group], topic).get(Number(partition ?? 0))?.client ?? "nobody",
};

/** What is not known now is said in the author's words where there are some. */
export const wordsOr = (words, written) => (words === UNKNOWN && written ? written : words);

/** @returns {(model: object|null, board: object) => void} null: nothing is known now */
export function liveValues(root) {
  const written = new WeakMap();
  return (model, board) => {
    for (const node of root.querySelectorAll("[data-live]")) {
      if (!written.has(node)) written.set(node, node.textContent.trim());
      say(node, wordsOr(model ? liveWords(node.dataset, model, board) : UNKNOWN, written.get(node)));
      node.classList.toggle("unknown", node.textContent === UNKNOWN);
    }
  };
}

/**
 * Key words in the text are buttons: press one and the board follows that key. Fragments come and go, so presses are
 * heard on the root, and `dress` is called again for what is new.
 */
export function keyWords(root, look, ink) {
  const follow = (node) => look.set({ pin: look.pin === node.dataset.key ? null : node.dataset.key });
  const keyOf = (target) => target.closest?.(".key[data-key]");

  function dress() {
    for (const node of root.querySelectorAll(".key[data-key]")) {
      node.classList.add(`k${ink(node.dataset.key)}`);
      node.tabIndex = 0;
      node.setAttribute("role", "button");
      node.setAttribute("aria-pressed", String(node.dataset.key === look.pin));
    }
  }

  root.addEventListener("click", ({ target }) => keyOf(target) && follow(keyOf(target)));
  root.addEventListener("keydown", (event) => {
    if (!keyOf(event.target) || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    follow(keyOf(event.target));
  });
  look.onChange(dress);
  dress();
  return dress;
}

/**
 * What `data-watch` turns on the board: "topic:orders", "group:audit", "lane:2", "lens:lag", several with spaces.
 * @param {string} watch
 */
export function focusOf(watch) {
  const focus = { topicShown: null, groupShown: null, focus: null };
  for (const part of watch.split(/\s+/).filter(Boolean)) {
    const [kind, ...rest] = part.split(":");
    const name = rest.join(":");
    if (kind === "topic") focus.topicShown = name;
    if (kind === "group") focus.groupShown = name;
    if (kind === "lane" || kind === "partition") focus.focus = Number(name);
    if (kind === "lens") focus.lens = name;
  }
  return focus;
}

/** The watch paragraph nearest the reader's eye turns the board; leaving it turns the board back. */
export function watchParagraphs(root, look) {
  const paragraphs = [...root.querySelectorAll(".watch[data-watch]")];
  if (!paragraphs.length) return;
  let current = null;
  const pick = () => {
    const best = nearest(paragraphs);
    if (best === current) return;
    current?.classList.remove("on");
    best?.classList.add("on");
    current = best;
    look.set(focusOf(best?.dataset.watch ?? ""));
  };
  addEventListener("scroll", throttled(pick), { passive: true });
  pick();
}

function nearest(paragraphs) {
  const eye = innerHeight * 0.46;
  let best = null;
  let distance = innerHeight * 0.3;
  for (const node of paragraphs) {
    const box = node.getBoundingClientRect();
    const away = Math.abs((box.top + box.bottom) / 2 - eye);
    if (away < distance) [best, distance] = [node, away];
  }
  return best;
}

/**
 * The outline shows where the reader is.
 * @param {Document} root
 * @param {(anchor: string) => void} [moved] hears the section that the reader scrolled to
 */
export function outline(root, moved = () => {}) {
  const links = [...root.querySelectorAll("#outline a[href^='#']")];
  // Asked anew each time: fragments are swapped, and a detached heading stands at 0.
  const head = (link) => document.getElementById(decodeURIComponent(link.hash.slice(1)));
  let last = "";
  const mark = (told = false) => {
    const line = innerHeight * 0.4;
    // At the end of the page its last section is read, however short it is.
    const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const here = atEnd ? links.length - 1 : links.findLastIndex((link) => head(link)?.getBoundingClientRect().top < line);
    links.forEach((link, i) => {
      link.classList.toggle("here", i === Math.max(0, here));
      if (i === Math.max(0, here)) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    const anchor = links[Math.max(0, here)]?.hash.slice(1) ?? "";
    if (told && anchor !== last) moved(anchor);
    if (told) last = anchor;
  };
  addEventListener("scroll", throttled(() => mark(true)), { passive: true });
  mark();
}

function throttled(run) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; run(); });
  };
}

/** A question can be answered once something is chosen. */
export function questions(root) {
  root.addEventListener("change", (event) => {
    const button = event.target.closest?.("form.options")?.querySelector("button[type=submit], button:not([type])");
    if (button && event.target.matches("input, select")) button.disabled = false;
  });
}

/** An answer replaces its form, and the focus with it: it goes on to the result, where the reader was. */
export function keepFocus(root) {
  let asked = "";
  root.addEventListener("htmx:beforeRequest", ({ target }) => {
    if (target.matches?.("form.options")) asked = target.closest("section.ask")?.id ?? "";
  });
  root.addEventListener("htmx:afterSettle", () => {
    const result = asked && document.getElementById(asked)?.querySelector(".reveal:not([hidden])");
    if (!result) return;
    asked = "";
    if (document.activeElement !== document.body && document.activeElement !== null) return;
    result.tabIndex = -1;
    result.focus({ preventScroll: true });
  });
}
