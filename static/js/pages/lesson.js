/**
 * The lesson page: the plate with the student's sandbox, the text that reads from it, and the tools. Wires modules to
 * elements and to each other; what they do is theirs.
 */
import { localClocks } from "../clocks.js";
import { copyButtons } from "../copy.js";
import { csrfToken } from "../csrf.js";
import { h, say } from "../ink.js";
import { inkOf } from "../keys.js";
import { keepLabs } from "../labs.js";
import { Look } from "../look.js";
import { opensAtOnce, recall, remember } from "../place.js";
import { createPlate, socketAddress } from "../plate.js";
import { keyWords, keepFocus, liveValues, outline, questions, watchParagraphs } from "../prose.js";
import { keepReading, sendPlace } from "../reading.js";
import { createSheet } from "../sheet.js";

const $ = (selector) => document.querySelector(selector);
const stage = $("#board");
const slot = $("#panel-slot");
const look = new Look({ topics: (stage.dataset.topics ?? "").split(" ").filter(Boolean) });
const dress = keyWords(document, look, inkOf);
document.addEventListener("htmx:afterSettle", dress);
const numbers = liveValues(document);
const sheet = createSheet(stage, $("#mini"));
/** Workspace and failure deck are fetched with the first sandbox: a reader without one does not wait for them. */
let tools = null;

const plate = createPlate(stage, look, { onSandbox, onMode, onPanel, onNews, onStatus });
const { board } = plate;

function onSandbox(id, alive) {
  if (alive) tools ??= fetchTools();
  tools?.then(({ workspace }) => workspace.attach(alive ? id : "", id && socketAddress("workspace", id)));
}

async function fetchTools() {
  const { createWorkspace, createDeck } = await import("../tools.js");
  return { workspace: createWorkspace($("#work"), { stage, sheet, onRun: atProgram }), deck: createDeck($("#deck"), $("#break"), $("#broken")) };
}

function onMode(alive) {
  if (alive) document.querySelector(".start-first")?.remove();
  else sheet.open(false);
  document.body.dispatchEvent(new CustomEvent("lab:changed"));
}

function onPanel(panel) {
  tools?.then(({ deck }) => deck.found(panel));
}

/** Other rooms' news: htmx listens on the body for it. */
async function onNews(kind, data) {
  if (kind === "attempt") look.atLab(topicsOf(labWith("lab", data.lab)), { begun: true });
  if (kind === "verdict" || kind === "attempt") document.body.dispatchEvent(new CustomEvent("lab:changed", { detail: data }));
  if (kind === "fault") (await tools)?.deck.changed(data);
  if (kind === "files" || kind === "attempt") (await tools)?.workspace.changed(data);
}

function onStatus(live) {
  if (!live) say($("#mini b"), $("#chip-state")?.textContent ?? "");
  numbers(live ? board.about().model : null, board.about());
}

const labWith = (name, value) => [...document.querySelectorAll("section.lab")]
  .find((lab) => lab.dataset[name] === value);
const topicsOf = (lab) => (lab?.dataset.topics ?? "").split(" ").filter(Boolean);

/** Which labs are under way, as their panels say. */
const underWay = () => [...document.querySelectorAll("section.lab[data-state=open]")].map((lab) => lab.dataset.folder);
let labsBefore = underWay();

/** A lab that was begun has the board and the editor, also when its news did not come. */
async function labsSettled() {
  const before = labsBefore;
  labsBefore = underWay();
  const begun = labsBefore.find((folder) => !before.includes(folder));
  if (!begun) return;
  look.atLab(topicsOf(labWith("folder", begun)), { begun: true });
  (await tools)?.workspace.turnTo(begun);
}

/** A program of a lab is opened or run: the board turns to that lab's topics. */
const atProgram = (path) => look.atLab(topicsOf(labWith("folder", path.split("/")[0])));

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

/** The missing sandbox, in words beside the button that needs it; gone when there is one. */
function sayFirst(button) {
  document.querySelector(".start-first")?.remove();
  const link = h("a", { href: "#board" }, "Start your sandbox first.");
  const line = h("span", { className: "start-first" });
  line.setAttribute("role", "status");
  button.after(line);
  line.append(link);
}

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

look.onChange((change) => {
  if ("topicChosen" in change || "current" in change) remember({ topic: look.topicChosen, seen: look.current });
});

const openLab = document.querySelector("section.lab[data-state=open]");
look.begin({ lab: topicsOf(openLab), chosen: recall().topic, seen: recall().seen });
// Whoever opens the workspace meanwhile must not close it: it is open as soon as it is there.
$("#w-toggle").setAttribute("aria-expanded", String(opensAtOnce(recall(), sheet)));
watchParagraphs(document, look);
copyButtons($("#lesson"));
const reading = keepReading({ send: sendPlace(location, csrfToken(document)) });
outline(document, reading.at);
addEventListener("pagehide", reading.leave);
questions(document);
keepFocus(document);
localClocks(document);
document.addEventListener("htmx:afterSettle", () => localClocks(document));
document.addEventListener("htmx:afterSettle", labsSettled);
keepLabs(document, $("#told"));
plate.begin();
