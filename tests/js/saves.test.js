import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SaveQueue } from "../../static/js/saves.js";

/** The browser's storage as a Map. */
class Shelf {
  items = new Map();
  getItem(key) { return this.items.get(key) ?? null; }
  setItem(key, value) { this.items.set(key, value); }
  removeItem(key) { this.items.delete(key); }
}

/** Files as the server keeps them: a version is the count of writes; stale writes are refused. */
class Server {
  files = new Map();
  puts = [];
  down = false;
  async put(path, text, base) {
    this.puts.push(text);
    if (this.down) throw new Error("no way there");
    const now = this.files.get(path);
    if (now && base !== null && base !== now.version) return { conflict: { ...now, sentence: "Changed elsewhere." } };
    this.write(path, text);
    return { ok: true, version: this.files.get(path).version };
  }
  write(path, text) {
    const version = `v${Number(this.files.get(path)?.version.slice(1) ?? 0) + 1}`;
    this.files.set(path, { text, version });
  }
}

function desk(t, { shelf = new Shelf(), server = new Server(), text = "one" } = {}) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  if (!server.files.has("a.py")) server.write("a.py", text);
  const states = [];
  const saves = new SaveQueue({
    put: (...args) => server.put(...args), store: shelf, scope: "box", now: () => 42,
    onChange: (file) => states.push(file.state),
  });
  const file = saves.open("a.py", { ...server.files.get("a.py") });
  return { saves, server, shelf, states, file };
}
const settle = () => new Promise((resolve) => { setImmediate(resolve); });
const wait = async (ms) => { mock.timers.tick(ms); await settle(); };

test("typing is saved once, a moment after the last key", async (t) => {
  const { saves, server, file, states } = desk(t);
  for (const text of ["t", "tw", "two"]) saves.edit("a.py", text);
  await wait(700);
  assert.deepEqual(server.puts, ["two"]);
  assert.equal(file.state, "saved");
  assert.equal(file.savedAt, 42);
  assert.deepEqual(states.slice(-2), ["saving", "saved"]);
});

test("unsaved text waits in the browser until the server has acknowledged exactly that text", async (t) => {
  const { saves, shelf } = desk(t);
  saves.edit("a.py", "two");
  assert.equal(shelf.items.size, 1);
  await wait(700);
  assert.equal(shelf.items.size, 0);
});

test("what is typed while a save is on its way is saved after it, on top of it", async (t) => {
  const { saves, server, file } = desk(t);
  saves.edit("a.py", "two");
  mock.timers.tick(700);
  saves.edit("a.py", "three");
  await settle();
  assert.equal(file.state, "typed");
  await wait(700);
  assert.equal(server.files.get("a.py").text, "three");
  assert.equal(file.state, "saved");
});

test("a reload brings back what never reached the server, and saves it", async (t) => {
  const first = desk(t);
  first.server.down = true;
  first.saves.edit("a.py", "typed before the cut");
  await wait(700);
  assert.equal(first.file.state, "failed");
  first.server.down = false;
  mock.timers.reset();
  const second = desk(t, { shelf: first.shelf, server: first.server });
  assert.equal(second.file.text, "typed before the cut");
  await wait(700);
  assert.equal(first.server.files.get("a.py").text, "typed before the cut");
});

test("a save that failed is tried again by itself", async (t) => {
  const { saves, server, file } = desk(t);
  server.down = true;
  saves.edit("a.py", "two");
  await wait(700);
  assert.equal(file.sentence, "no way there");
  server.down = false;
  await wait(3_500);
  assert.equal(file.state, "saved");
});

test("a file that changed elsewhere is a conflict with both versions, and nothing is overwritten", async (t) => {
  const { saves, server, file } = desk(t);
  server.write("a.py", "theirs");
  saves.edit("a.py", "mine");
  await wait(700);
  assert.equal(file.state, "conflict");
  assert.equal(file.text, "mine");
  assert.equal(file.theirs.text, "theirs");
  assert.equal(server.files.get("a.py").text, "theirs");
});

test("keeping mine writes mine over theirs; typing meanwhile is kept", async (t) => {
  const { saves, server, file } = desk(t);
  server.write("a.py", "theirs");
  saves.edit("a.py", "mine");
  await wait(700);
  saves.edit("a.py", "mine, longer");
  await saves.resolve("a.py", "mine");
  assert.equal(server.files.get("a.py").text, "mine, longer");
  assert.equal(file.state, "saved");
});

test("taking theirs drops the draft", async (t) => {
  const { saves, server, file, shelf } = desk(t);
  server.write("a.py", "theirs");
  saves.edit("a.py", "mine");
  await wait(700);
  await saves.resolve("a.py", "theirs");
  assert.equal(file.text, "theirs");
  assert.equal(file.state, "saved");
  assert.equal(shelf.items.size, 0);
});

test("a draft over another version than the server's is a conflict on reload, not an overwrite", async (t) => {
  const first = desk(t);
  first.server.down = true;
  first.saves.edit("a.py", "mine");
  await wait(700);
  first.server.down = false;
  first.server.write("a.py", "theirs");
  mock.timers.reset();
  const { file } = desk(t, { shelf: first.shelf, server: first.server });
  assert.equal(file.state, "conflict");
  assert.equal(file.text, "mine");
  assert.equal(file.theirs.text, "theirs");
});

test("Run waits for the save, and for what is typed during it", async (t) => {
  const { saves, server } = desk(t);
  saves.edit("a.py", "two");
  const flushed = saves.flush("a.py");
  saves.edit("a.py", "three");
  assert.equal((await flushed).state, "saved");
  assert.equal(server.files.get("a.py").text, "three");
});

test("Run gives up on a save that fails instead of waiting for ever", async (t) => {
  const { saves, server } = desk(t);
  server.down = true;
  saves.edit("a.py", "two");
  assert.equal((await saves.flush("a.py")).state, "failed");
});

test("a change on the server is taken over only where nothing is unsaved", (t) => {
  const { saves, file } = desk(t);
  saves.refresh("a.py", { text: "from elsewhere", version: "v9" });
  assert.equal(file.text, "from elsewhere");
  saves.edit("a.py", "mine");
  saves.refresh("a.py", { text: "again", version: "v10" });
  assert.equal(file.text, "mine");
});

test("a deleted file stays deleted, whatever was still to be saved", async (t) => {
  const { saves, server, shelf } = desk(t);
  saves.edit("a.py", "typed at the last moment");

  await saves.drop("a.py", async () => { server.files.delete("a.py"); });
  await wait(10_000);

  assert.equal(server.files.has("a.py"), false);
  assert.equal(shelf.items.size, 0);
  assert.deepEqual(server.puts, []);
});

test("a save that is under way is waited for before its file is deleted", async (t) => {
  const { saves, server } = desk(t);
  let land = () => {};
  server.put = async (path, text) => {
    await new Promise((resolve) => { land = resolve; });
    server.write(path, text);
    return { ok: true, version: server.files.get(path).version };
  };
  saves.edit("a.py", "two");
  await wait(700);
  const dropped = saves.drop("a.py", async () => { server.files.delete("a.py"); });
  land();
  await dropped;
  await wait(10_000);

  assert.equal(server.files.has("a.py"), false);
});

test("what was typed is still saved when the file could not be deleted", async (t) => {
  const { saves, server } = desk(t);
  saves.edit("a.py", "two");

  await assert.rejects(saves.drop("a.py", async () => { throw new Error("no way there"); }), /no way there/);
  await wait(700);

  assert.deepEqual(server.puts, ["two"]);
});
