/**
 * The lesson page: one model fed by one socket, and everything that shows it. Wires modules to elements and to
 * each other; what they do is theirs.
 */
import { createBoard } from "../board.js";
import { csrfToken } from "../csrf.js";
import { History } from "../history.js";
import { clock, h, say, still } from "../ink.js";
import { inkOf, letterCase } from "../keys.js";
import { Look } from "../look.js";
import { apply, emptyModel } from "../model.js";
import { recall, remember } from "../place.js";
import { keyWords, keepFocus, liveValues, outline, questions, watchParagraphs } from "../prose.js";
import { keepReading, sendPlace } from "../reading.js";
import { bornTopics } from "../rows.js";
import { createSheet } from "../sheet.js";
import { connect, pauseWhenHidden } from "../socket.js";
import { createBadge } from "../transport.js";

const ALIVE = new Set(["ready", "degraded"]);
const NUMBERS_EVERY = 100;
/** A short cut heals unseen; only a longer one is worth a banner. */
const SAY_AFTER = 2_000;

const $ = (selector) => document.querySelector(selector);
const stage = $("#board");
const slot = $("#panel-slot");
const look = new Look({ topics: (stage.dataset.topics ?? "").split(" ").filter(Boolean) });
const history = new History();
const dress = keyWords(document, look, inkOf);
document.addEventListener("htmx:afterSettle", dress);
const board = createBoard($("#live"), { look, history, ink: inkOf, letter: letterCase() });
const numbers = liveValues(document);
const sheet = createSheet(stage, $("#mini"));

let model = emptyModel();
let link = { state: "connecting", since: Date.now(), attempt: 0, sentence: "" };
let socket = null;
let sandbox = "";
/** Workspace and failure deck are fetched with the first cluster: a reader without one does not wait for them. */
let tools = null;

const address = (kind, id) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/${kind}/${id}/`;

/** The panel says which sandbox there is and in what state; it is the page's only source for both. */
function panelChanged() {
  const panel = slot.querySelector("#sandbox-panel");
  const id = panel?.dataset.sandbox ?? "";
  const alive = id !== "" && ALIVE.has(panel.dataset.state);
  if (panel?.dataset.word) chip(panel.dataset);
  if (id !== sandbox) attach(id);
  if (stage.dataset.mode !== (alive ? "board" : "panel")) show(alive);
  if (alive) tools ??= fetchTools();
  tools?.then(({ workspace }) => workspace.attach(alive ? id : "", id && address("workspace", id)));
}

async function fetchTools() {
  const { createWorkspace, createDeck } = await import("../tools.js");
  return { workspace: createWorkspace($("#work"), { stage, sheet, onRun: atProgram }), deck: createDeck($("#deck"), $("#break"), $("#broken")) };
}

function chip({ mark, word, idle }) {
  $("#chip-mark").className = `state ${mark}`;
  say($("#chip-state"), word);
  say($("#chip-idle"), idle);
  $("#chip-idle").hidden = !idle;
}

function attach(id) {
  socket?.close();
  socket = null;
  sandbox = id;
  model = emptyModel();
  if (!id) return;
  socket = connect({ url: address("live", id), view: () => look.view(), onFrame: frame, onLink: linked });
}

/** With a cluster the plate is the board, and the panel hides behind the chip; without one it is the panel. */
function show(alive) {
  stage.dataset.mode = alive ? "board" : "panel";
  if (alive) document.querySelector(".start-first")?.remove();
  else sheet.open(false);
  if (alive) slot.setAttribute("popover", "auto");
  else slot.removeAttribute("popover");
  slot.classList.toggle("pop", alive);
  dispatchEvent(new Event("resize"));
  document.body.dispatchEvent(new CustomEvent("lab:changed"));
}

function frame(received) {
  if (received.t) board.clock(received.t);
  if (received.lane === "control") return control(received);
  const before = model;
  model = apply(model, received);
  if (before.t && before.epoch === model.epoch && received.lane !== "snap") look.born(bornTopics(before, model));
  history.take(model);
  board.show(model);
}

/** Other rooms' news: htmx listens on the body for it. */
async function control({ kind, data }) {
  const fire = (name) => document.body.dispatchEvent(new CustomEvent(name, { detail: data }));
  if (kind === "attempt") look.atLab(topicsOf(labWith("lab", data.lab)), { begun: true });
  if (kind === "sandbox") fire("sandbox:changed");
  if (kind === "verdict" || kind === "attempt") fire("lab:changed");
  if (kind === "fault") (await tools)?.deck.changed(data);
  if (kind === "files" || kind === "attempt") (await tools)?.workspace.changed(data);
}

const badge = createBadge($("#via"), $("#via-why"), () => socket?.retry());

function linked(next) {
  link = next;
  badge(next);
}

const labWith = (name, value) => [...document.querySelectorAll("section.lab")]
  .find((lab) => lab.dataset[name] === value);
const topicsOf = (lab) => (lab?.dataset.topics ?? "").split(" ").filter(Boolean);

/** A program of a lab is opened or run: the board turns to that lab's topics. */
const atProgram = (path) => look.atLab(topicsOf(labWith("folder", path.split("/")[0])));

/** What keeps the picture from being true, in one sentence; "" when it is live. */
function trouble() {
  const gone = Date.now() - link.since;
  if (link.state === "over") return link.sentence;
  if (link.state !== "live" && gone > SAY_AFTER) {
    return `The site does not answer since ${clock(link.since)}; what you see is from then.`
      + `${link.attempt > 1 ? ` It is being asked again, try ${link.attempt}.` : ""}`;
  }
  if (model.t && !model.broker.ok) {
    return `${model.broker.sentence || "Your broker does not answer."} Since ${clock(model.broker.since)}.`;
  }
  return "";
}

function status() {
  const sentence = stage.dataset.mode === "board" ? trouble() : "";
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
  if (!model.t || stage.dataset.mode === "panel") say($("#mini b"), $("#chip-state")?.textContent ?? "");
  numbers(model.t && stage.dataset.mode === "board" ? board.about().model : null, board.about());
}

/** Open what the text names, or say what is missing first. */
async function openFile(button) {
  const code = button.closest(".code")?.querySelector("pre code")?.textContent ?? null;
  const opened = await (await tools)?.workspace.openFile(button.dataset.file, button.dataset.do === "try" ? code : null);
  if (opened) return atProgram(opened);
  sayFirst(button);
  // On a narrow screen the plate is at the page's end: the sentence leads there, if the reader wants to go.
  if (sheet.isNarrow()) return;
  const begin = slot.querySelector("button");
  begin?.classList.add("called");
  begin?.addEventListener("blur", () => begin.classList.remove("called"), { once: true });
  begin?.focus({ preventScroll: true });
}

/** The missing cluster, in words beside the button that needs it; gone when there is one. */
function sayFirst(button) {
  document.querySelector(".start-first")?.remove();
  const link = h("a", { href: "#board" }, "Start your cluster first.");
  const line = h("span", { className: "start-first" });
  line.setAttribute("role", "status");
  button.after(line);
  line.append(link);
}

/** Without a cluster the panel is on the plate already: the chip leads there. */
$("#chip").addEventListener("click", () => {
  if (stage.dataset.mode === "panel") stage.scrollIntoView({ behavior: still() ? "auto" : "smooth" });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-do], [data-see]");
  if (button?.dataset.do === "open-work" || button?.dataset.do === "try") openFile(button);
  if (button?.dataset.see) see(button.dataset.see);
});

/** Evidence names a place as topic:partition:offset; the board turns to it. */
function see(place) {
  const [topic, p, o] = place.split(":");
  look.set({ topicChosen: topic, topicShown: null, focus: null });
  requestAnimationFrame(() => board.open({ p: Number(p), o: Number(o) }));
}

/** Topics come and go from view with the reader's eye. */
let viewed = "";
look.onChange((change) => {
  if ("topicChosen" in change) remember({ topic: look.topicChosen });
  const view = JSON.stringify(look.view());
  if (view !== viewed) socket?.setView();
  viewed = view;
});

const openLab = document.querySelector("section.lab[data-state=open]");
if (openLab) look.atLab(topicsOf(openLab));
look.set({ topicChosen: recall().topic ?? null });
// Whoever opens the workspace meanwhile must not close it: it is open as soon as it is there.
$("#w-toggle").setAttribute("aria-expanded", String(Boolean(recall().open)));
watchParagraphs(document, look);
const reading = keepReading({ send: sendPlace(location, csrfToken(document)) });
outline(document, reading.at);
addEventListener("pagehide", reading.leave);
questions(document);
keepFocus(document);
new MutationObserver(panelChanged).observe(slot, { childList: true, subtree: true, attributes: true });
panelChanged();
pauseWhenHidden({ pause: () => socket?.pause(), resume: () => socket?.resume() });
setInterval(status, NUMBERS_EVERY);
