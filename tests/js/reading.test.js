import assert from "node:assert/strict";
import { test } from "node:test";
import { keepReading } from "../../static/js/reading.js";

/** A clock that runs when it is told to. */
function clock() {
  let due = null;
  return { later: (run) => { due = run; return 1; }, never: () => { due = null; }, ring: () => due?.() };
}

test("a section that somebody stays in is kept, once", () => {
  const sent = [];
  const { later, never, ring } = clock();
  const reading = keepReading({ send: (anchor) => sent.push(anchor), later, never });

  reading.at("places");
  ring();
  reading.at("places");
  ring();

  assert.deepEqual(sent, ["places"]);
});

test("what is scrolled through is not kept, only where one comes to rest", () => {
  const sent = [];
  const { later, never, ring } = clock();
  const reading = keepReading({ send: (anchor) => sent.push(anchor), later, never });

  for (const anchor of ["outcomes", "places", "groups"]) reading.at(anchor);
  ring();

  assert.deepEqual(sent, ["groups"]);
});

test("leaving the page keeps the section that one was in at once, and nothing when one did not move", () => {
  const sent = [];
  const { later, never } = clock();
  const reading = keepReading({ send: (anchor) => sent.push(anchor), later, never });

  reading.leave();
  reading.at("groups");
  reading.leave();
  reading.leave();

  assert.deepEqual(sent, ["groups"]);
});
