import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { NOT_LIVE, POLL_EVERY, SILENT_AFTER, addressOf, follow } from "../../static/js/overview.js";

/** As much of a page as is asked of it: a body that events reach, a place for the words, hidden or not. */
class Page extends EventTarget {
  constructor({ asks = true } = {}) {
    super();
    this.hidden = false;
    this.place = { textContent: "" };
    this.body = Object.assign(new EventTarget(), { dataset: {} });
    this.asks = asks;
    this.heard = [];
    this.body.addEventListener("overview:changed", (event) => this.heard.push(event.detail));
  }

  querySelector() { return this.asks ? this.body : null; }
  querySelectorAll() { return [this.place]; }

  turn(hidden) {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

class ScriptedSocket {
  static opened = [];
  constructor(url) {
    this.url = url;
    ScriptedSocket.opened.push(this);
  }
  static get last() { return ScriptedSocket.opened.at(-1); }
  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  close(code = 1006) { this.onclose?.({ code }); }
}

const CHANGED = { kind: "changed", kinds: ["sandbox"], sandboxes: ["a1"], users: [7], all: false };

/** Follow on a page with a scripted socket and a clock of the test's own. */
function watching(t, page = new Page()) {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  ScriptedSocket.opened = [];
  const link = follow(page, { url: "ws://here/ws/overview/", Socket: ScriptedSocket, chance: () => 1 });
  t.after(() => {
    link?.close();
    mock.timers.reset();
  });
  return page;
}

/** Let time pass as it does, second by second. */
function pass(ms) {
  for (let left = ms; left > 0; left -= 250) mock.timers.tick(Math.min(250, left));
}

test("a page that does not ask opens no socket", (t) => {
  watching(t, new Page({ asks: false }));
  assert.equal(ScriptedSocket.opened.length, 0);
});

test("the address is the page's own host, with TLS where the page has it", () => {
  assert.equal(addressOf({ protocol: "http:", host: "localhost:8000" }), "ws://localhost:8000/ws/overview/");
  assert.equal(addressOf({ protocol: "https:", host: "mill.example" }), "wss://mill.example/ws/overview/");
});

test("what the server tells reaches the page, and pings do not", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  ScriptedSocket.last.say({ kind: "ping" });
  ScriptedSocket.last.say(CHANGED);
  assert.deepEqual(page.heard, [CHANGED]);
  assert.equal(page.body.dataset.live, "yes");
  assert.equal(page.place.textContent, "");
});

test("while it is live nothing is polled", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  for (let said = 0; said < 8; said += 1) {
    pass(4_000);
    ScriptedSocket.last.say({ kind: "ping" });
  }
  assert.deepEqual(page.heard, []);
});

test("while it is away the page says so and asks every ten seconds", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  ScriptedSocket.last.close();
  assert.equal(page.place.textContent, NOT_LIVE);
  assert.equal(page.body.dataset.live, "no");
  pass(POLL_EVERY);
  assert.deepEqual(page.heard.map(({ kinds }) => kinds), [["poll"]]);
});

test("coming back asks for everything once, and only then", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  assert.deepEqual(page.heard, []);
  ScriptedSocket.last.close();
  pass(500);
  assert.equal(ScriptedSocket.opened.length, 2);
  ScriptedSocket.last.say({ kind: "hello" });
  ScriptedSocket.last.say(CHANGED);
  assert.deepEqual(page.heard.map(({ kinds }) => kinds), [["back"], ["sandbox"]]);
  assert.equal(page.place.textContent, "");
});

test("a socket that went silent counts as gone", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  pass(SILENT_AFTER + 1_000);
  assert.equal(page.body.dataset.live, "no");
  assert.ok(ScriptedSocket.opened.length >= 2);
});

for (const [code, word] of [[4401, "signed out"], [4403, "staff"]]) {
  test(`closed with ${code} it says why and neither tries again nor polls`, (t) => {
    const page = watching(t);
    ScriptedSocket.last.close(code);
    pass(60_000);
    assert.match(page.place.textContent, new RegExp(word));
    assert.equal(ScriptedSocket.opened.length, 1);
    assert.deepEqual(page.heard, []);
  });
}

test("a hidden page asks for nothing and catches up once when it is seen", (t) => {
  const page = watching(t);
  ScriptedSocket.last.say({ kind: "hello" });
  page.turn(true);
  ScriptedSocket.last.say(CHANGED);
  ScriptedSocket.last.say(CHANGED);
  assert.deepEqual(page.heard, []);
  page.turn(false);
  page.turn(false);
  assert.deepEqual(page.heard.map(({ kinds, all }) => [kinds, all]), [[["seen"], true]]);
});
