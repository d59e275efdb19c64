import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { chosen, copyOf, folded } from "../../static/js/panes.js";
import { Programs, explanation, followPrograms, justNow, markOf, outcome } from "../../static/js/programs.js";

const run = (program_id, more = {}) => ({
  program_id, path: "lab/audit.py", args: [], label: "", started_at: Number(program_id.slice(1)), ended_at: null,
  exit_code: null, signal: null, reason: "", ...more,
});
const ended = (id, more) => run(id, { ended_at: 99, exit_code: 0, ...more });
const event = (kind, seq, program, more = {}) => ({ kind, seq, program, text: "", run: null, ...more });

test("how a run ended is said in words", () => {
  assert.equal(outcome(run("p1")), "running");
  assert.equal(outcome(ended("p1")), "finished");
  assert.equal(outcome(ended("p1", { exit_code: 3 })), "exit code 3");
  assert.equal(outcome(ended("p1", { exit_code: null, signal: 9, reason: "killed" })), "killed by you");
  assert.equal(outcome(ended("p1", { exit_code: null, signal: 11 })), "ended by SIGSEGV");
  assert.match(outcome(ended("p1", { signal: 9, reason: "memory" })), /memory/);
  assert.deepEqual([run("p1"), ended("p1"), ended("p1", { exit_code: 1 })].map(markOf), ["ok", "none", "bad"]);
});

test("a program that waits for a keyboard is told that there is none, and only then", () => {
  const tail = 'Your name: Traceback (most recent call last):\n  File "a.py", line 1\nEOFError: EOF when reading a line\n';
  const said = explanation(ended("p1", { exit_code: 1 }), tail);
  assert.match(said, /no keyboard/);
  assert.match(said, /run it again\.$/);
  assert.equal(explanation(ended("p1", { exit_code: 1 }), "EOFError: EOF when reading a line"), said);
  for (const [run, printed] of [
    [ended("p1"), tail],
    [ended("p1", { exit_code: 1, reason: "stopped" }), tail],
    [ended("p1", { exit_code: null, signal: 9 }), tail],
    [ended("p1", { exit_code: 1 }), `${tail}KeyError: 3\n`],
    [ended("p1", { exit_code: 1 }), "MyEOFError: EOF when reading a line\n"],
    [ended("p1", { exit_code: 1 }), ""],
  ]) assert.equal(explanation(run, printed), "");
});

test("an event that was seen is not shown again after a cut", () => {
  const programs = new Programs();
  assert.equal(programs.take(event("start", 1, "p1", { run: run("p1") })), true);
  assert.equal(programs.take(event("output", 2, "p1", { text: "a" })), true);
  assert.equal(programs.take(event("output", 2, "p1", { text: "a" })), false);
  assert.equal(programs.seq, 2);
  assert.equal(programs.running.length, 1);
  programs.take(event("exit", 3, "p1", { run: ended("p1") }));
  assert.equal(programs.running.length, 0);
});

test("a host that counts anew is followed from its new program on", () => {
  const programs = new Programs();
  programs.take(event("start", 40, "p1", { run: run("p1") }));
  assert.equal(programs.take(event("start", 1, "p2", { run: run("p2") })), true);
  assert.equal(programs.take(event("output", 2, "p2", { text: "x" })), true);
});

test("running programs keep their pane before finished ones, closed ones stay away", () => {
  const runs = [ended("p1"), run("p2"), ended("p3"), ended("p4"), ended("p5"), run("p6")];
  assert.deepEqual(chosen(runs, new Set()).map((one) => one.program_id), ["p2", "p4", "p5", "p6"]);
  assert.deepEqual(chosen(runs, new Set(["p5"])).map((one) => one.program_id), ["p2", "p3", "p4", "p6"]);
  const five = ["p1", "p2", "p3", "p4", "p5"].map((id) => run(id));
  assert.deepEqual(chosen(five, new Set()).map((one) => one.program_id), ["p2", "p3", "p4", "p5"]);
});

test("of one file the latest run is shown, and those that ran side by side with it", () => {
  const at = (id, started_at, ended_at, path = "lab/audit.py") => run(id, { path, started_at, ended_at });
  const runs = [at("p1", 1, 2), at("p2", 3, 9), at("p3", 4, 8), at("p4", 5, 6, "lab/other.py")];
  assert.deepEqual(chosen(runs, new Set()).map((one) => one.program_id), ["p2", "p3", "p4"]);
  const rerun = [...runs, at("p5", 10, null)];
  assert.deepEqual(chosen(rerun, new Set()).map((one) => one.program_id), ["p4", "p5"]);
});

test("a double click is one press, two presses in peace are two copies", () => {
  let t = 0;
  const again = justNow(() => t);
  const press = (at, path) => { t = at; return again(path); };
  assert.deepEqual([press(0, "a.py"), press(200, "a.py"), press(900, "a.py"), press(950, "b.py")],
    [false, true, false, false]);
});

test("copies of one program are counted while they run together", () => {
  const all = [run("p1"), ended("p2"), run("p3"), run("p4", { path: "lab/producer.py" })];
  assert.equal(copyOf(all[2], all), "copy 2 of 2");
  assert.equal(copyOf(all[3], all), "");
  assert.equal(copyOf(all[1], all), "");
});

class ScriptedSocket {
  static opened = [];
  constructor() { this.readyState = 0; this.sent = []; ScriptedSocket.opened.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  accept() { this.readyState = 1; this.onopen(); }
  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  cut(code) { this.readyState = 3; this.onclose({ code }); }
}

function followed(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  ScriptedSocket.opened = [];
  const seen = { text: "", errors: [], links: [] };
  const link = followPrograms({
    url: "/ws/workspace/x/", Socket: ScriptedSocket, chance: () => 1, onRuns: () => {},
    onEvent: ({ text }) => { seen.text += text; }, onError: (sentence) => seen.errors.push(sentence),
    onLink: (live, sentence) => seen.links.push([live, sentence]),
  });
  t.after(() => link.close());
  return { seen, link, last: () => ScriptedSocket.opened.at(-1) };
}

test("after a cut the output goes on where it was", (t) => {
  const { seen, last } = followed(t);
  last().accept();
  assert.deepEqual(last().sent, [{ op: "follow", after: 0 }]);
  last().say(event("start", 1, "p1", { run: run("p1") }));
  last().say(event("output", 2, "p1", { text: "one " }));
  last().cut(1006);
  mock.timers.tick(500);
  last().accept();
  assert.deepEqual(last().sent, [{ op: "follow", after: 2 }]);
  last().say(event("output", 2, "p1", { text: "one " }));
  last().say(event("output", 3, "p1", { text: "two" }));
  assert.equal(seen.text, "one two");
});

test("a press while the connection is down is answered with a sentence, not lost in silence", (t) => {
  const { seen, link, last } = followed(t);
  link.run("lab/a.py");
  assert.match(seen.links.at(-1)[1], /once more/);
  last().accept();
  assert.deepEqual(seen.links.at(-1), [true, ""], "what was said holds no longer");
  assert.deepEqual(seen.errors, []);
});

test("an error of the server comes through as its sentence", (t) => {
  const { seen, last, link } = followed(t);
  last().accept();
  link.stop("p1");
  last().say({ kind: "error", op: "stop", sentence: "It has ended already." });
  assert.deepEqual(seen.errors, ["It has ended already."]);
});

test("what has ended is one line while others run, or among more than two; the reader has the last word", () => {
  const run = (id, ended) => ({ program_id: id, ended_at: ended });
  const ids = (runs, byHand) => [...folded(runs, byHand)].map((one) => one.program_id);
  assert.deepEqual(ids([run("a", 1), run("b", 2)]), []);
  assert.deepEqual(ids([run("a", 1), run("b", null)]), ["a"]);
  assert.deepEqual(ids([run("a", 1), run("b", 2), run("c", 3)]), ["a", "b"]);
  assert.deepEqual(ids([run("a", null), run("b", null), run("c", null)]), []);
  assert.deepEqual(ids([run("a", 1), run("b", null)], new Map([["a", false], ["b", true]])), ["b"]);
});
