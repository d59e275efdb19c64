import assert from "node:assert/strict";
import { test } from "node:test";
import { INKS, hash, inkPot, letterCase, visible } from "../../static/js/keys.js";

test("a key keeps its ink, whoever asks and however often", () => {
  const ink = inkPot();
  const first = ["acme", "birch", "corvo"].map(ink);
  assert.deepEqual(["corvo", "birch", "acme"].map(ink).reverse(), first);
});

test("up to eight keys never share an ink", () => {
  const ink = inkPot();
  const inks = Array.from({ length: INKS }, (_, i) => ink(`task-${i}`));
  assert.equal(new Set(inks).size, INKS);
  assert.ok(inks.every((each) => each >= 0 && each < INKS));
});

test("beyond eight keys the ink is the key's own hash, the same on every page", () => {
  const one = inkPot();
  for (let i = 0; i < INKS; i += 1) one(`first-${i}`);
  assert.equal(one("late"), hash("late") % INKS);
});

test("the letter is the first character in which the keys of a topic differ", () => {
  const letter = letterCase();
  letter("tasks", "task-7");
  letter("tasks", "task-9");
  assert.equal(letter("tasks", "task-7"), "7");
  letter("orders", "acme");
  letter("orders", "birch");
  assert.equal(letter("orders", "acme"), "a");
});

test("a lone key shows its first letter, an empty one a blank, an emoji stays whole", () => {
  const letter = letterCase();
  assert.equal(letter("a", "acme"), "a");
  assert.equal(letter("b", ""), " ");
  assert.equal(letter("c", "🦀 crab"), "🦀");
});

test("characters that cannot be seen are written out", () => {
  assert.equal(visible("\u202etxt.exe"), "\\u202etxt.exe");
  assert.equal(visible("a\u0000b\u200bc\u001b[31m"), "a\\u0000b\\u200bc\\u001b[31m");
  assert.equal(visible("two\nlines\tand äöü 漢字"), "two\nlines\tand äöü 漢字");
});
