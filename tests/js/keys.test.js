import assert from "node:assert/strict";
import { test } from "node:test";
import { INKS, hash, inkOf, letterCase, visible } from "../../static/js/keys.js";

test("the ink depends on the key alone, whatever came before it", () => {
  assert.deepEqual(["acme", "birch", "T-0"].map(inkOf), ["acme", "birch", "T-0"].map((key) => hash(key) % INKS));
  assert.deepEqual([inkOf("acme"), inkOf("birch"), inkOf("T-0")], [7, 1, 6], "on every page");
});

test("every ink is used", () => {
  assert.equal(new Set(Array.from({ length: 100 }, (_, i) => inkOf(`key-${i}`))).size, INKS);
});

const letters = (keys) => {
  const letter = letterCase();
  keys.forEach((key) => letter.learn("t", key));
  return keys.map((key) => letter("t", key)).join("");
};

test("the letter is the first character after what the keys of a topic share", () => {
  assert.equal(letters(["task-7", "task-9"]), "79");
  assert.equal(letters(["acme", "birch"]), "ab");
  assert.equal(letters(["team-red", "team-blue", "team-green"]), "rbg");
});

test("one odd key does not make all letters the same", () => {
  assert.equal(letters(["task-7", "task-8", "task-9", "ines"]), "789i");
  assert.equal(letters(["order-1", "order-2", "order-3", "order", "refund-1"]), "123or");
});

test("of a number the last digit is shown, for a digit that all share tells nothing", () => {
  assert.equal(letters(["T-10", "T-11", "T-12", "T-20"]), "0120");
  assert.equal(letters(["100", "101", "102"]), "012");
});

test("the letters are the same after a reload, when other keys have become the many", () => {
  const first = ["T-1030", "T-1034", "T-1037"];
  const later = Array.from({ length: 30 }, (_, i) => `T-hc8snpp-${i}`);
  assert.equal(letters(first), "047");
  assert.equal(letters([...later, ...first]).slice(-3), "047");
});

test("a lone key shows its first letter, an empty one a blank, an emoji stays whole", () => {
  const letter = letterCase();
  assert.equal(letter("a", "acme"), "a");
  assert.equal(letter("b", ""), " ");
  assert.equal(letter("c", "🦀 crab"), "🦀");
});

test("what was drawn keeps its letter when other keys come, and a lone one tells by its number", () => {
  const letter = letterCase();
  const first = ["task-60", "task-67", "task-66"];
  first.forEach((key) => letter.learn("t", key));
  assert.equal(first.map((key) => letter("t", key)).join(""), "076");
  for (let i = 0; i < 50; i += 1) letter.learn("t", `T-k3-${i}`);
  assert.equal(first.map((key) => letter("t", key)).join(""), "076");
  assert.equal(letter("t", "T-k3-17"), "7");
  assert.equal(letter("lone", "T-11"), "1");
});

test("characters that cannot be seen are written out", () => {
  assert.equal(visible("\u202etxt.exe"), "\\u202etxt.exe");
  assert.equal(visible("a\u0000b\u200bc\u001b[31m"), "a\\u0000b\\u200bc\\u001b[31m");
  assert.equal(visible("two\nlines\tand äöü 漢字"), "two\nlines\tand äöü 漢字");
});
