/**
 * A page's plate: which sandbox the panel names, the socket to it, the one model it feeds, and the board that shows
 * it. The lesson page and the board's own page each have one; what else they hold hangs on its hooks.
 */
import { createBoard } from "./board.js";
import { History } from "./history.js";
import { clock, say, still } from "./ink.js";
import { inkOf, letterCase } from "./keys.js";
import { apply, emptyModel } from "./model.js";
import { bornTopics } from "./rows.js";
import { connect, pauseWhenHidden } from "./socket.js";
import { createBadge } from "./transport.js";

const ALIVE = new Set(["ready", "degraded"]);
const STATUS_EVERY = 100;
/** A short cut heals unseen; only a longer one is worth a banner. */
const SAY_AFTER = 2_000;

const $ = (selector) => document.querySelector(selector);

export const socketAddress = (kind, id) =>
  `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/${kind}/${id}/`;

/**
 * @param {HTMLElement} stage the element that is either the panel or the board, by its data-mode
 * @param {import("./look.js").Look} look
 * @param {{whole?: boolean, onSandbox?: (id: string, alive: boolean) => void, onMode?: (alive: boolean) => void,
 *   onPanel?: (panel: HTMLElement|null) => void, onNews?: (kind: string, data: object) => void,
 *   onStatus?: (live: boolean) => void}} hooks
 * whole: every closer look is open at once
 * onPanel: another panel came from the site
 * onNews: another room's news (a verdict, a fault, files) has come over the socket
 * onStatus: ten times a second; live: there is a picture to speak of
 */
export function createPlate(stage, look, { whole, onSandbox, onMode, onPanel, onNews, onStatus } = {}) {
  const slot = $("#panel-slot");
  const history = new History();
  const board = createBoard($("#live"), { look, history, ink: inkOf, letter: letterCase(), whole });
  const badge = createBadge($("#via"), $("#via-why"), () => socket?.retry());
  let model = emptyModel();
  let link = { state: "connecting", since: Date.now(), attempt: 0, sentence: "" };
  let socket = null;
  let sandbox = "";
  let shownPanel = null;
  let hadKeyboard = false;

  /** The panel says which sandbox there is and in what state; it is the page's only source for both. */
  function panelChanged() {
    const panel = slot.querySelector("#sandbox-panel");
    const id = panel?.dataset.sandbox ?? "";
    const alive = id !== "" && ALIVE.has(panel.dataset.state);
    if (panel?.dataset.word) chip(panel.dataset);
    if (id !== sandbox) attach(id);
    if (stage.dataset.mode !== (alive ? "board" : "panel")) show(alive);
    onSandbox?.(id, alive);
    // Seen again without having come anew, it would tell of what was over long ago.
    if (panel !== shownPanel) onPanel?.(panel);
    shownPanel = panel;
    if (hadKeyboard && document.activeElement === document.body) lead();
  }

  /** The panel that had the keyboard is gone: on with the one that came, or with the board that has taken its place. */
  function lead() {
    const hidden = slot.classList.contains("pop") && !slot.matches(":popover-open");
    const head = (hidden ? $("#live") : slot).querySelector("h2");
    if (!head) return;
    hadKeyboard = false;
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }

  function attach(id) {
    socket?.close();
    socket = null;
    sandbox = id;
    model = emptyModel();
    if (!id) return;
    socket = connect({ url: socketAddress("live", id), view: () => look.view(), onFrame: frame, onLink: linked });
  }

  /** With a sandbox the plate is the board, and the panel hides behind the chip; without one it is the panel. */
  function show(alive) {
    stage.dataset.mode = alive ? "board" : "panel";
    if (alive) slot.setAttribute("popover", "auto");
    else slot.removeAttribute("popover");
    slot.classList.toggle("pop", alive);
    onMode?.(alive);
    dispatchEvent(new Event("resize"));
  }

  function frame(received) {
    if (received.t) board.clock(received.t);
    if (received.lane === "control") return news(received);
    const before = model;
    model = apply(model, received);
    if (before.t && before.epoch === model.epoch && received.lane !== "snap") look.born(bornTopics(before, model));
    history.take(model);
    board.show(model);
  }

  function news({ kind, data }) {
    if (kind === "sandbox" || kind === "fault") document.body.dispatchEvent(new CustomEvent("sandbox:changed", { detail: data }));
    onNews?.(kind, data);
  }

  function linked(next) {
    link = next;
    badge(next);
  }

  /** What keeps the picture from being true, in one sentence; "" when it is live. */
  function trouble() {
    const gone = Date.now() - link.since;
    if (link.state === "over") return link.sentence;
    if (link.state !== "live" && gone > SAY_AFTER) {
      return `The site does not answer since ${clock(link.since)}; what you see is from then.`
        + `${link.attempt > 1 ? ` It is being asked again, try ${link.attempt}.` : ""}`;
    }
    if (link.quiet) {
      return model.t
        ? `The site has heard nothing of your sandbox since ${clock(link.quiet)}; what you see is from then. `
          + "Nothing in it is lost, and the picture goes on by itself."
        : "The site does not hear your sandbox at the moment. Its picture comes by itself as soon as it does.";
    }
    if (model.t && !model.broker.ok) {
      return `${model.broker.sentence || "Your broker does not answer."} Since ${clock(model.broker.since)}.`;
    }
    return "";
  }

  function status() {
    const shown = stage.dataset.mode === "board";
    const sentence = shown ? trouble() : "";
    const banner = $("#stale");
    banner.hidden = !sentence;
    board.trust(!sentence);
    say(banner, sentence);
    stage.classList.toggle("is-stale", Boolean(sentence));
    document.body.classList.toggle("stale", Boolean(sentence));
    stage.classList.toggle("no-picture", !model.t);
    const live = $("#when .is-live");
    live.classList.toggle("off", Boolean(sentence));
    say(live.lastElementChild, sentence ? "not live" : "live");
    onStatus?.(Boolean(model.t) && shown);
  }

  /** Without a sandbox the panel is on the plate already: the chip leads there. */
  $("#chip").addEventListener("click", () => {
    if (stage.dataset.mode === "panel") stage.scrollIntoView({ behavior: still() ? "auto" : "smooth" });
  });

  /** Topics come and go from view with the reader's eye. */
  let viewed = "";
  look.onChange(() => {
    const view = JSON.stringify(look.view());
    if (view !== viewed) socket?.setView();
    viewed = view;
  });

  return {
    board,
    /** Begin, once the page has hung up all its hooks. */
    begin() {
      // The second click of a double click would only take back the first, or meet what has come in its place.
      slot.addEventListener("htmx:confirm", (event) => {
        if (event.detail.triggeringEvent?.detail > 1) event.preventDefault();
      });
      slot.addEventListener("htmx:beforeSwap", () => { hadKeyboard = slot.contains(document.activeElement); });
      new MutationObserver(panelChanged).observe(slot, { childList: true, subtree: true, attributes: true });
      panelChanged();
      pauseWhenHidden({ pause: () => socket?.pause(), resume: () => socket?.resume() });
      setInterval(status, STATUS_EVERY);
    },
  };
}

function chip({ mark, word, idle }) {
  $("#chip-mark").className = `state ${mark}`;
  say($("#chip-state"), word);
  say($("#chip-idle"), idle);
  $("#chip-idle").hidden = !idle;
}
