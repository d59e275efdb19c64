import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../static/js/frames.js";
import { fixture, stories } from "./fixtures.js";

const plain = (value) => JSON.parse(JSON.stringify(value));

test("every frame of every story is decoded as it is", () => {
  for (const name of stories()) {
    for (const frame of fixture(name).frames) assert.deepEqual(plain(decode(JSON.stringify(frame))), frame, name);
  }
});

test("what is not JSON, not a frame or of an unknown lane is no frame", () => {
  for (const text of ["", "{", "null", "7", "[]", '{"lane":"html"}', '{"lane":"constructor"}', '{"lane":7}']) {
    assert.equal(decode(text), null, text);
  }
});

test("a frame that lacks its sequence or its payload is no frame", () => {
  assert.equal(decode('{"lane":"state","e":"1","t":1,"set":[]}'), null);
  assert.equal(decode('{"lane":"state","e":"1","s":"4","t":1,"set":[]}'), null);
  assert.equal(decode('{"lane":"records","e":"1","s":4,"t":1,"topic":"a","parts":[]}'), null);
});
