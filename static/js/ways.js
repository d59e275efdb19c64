/**
 * Three ways for the same frames: a websocket, an event stream, and asking again and again. Each is opened with
 * a hello and handlers, and answers with {say, close}; once closed it calls no handler any more.
 *
 * @typedef {{view: string[], resume: {epoch: string, seq: number}|null}} Hello
 * @typedef {{text: (text: string) => void, closed: (code: number) => void}} Handlers
 * @typedef {(hello: () => Hello, on: Handlers) => {say: (op: object) => void, close: () => void}} Open
 * @typedef {{open: Open, patience: number, ackEvery: number}} Way
 * `patience`: after so long without a word (ms) it counts as dead. A close code of 0 says nothing.
 */
import { csrfToken } from "./csrf.js";

export const POLL_EVERY = 2_000;
const CODE_OF = { 401: 4401, 403: 4403, 404: 4404 };

/**
 * @param {string} url the websocket's; the other ways are found beside it
 * @param {{Socket?: typeof WebSocket, Source?: typeof EventSource, ask?: typeof fetch}} parts
 * @returns {{socket: Way, stream: Way, poll: Way}}
 */
export function waysTo(url, { Socket = WebSocket, Source = globalThis.EventSource, ask = globalThis.fetch } = {}) {
  const base = new URL(url, "ws://here").pathname.replace("/ws/", "/");
  return {
    socket: { open: bySocket(url, Socket), patience: 20_000, ackEvery: 2_000 },
    // The server speaks every two to three seconds, and takes an acknowledgement for a sign of life.
    stream: { open: byStream(base, Source, (data) => post(ask, `${base}ops/`, data)), patience: 10_000, ackEvery: 3_000 },
    poll: { open: byPoll(base, (address) => ask(address)), patience: 20_000, ackEvery: Infinity },
  };
}

const bySocket = (url, Socket) => (hello, on) => {
  const socket = new Socket(url);
  const say = (op) => socket.readyState === 1 && socket.send(JSON.stringify(op));
  let over = false;
  socket.onopen = () => !over && say({ op: "hello", ...hello() });
  socket.onmessage = ({ data }) => !over && on.text(data);
  socket.onclose = ({ code }) => !over && on.closed(code);
  return { say, close: () => { over = true; socket.close(); } };
};

/** The browser would open a broken stream again by itself: that is ours to do, with our waits and our place. */
const byStream = (base, Source, send) => (hello, on) => {
  const source = new Source(`${base}events/?${query(hello())}`);
  let stream = "";
  const end = (code) => { source.close(); on.closed(code); };
  source.addEventListener("stream", ({ data }) => { stream = data; });
  source.addEventListener("close", ({ data }) => end(Number(data)));
  source.onmessage = ({ data }) => on.text(data);
  source.onerror = () => end(0);
  return { say: (op) => stream && send({ stream, op }), close: () => source.close() };
};

const byPoll = (base, ask) => (hello, on) => {
  let timer = 0;
  let told = 0;
  let over = false;
  let turn = 0;
  let held = 0;
  let wanted = true;
  async function look() {
    wanted = true;
    if (held) return;
    clearTimeout(timer);
    turn += 1;
    const mine = turn;
    try {
      const answer = await ask(`${base}poll/?${query(hello())}&told=${told}`);
      if (answer.status === 429 && !over) return hold(Number(answer.headers.get("Retry-After")) * 1_000 || POLL_EVERY);
      const text = answer.ok ? (await answer.text()).trimEnd() : "";
      if (over) return;
      if (!answer.ok) return end(CODE_OF[answer.status] ?? 0);
      told = JSON.parse(text.slice(text.lastIndexOf("\n") + 1)).t;
      on.text(text);
    } catch {
      if (!over) end(0);
      return;
    }
    if (mine === turn) timer = setTimeout(look, POLL_EVERY);
  }
  /** We asked too often, perhaps in many tabs: nothing is asked before the site says. */
  function hold(wait) {
    held = setTimeout(() => {
      held = 0;
      if (wanted) look();
    }, wait);
  }
  /** Whatever is on its way is the last. */
  function rest() {
    wanted = false;
    clearTimeout(timer);
    turn += 1;
  }
  function end(code) {
    over = true;
    on.closed(code);
  }
  look();
  return {
    /** Every question says what is viewed and where we are; what cannot wait for the next is asked now. */
    say({ op }) {
      if (op === "pause") rest();
      else if (op !== "ack") look();
    },
    close() {
      over = true;
      rest();
      clearTimeout(held);
    },
  };
};

function query({ view, resume }) {
  const asked = new URLSearchParams(view.map((topic) => ["view", topic]));
  if (resume) {
    asked.set("epoch", resume.epoch);
    asked.set("seq", String(resume.seq));
  }
  return asked;
}

/** What is lost on the way is said again by the next acknowledgement, or by opening the stream anew. */
function post(ask, address, data) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken(document) };
  ask(address, { method: "POST", headers, body: JSON.stringify(data) }).catch(() => {});
}
