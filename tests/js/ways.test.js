import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { POLL_EVERY, waysTo } from "../../static/js/ways.js";

const ID = "0b7c";
const URL_ = `ws://millrace.test/ws/live/${ID}/`;
const hello = () => ({ view: ["orders", "a b"], resume: { epoch: "1-x", seq: 7 } });

function handlers() {
  const heard = { texts: [], codes: [] };
  return { ...heard, on: { text: (text) => heard.texts.push(text), closed: (code) => heard.codes.push(code) } };
}

/** An event stream that says what it is told to say. */
class ScriptedSource extends EventTarget {
  constructor(address) {
    super();
    Object.assign(this, { address, isClosed: false });
    ScriptedSource.last = this;
  }
  close() { this.isClosed = true; }
  tell(kind, data) { this.dispatchEvent(Object.assign(new Event(kind), { data })); }
}

test("a stream is opened with the view and the place, and says its operations by its name", () => {
  globalThis.document = { querySelector: () => ({ content: "token" }) };
  const asked = [];
  const ask = (...call) => { asked.push(call); return Promise.resolve({ ok: true }); };
  const { texts, codes, on } = handlers();
  const line = waysTo(URL_, { Socket: null, Source: ScriptedSource, ask }).stream.open(hello, on);
  const source = ScriptedSource.last;
  assert.equal(source.address, `/live/${ID}/events/?view=orders&view=a+b&epoch=1-x&seq=7`);

  line.say({ op: "ack", seq: 1 });
  assert.deepEqual(asked, [], "nobody knows yet whose operation that would be");
  source.tell("stream", "of-mine");
  source.onmessage({ data: "a\nb" });
  line.say({ op: "ack", seq: 8 });
  assert.deepEqual(texts, ["a\nb"]);
  assert.equal(asked[0][0], `/live/${ID}/ops/`);
  assert.equal(asked[0][1].headers["X-CSRFToken"], "token");
  assert.deepEqual(JSON.parse(asked[0][1].body), { stream: "of-mine", op: { op: "ack", seq: 8 } });

  source.tell("close", "4401");
  assert.deepEqual(codes, [4401]);
  assert.equal(source.isClosed, true);
});

test("a stream that breaks is closed, so that the browser does not open it by itself", () => {
  const { codes, on } = handlers();
  waysTo(URL_, { Socket: null, Source: ScriptedSource }).stream.open(hello, on);
  ScriptedSource.last.onerror();
  assert.deepEqual(codes, [0]);
  assert.equal(ScriptedSource.last.isClosed, true);
});

function polling(t, answers) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const asked = [];
  const ask = (address) => { asked.push(address); return answers.shift()(); };
  const said = handlers();
  const line = waysTo(URL_, { Socket: null, ask }).poll.open(hello, said.on);
  const settle = async () => { for (let i = 0; i < 9; i += 1) await Promise.resolve(); };
  return { ...said, asked, line, settle };
}

const lines = (...texts) => () => Promise.resolve({ ok: true, text: () => Promise.resolve(`${texts.join("\n")}\n`) });
const refused = (status) => () => Promise.resolve({ ok: false, status });

test("polling asks every two seconds, and says until when it has been told", async (t) => {
  const answers = [lines('{"lane":"hello"}', '{"lane":"ping","t":99}'), lines('{"lane":"ping","t":120}')];
  const { asked, texts, settle } = polling(t, answers);
  await settle();
  assert.deepEqual(asked, [`/live/${ID}/poll/?view=orders&view=a+b&epoch=1-x&seq=7&told=0`]);
  assert.deepEqual(texts, ['{"lane":"hello"}\n{"lane":"ping","t":99}']);
  mock.timers.tick(POLL_EVERY);
  await settle();
  assert.match(asked[1], /&told=99$/);
});

test("a changed view is asked for at once, a hidden page asks nothing", async (t) => {
  const { asked, line, settle } = polling(t, [1, 2, 3].map(() => lines('{"lane":"ping","t":1}')));
  await settle();
  line.say({ op: "ack", seq: 1 });
  assert.equal(asked.length, 1);
  line.say({ op: "view", topics: [] });
  await settle();
  assert.equal(asked.length, 2);
  line.say({ op: "pause" });
  mock.timers.tick(9 * POLL_EVERY);
  assert.equal(asked.length, 2);
});

test("a refusal has the same code as on the websocket, a broken answer has none", async (t) => {
  for (const [answer, code] of [[refused(401), 4401], [refused(403), 4403], [refused(404), 4404], [refused(502), 0],
    [() => Promise.reject(new TypeError("no network")), 0], [lines("<html>"), 0]]) {
    const { codes, settle } = polling(t, [answer]);
    await settle();
    assert.deepEqual(codes, [code]);
    mock.timers.reset();
  }
});

const tooOften = (seconds) => () => Promise.resolve({ ok: false, status: 429, headers: new Headers({ "Retry-After": seconds }) });

test("polling that is told to wait asks nothing before, whatever is pressed, and then goes on", async (t) => {
  const { asked, codes, line, settle } = polling(t, [tooOften("7"), lines('{"lane":"ping","t":1}'), lines('{"lane":"ping","t":2}')]);
  await settle();
  line.say({ op: "view", topics: [] });
  line.say({ op: "pause" });
  line.say({ op: "resume", epoch: "1-x", seq: 7 });
  mock.timers.tick(6_900);
  await settle();
  assert.equal(asked.length, 1);
  mock.timers.tick(100);
  await settle();
  assert.equal(asked.length, 2);
  mock.timers.tick(POLL_EVERY);
  assert.equal(asked.length, 3);
  assert.deepEqual(codes, [], "and the way is not given up");
});

test("a hidden page that was told to wait asks nothing afterwards either", async (t) => {
  const { asked, line, settle } = polling(t, [tooOften("7")]);
  await settle();
  line.say({ op: "pause" });
  mock.timers.tick(20_000);
  assert.equal(asked.length, 1);
});

test("a line that was closed says nothing more", async (t) => {
  const { texts, codes, line, settle } = polling(t, [lines('{"lane":"ping","t":1}')]);
  line.close();
  await settle();
  assert.deepEqual([texts, codes], [[], []]);
});
