import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { nameFault, putFile } from "../../static/js/files.js";

const page = { fetch: globalThis.fetch, document: globalThis.document };
afterEach(() => Object.assign(globalThis, page));

/** The site as it answers one request. */
function answering(status, body = "") {
  globalThis.document = { querySelector: () => null, cookie: "" };
  globalThis.fetch = async () => new Response(body, { status });
}

test("what is too large to be read is told as such, and not to be tried again", async () => {
  answering(413);
  await assert.rejects(putFile("big.py", "x", ""), { message: /more than the site takes.*shorter or split/ });
});

test("a refusal is told in the site's own sentence, and one without any by its number", async () => {
  answering(422, JSON.stringify({ sentence: "Its text is no UTF-8. Save it as UTF-8." }));
  await assert.rejects(putFile("odd.py", "x", ""), { message: "Its text is no UTF-8. Save it as UTF-8." });
  answering(502);
  await assert.rejects(putFile("odd.py", "x", ""), { message: "The site answered 502. Try again in a moment." });
});

test("what cannot be a file's name is said before the site is asked", () => {
  assert.deepEqual(["mine.py", "try/mine.py", "a b.py"].map(nameFault), ["", "", ""]);
  assert.match(nameFault(""), /Give the file a name/);
  assert.match(nameFault("try/"), /try\/mine\.py/);
  assert.match(nameFault(`try/${"a".repeat(101)}.py`), /too long.*100/);
  for (const path of ["../x.py", "/x.py", "a//b.py", ".hidden", "a/./b.py", "naïve.py"]) {
    assert.match(nameFault(path), /cannot be a file’s name/, path);
  }
});
