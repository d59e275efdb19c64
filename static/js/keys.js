/**
 * Which ink and which letter a key gets: the same key always the same, in the text and on the board.
 * Pure; knows nothing of colours, only of eight ink numbers.
 */

export const INKS = 8;

/** FNV-1a, 32 bits. @param {string} text */
export function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

/**
 * The ink of a key is its own hash and nothing else: the same on every page, in every tab, after every reload. Two
 * keys may share one; the letter tells them apart.
 * @param {string} key @returns {number} 0..7
 */
export const inkOf = (key) => hash(key) % INKS;

/** Keys a topic's letters are learnt from, and the share of them that makes a beginning a common one. */
const LEARN_FROM = 400;
const MOST_OF = 0.6;
/** Keys a topic that keep the letter they were drawn with; more than the board can show at once. */
const LETTERS = 4_000;

/**
 * The letter of a key is its most telling character: the first one after the beginning that most keys of the topic
 * share, or the last digit where only digits are left. order-7 and order-9 are told apart by 7 and 9, acme and birch
 * by a and b; one odd key among them changes nothing for the others. What has a letter keeps it, whatever comes later:
 * `learn` makes keys known before the first of them is given one.
 * @returns {{(topic: string, key: string): string, learn: (topic: string, key: string) => void}}
 */
export function letterCase() {
  const topics = new Map();

  function learn(topic, key) {
    if (!topics.has(topic)) topics.set(topic, { keys: new Set(), prefix: null, given: new Map() });
    const known = topics.get(topic);
    if (known.keys.size < LEARN_FROM && !known.keys.has(key)) {
      known.keys.add(key);
      known.prefix = null;
    }
    return known;
  }

  function letter(topic, key) {
    const known = learn(topic, key);
    const { given } = known;
    if (!given.has(key)) {
      known.prefix ??= commonStart([...known.keys]);
      if (given.size >= LETTERS) given.delete(given.keys().next().value);
      given.set(key, telling(key, known.prefix));
    }
    return given.get(key);
  }

  return Object.assign(letter, { learn });
}

/** Where a key shares a part of the beginning only, what comes after it: T-7 among many T-k3-1 tells by its 7. */
function telling(key, prefix) {
  let shared = 0;
  while (shared < prefix.length && key[shared] === prefix[shared]) shared += 1;
  const start = shared < prefix.length ? withoutNumber(key.slice(0, shared)) : prefix;
  const rest = key.slice(start.length) || key;
  const at = /^\d+$/.test(rest) ? rest.length - 1 : 0;
  return String.fromCodePoint(rest.codePointAt(at) ?? 0x20);
}

/**
 * The longest beginning that most keys share, without digits at its end. A lone key tells by its number, if a sign
 * stands before that: the next ones will have it in common.
 */
export function commonStart(keys) {
  if (keys.length === 1) return /^(.*[^\p{L}\p{N}])\d+$/su.exec(keys[0])?.[1] ?? "";
  let sharing = keys;
  let length = 0;
  for (;;) {
    const next = mostByUnit(sharing, length);
    if (next.length < 2 || next.length < keys.length * MOST_OF) break;
    sharing = next;
    length += 1;
  }
  return withoutNumber(sharing[0]?.slice(0, length) ?? "");
}

/** A number is told by its end, and an emoji is one sign: neither is cut through. */
const withoutNumber = (start) => start.replace(/[\d\ud800-\udbff]+$/, "");

/** Of these keys, the largest set that agrees at one place. */
function mostByUnit(keys, at) {
  const sets = new Map();
  for (const key of keys) {
    if (key.length <= at) continue;
    if (!sets.has(key[at])) sets.set(key[at], []);
    sets.get(key[at]).push(key);
  }
  return [...sets.values()].reduce((best, set) => (set.length > best.length ? set : best), []);
}

// Control, direction and zero-width characters can make text look like something it is not.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** @param {string} string @returns {string} the same text with what cannot be seen written out */
export function visible(string) {
  return string.replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
