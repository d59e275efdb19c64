import assert from "node:assert/strict";
import { test } from "node:test";
import { local } from "../../static/js/clocks.js";
import { clock } from "../../static/js/ink.js";

const AT = "2026-03-04T13:05:02.118000+00:00";

test("a time of the site reads as the board writes it, shorter or exact where the page says so", () => {
  const here = clock(Date.parse(AT));

  assert.equal(local("full", AT), here);
  assert.equal(local("short", AT), here.slice(0, 5));
  assert.equal(local("exact", AT), `${here}.118`);
});

test("what is no time stays as it was written", () => {
  assert.equal(local("full", "yesterday"), "");
  assert.equal(local("moonlight", AT), "");
});
