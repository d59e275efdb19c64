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
 * Eight keys or fewer never share an ink; beyond that the letter must tell them apart.
 * @returns {(key: string) => number} 0..7
 */
export function inkPot() {
  const inks = new Map();
  const taken = new Set();
  return (key) => {
    if (!inks.has(key)) {
      const ink = freeFrom(hash(key) % INKS, taken);
      inks.set(key, ink);
      taken.add(ink);
      if (inks.size > 5_000) inks.delete(inks.keys().next().value);
    }
    return inks.get(key);
  };
}

function freeFrom(wanted, taken) {
  if (taken.size >= INKS) return wanted;
  for (let step = 0; step < INKS; step += 1) {
    if (!taken.has((wanted + step) % INKS)) return (wanted + step) % INKS;
  }
  return wanted;
}

/**
 * The letter of a key is the first character in which the topic's keys differ: order-7 and order-9 are told
 * apart by 7 and 9, acme and birch by a and b.
 * @returns {(topic: string, key: string) => string}
 */
export function letterCase() {
  const prefixes = new Map();
  return (topic, key) => {
    const known = prefixes.get(topic);
    const prefix = known === undefined ? key : common(known, key);
    prefixes.set(topic, prefix);
    const at = prefix.length < key.length ? prefix.length : 0;
    return String.fromCodePoint(key.codePointAt(at) ?? 0x20);
  };
}

function common(a, b) {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return a.slice(0, length);
}

// Control, direction and zero-width characters can make text look like something it is not.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** @param {string} string @returns {string} the same text with what cannot be seen written out */
export function visible(string) {
  return string.replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
