import assert from "node:assert/strict";
import { test } from "node:test";
import { belongs, folderOf, placed, shortNames } from "../../static/js/names.js";

test("a file is called by its name, and files of one name by their folders, too", () => {
  const called = (...paths) => paths.map((path) => shortNames(paths).get(path));
  assert.deepEqual(called("lab/producer.py", "try/mine.py"), ["producer.py", "mine.py"]);
  assert.deepEqual(called("lab/run.py", "try/run.py", "try/mine.py"), ["lab/run.py", "try/run.py", "mine.py"]);
  assert.deepEqual(called("run.py", "try/run.py"), ["run.py", "try/run.py"]);
  assert.deepEqual(called("a/x/run.py", "b/x/run.py", "b/y/run.py"), ["a/x/run.py", "b/x/run.py", "y/run.py"]);
});

test("a new file lands beside the open one, unless its name says where", () => {
  assert.equal(placed("mine.py", "lab/deep"), "lab/deep/mine.py");
  assert.equal(placed(" mine.py ", "lab"), "lab/mine.py");
  assert.equal(placed("mine.py", ""), "mine.py");
  assert.equal(placed("try/mine.py", "lab"), "try/mine.py");
  assert.equal(placed("/mine.py", "lab"), "mine.py");
  assert.equal(placed("  ", "lab"), "", "what has no name gets none");
  assert.deepEqual(["lab/a.py", "lab/deep/a.py", "a.py"].map(folderOf), ["lab", "lab/deep", ""]);
});

test("what a program at the top printed is shown in every lesson, and that of another lesson's lab in none", () => {
  const shown = ["lab/a.py", "lab/deep/a.py", "try/a.py", "a.py", "other/a.py", "laboratory/a.py"];
  assert.deepEqual(shown.map((path) => belongs(path, ["lab"])), [true, true, true, true, false, false]);
  assert.ok(belongs("other/a.py", []), "a page without labs shows all");
});
