import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Session, connect, finalReason, pauseWhenHidden, waitBefore }
  from "../../static/js/socket.js";
import { waysTo } from "../../static/js/ways.js";

const state = (s, e = "1") => ({ lane: "state", e, s, t: s, set: [] });
const snap = (s, e = "1") => (
  { lane: "snap", e, s, t: s, broker: { ok: true, since: 0, sentence: "" }, topics: {}, groups: {}, records: {} });
const after = (...frames) => {
  const session = new Session();
  return [session, frames.map((frame) => session.take(frame))];
};

test("frames in order are applied, repeats are ignored", () => {
  const [session, verdicts] = after(snap(4), state(5), state(5), state(4), state(6));
  assert.deepEqual(verdicts, ["apply", "apply", "ignore", "ignore", "apply"]);
  assert.deepEqual(session.resume, { epoch: "1", seq: 6 });
});

test("a gap asks to resume once and applies nothing until it is filled", () => {
  const [session, verdicts] = after(snap(4), state(6), state(7), state(5), state(6), state(7));
  assert.deepEqual(verdicts, ["apply", "resume", "ignore", "apply", "apply", "apply"]);
  assert.equal(session.seq, 7);
});

test("a second gap asks again once the first one was answered", () => {
  const hello = { lane: "hello", e: "1", s: 4, t: 0, limits: {}, resumed: true };
  const [, verdicts] = after(snap(4), state(6), hello, state(5), state(9));
  assert.deepEqual(verdicts, ["apply", "resume", "ignore", "apply", "resume"]);
});

test("a gap that was filled without a new hello can be followed by another", () => {
  const [, verdicts] = after(snap(4), state(6), state(5), state(6), state(9));
  assert.deepEqual(verdicts, ["apply", "resume", "apply", "apply", "resume"]);
});

test("before the first snapshot nothing can be applied and nothing resumed", () => {
  const [session, verdicts] = after(state(1), state(2));
  assert.deepEqual(verdicts, ["ignore", "ignore"]);
  assert.equal(session.resume, null);
});

test("waiting grows to eight seconds and always keeps half to chance", () => {
  assert.equal(waitBefore(1, 0), 250);
  assert.equal(waitBefore(1, 1), 500);
  assert.equal(waitBefore(40, 0), 4_000);
  assert.equal(waitBefore(40, 1), 8_000);
});

test("only signing in, another owner or a sandbox that is gone end the tries", () => {
  assert.deepEqual([4401, 4403, 4404].map((code) => Boolean(finalReason(code))), [true, true, true]);
  assert.deepEqual([1000, 1006, 4400, 4408].map(finalReason), [null, null, null, null]);
});

/** A server that hands over what it is told and remembers what it was sent. */
class ScriptedSocket {
  static opened = [];
  constructor(url) {
    Object.assign(this, { url, readyState: 0, sent: [] });
    ScriptedSocket.opened.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  accept() { this.readyState = 1; this.onopen(); }
  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  cut(code) { this.readyState = 3; this.onclose({ code }); }
}

function linked(t) {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  t.after(() => mock.timers.reset());
  ScriptedSocket.opened = [];
  const seen = { frames: [], links: [] };
  const link = connect({
    url: "/ws/live/x/", view: () => ["orders"], ways: waysTo("/ws/live/x/", { Socket: ScriptedSocket }), chance: () => 1,
    onFrame: (frame) => seen.frames.push(frame), onLink: (state) => seen.links.push(state),
  });
  t.after(() => link.close());
  return { ...seen, link, last: () => ScriptedSocket.opened.at(-1), opened: ScriptedSocket.opened };
}

test("a connection that is cut comes back and goes on where it was", (t) => {
  const { last, opened, frames, links } = linked(t);
  last().accept();
  assert.deepEqual(last().sent, [{ op: "hello", view: ["orders"], resume: null }]);
  last().say(snap(4));
  last().say(state(5));
  last().cut(1006);
  assert.equal(links.at(-1).state, "waiting");
  mock.timers.tick(500);
  assert.equal(opened.length, 2);
  last().accept();
  assert.deepEqual(last().sent, [{ op: "hello", view: ["orders"], resume: { epoch: "1", seq: 5 } }]);
  last().say({ lane: "hello", e: "1", s: 5, t: 0, limits: {}, resumed: true });
  last().say(state(6));
  assert.deepEqual(frames.filter(({ lane }) => lane !== "control").map((frame) => frame.s), [4, 5, 6]);
  assert.equal(links.at(-1).state, "live");
  assert.equal(links.at(-1).attempt, 0);
});

test("when the site says that news may have been missed, everything they are about is asked for again", (t) => {
  const { last, frames } = linked(t);
  const asked = () => frames.filter(({ lane }) => lane === "control").map(({ kind }) => kind);
  last().accept();
  last().say(snap(4));
  assert.deepEqual(asked(), []);
  last().say({ lane: "control", t: 0, kind: "missed", data: {} });
  assert.deepEqual(asked(), ["sandbox", "verdict"]);
});

test("frames that came together are the lines of one message", (t) => {
  const { last, frames } = linked(t);
  last().accept();
  last().onmessage({ data: [snap(4), state(5), state(6)].map((frame) => JSON.stringify(frame)).join("\n") });
  assert.deepEqual(frames.map((frame) => frame.s), [4, 5, 6]);
});

test("twenty seconds of silence are not live any more and start another connection", (t) => {
  const { last, opened, links } = linked(t);
  last().accept();
  last().say(snap(4));
  mock.timers.tick(20_500);
  assert.ok(links.some((link) => link.state === "stale"));
  mock.timers.tick(1_000);
  assert.equal(opened.length, 2);
});

test("pings keep a quiet connection live and are answered", (t) => {
  const { last, opened, links } = linked(t);
  last().accept();
  last().say(snap(4));
  for (let i = 0; i < 4; i += 1) {
    mock.timers.tick(15_000);
    last().say({ lane: "ping", t: 0 });
  }
  assert.equal(opened.length, 1);
  assert.equal(links.at(-1).state, "live");
  assert.deepEqual(last().sent.at(-1), { op: "ack", seq: 4 });
});

test("while the site hears nothing of the sandbox the link says since when", (t) => {
  const { last, links } = linked(t);
  const ping = (heard) => { last().say({ lane: "ping", t: 100_000, heard }); return links.at(-1).quiet; };
  last().accept();
  last().say(snap(4));
  assert.equal(links.at(-1).quiet, 0);
  assert.equal(ping(97_000), 0);
  assert.equal(ping(90_000), 90_000);
  assert.equal(links.at(-1).state, "live");
  last().say(state(5));
  assert.equal(links.at(-1).quiet, 90_000, "what the site still knew is no news");
  assert.equal(ping(0), 0, "a site that cannot tell says nothing");
});

test("progress is acknowledged every two seconds and not repeated", (t) => {
  const { last } = linked(t);
  last().accept();
  last().say(snap(4));
  for (let i = 0; i < 4; i += 1) mock.timers.tick(1_000);
  assert.deepEqual(last().sent.filter(({ op }) => op === "ack"), [{ op: "ack", seq: 4 }]);
});

test("a sandbox of someone else ends the tries with a sentence", (t) => {
  const { last, opened, links } = linked(t);
  last().cut(4403);
  mock.timers.tick(60_000);
  assert.equal(opened.length, 1);
  assert.equal(links.at(-1).state, "over");
  assert.match(links.at(-1).sentence, /someone else/);
});

test("a tab that stays hidden is paused and resumed when seen", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const calls = [];
  const page = new EventTarget();
  const show = (hidden) => { page.hidden = hidden; page.dispatchEvent(new Event("visibilitychange")); };
  pauseWhenHidden({ pause: () => calls.push("pause"), resume: () => calls.push("resume") }, page);
  show(true);
  mock.timers.tick(2_000);
  show(false);
  assert.deepEqual(calls, []);
  show(true);
  mock.timers.tick(20_000);
  show(false);
  assert.deepEqual(calls, ["pause", "resume"]);
});
