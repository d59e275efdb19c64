/**
 * The drawer under the board: files, editor, programs. Knows the DOM of templates/lessons/_workspace.html. Opens at
 * once; the editor's code is fetched the first time.
 */
import { clock, h, say } from "./ink.js";
import { createFileActs } from "./fileacts.js";
import { deleteFile, listFiles, makeFile, putFile, readFile } from "./files.js";
import { belongs, folderOf, shortNames } from "./names.js";
import { createPanes } from "./panes.js";
import { opensAtOnce, recall, remember } from "./place.js";
import { followPrograms, justNow } from "./programs.js";
import { SaveQueue } from "./saves.js";
import { tabKeys } from "./board.js";
import { visible } from "./keys.js";

const SHOWN_TABS = 5;
/** Of these, at most so many are tabs because they were opened. */
const KEPT_TABS = 3;

/**
 * @param {HTMLElement} root the .work element; data-editor: address of the editor's bundle, data-folders: folders of
 *   this lesson's labs, data-programs: their programs in order
 * @param {{stage: HTMLElement, sheet: ReturnType<typeof import("./sheet.js").createSheet>,
 *   onRun: (path: string) => void}} parts
 */
export function createWorkspace(root, { stage, sheet, onRun }) {
  const $ = (selector) => root.querySelector(selector);
  const words = (list) => (list ?? "").split(" ").filter(Boolean);
  const folders = words(root.dataset.folders);
  const programs = words(root.dataset.programs);
  const isOurs = (path) => belongs(path, folders);
  const act = { isOurs, stop: (id) => link?.stop(id), kill: (id) => link?.kill(id) };
  const panes = createPanes($(".outs"), act);
  const acts = createFileActs(root, {
    shown: () => shown, folder: () => (shown ? folderOf(shown) : folders[0] ?? "try"), make, remove,
  });
  let link = null;
  let saves = null;
  let editor = null;
  let files = [];
  let shown = null;
  /** Files that were in the editor, the last one last: a text goes back and forth between them. */
  let opened = recall().opened ?? [];
  let sandbox = "";
  const pressedTwice = justNow();

  // -- opening ---------------------------------------------------------------------------------------------------
  const isOpen = () => !$("#w-body").hidden;

  async function open(on = true) {
    $("#w-body").hidden = !on;
    $("#w-toggle").setAttribute("aria-expanded", String(on));
    stage.classList.toggle("has-work", on);
    remember({ open: on });
    if (on && sheet.isNarrow()) sheet.open(true);
    dispatchEvent(new Event("resize"));
    if (on && sandbox) await ready();
  }

  async function ready() {
    editor ??= await loadEditor();
    if (!files.length) await refresh();
    if (shown || !files.length) return;
    const { file } = recall();
    await show(files.includes(file) ? file : first(files, folders, programs));
  }

  async function loadEditor() {
    const wiring = { onType: (text) => shown && saves.edit(shown, text), onRun: run };
    const made = await import(root.dataset.editor).catch(() => import("./plaineditor.js"));
    return made.createEditor($(".pad"), wiring);
  }

  // -- files -----------------------------------------------------------------------------------------------------
  async function refresh() {
    try {
      files = (await listFiles()).map((file) => file.path).filter((path) => !path.includes("__pycache__/"));
      calm();
      tabs();
    } catch (error) {
      complain(error.message);
    }
  }

  async function show(path, { focus = false } = {}) {
    try {
      if (!saves.files.has(path)) saves.open(path, await readFile(path));
    } catch (error) {
      return complain(error.message);
    }
    shown = path;
    opened = [...opened.filter((one) => one !== path), path].slice(-SHOWN_TABS);
    remember({ file: path, opened });
    const file = saves.files.get(path);
    editor.show(path, file.text);
    tabs();
    tell(file);
    if (focus) editor.focus();
  }

  async function make(path) {
    await makeFile(path);
    await refresh();
    await show(path, { focus: true });
  }

  async function remove(path) {
    await saves.drop(path, () => deleteFile(path));
    await leave(path);
  }

  /** The file in the editor is gone: another takes its place. */
  async function leave(path) {
    if (path === shown) shown = null;
    await refresh();
    if (!shown && files.length) await show(first(files, folders, programs));
    if (!files.length) editor.show("", "");
  }

  function tabs() {
    const { near, far } = arranged(files, folders, opened, programs);
    const called = shortNames(near);
    $(".file-tabs").replaceChildren(...near.map((path) => {
      const on = path === shown;
      const tab = h("button", { type: "button", role: "tab", tabIndex: on ? 0 : -1, title: visible(path) },
        visible(called.get(path)));
      tab.dataset.file = path;
      tab.setAttribute("aria-selected", String(on));
      return tab;
    }));
    $(".file-tabs [aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    const more = $("#more-files");
    more.hidden = !far.length;
    more.replaceChildren(h("option", { value: "", textContent: "More files" }),
      ...far.map((path) => h("option", { value: path, textContent: visible(path) })));
    $(".run").disabled = !shown?.endsWith(".py");
    acts.told();
  }

  function tell(file) {
    if (file.path !== shown) return;
    const words = {
      saved: file.savedAt ? `saved ${clock(file.savedAt)}` : "", typed: "not saved yet", saving: "saving",
      failed: `not saved: ${file.sentence}`, conflict: "two versions",
    };
    say($(".saved"), words[file.state]);
    $(".saved").classList.toggle("bad", file.state === "failed" || file.state === "conflict");
    conflict(file);
    editor?.replace(file.text);
  }

  function conflict(file) {
    const box = $(".conflict");
    box.hidden = file.state !== "conflict";
    if (box.hidden) return;
    say(box.querySelector("p"), `${file.sentence} Which one do you want to keep?`);
    say(box.querySelector("pre.mine"), file.text);
    say(box.querySelector("pre.theirs"), file.theirs.text);
  }

  function complain(sentence) {
    say($(".saved"), sentence);
    $(".saved").classList.add("bad");
  }

  /** No complaint holds any more: how it stands with the file in the editor is said again. */
  function calm() {
    const file = saves.files.get(shown);
    if (file) return tell(file);
    say($(".saved"), "");
    $(".saved").classList.remove("bad");
  }

  // -- programs --------------------------------------------------------------------------------------------------
  async function run() {
    if (!shown?.endsWith(".py") || pressedTwice(shown)) return;
    const file = await saves.flush(shown);
    if (file.state === "conflict") return tell(file);
    if (file.state === "failed") return complain(`Not run: it could not be saved. ${file.sentence}`);
    onRun(file.path);
    link?.run(file.path);
  }

  function summary(programs) {
    const running = programs.running;
    const counts = new Map();
    for (const { path } of running) counts.set(path, (counts.get(path) ?? 0) + 1);
    const called = shortNames([...counts.keys()]);
    $(".progs").replaceChildren(...[...counts].map(([path, count]) => program(path, visible(called.get(path)), count)));
  }

  function program(path, name, count) {
    const button = h("button", { type: "button", title: `Show what ${name} prints` },
      h("i", { className: "state ok", ariaHidden: "true" }), name, " ",
      h("em", {}, count > 1 ? `${count} copies` : "running"));
    button.addEventListener("click", async () => {
      if (!isOpen()) await open();
      panes.focus(path);
    });
    return button;
  }

  // -- sandbox ---------------------------------------------------------------------------------------------------
  /** @param {string} id of the running sandbox, "" when there is none @param {string} url of its websocket */
  function attach(id, url) {
    if (id === sandbox) return;
    link?.close();
    sandbox = id;
    files = [];
    shown = null;
    if (!id) return;
    saves = new SaveQueue({ put: putFile, store: localStorage, scope: id, onChange: tell });
    link = followPrograms({
      url,
      onRuns: (programs) => { panes.update(programs); summary(programs); },
      onEvent: (event) => event.kind === "output" && panes.write(event.program, event.text),
      onError: complain,
      onLink: linked,
    });
    if (isOpen()) ready();
  }

  let cutSaid = "";
  function linked(live, sentence) {
    root.classList.toggle("cut", !live);
    if (sentence) complain(sentence);
    else if (live && cutSaid && $(".saved").textContent === cutSaid) calm();
    if (sentence || live) cutSaid = sentence;
  }

  /** Files changed on the server: by us, by another tab, or by a lab that was started. */
  async function changed(data) {
    if (!isOpen()) { files = []; return; }
    await refresh();
    const path = data?.path ?? shown;
    if (path === shown && shown && !files.includes(shown) && saves.files.get(shown)?.state === "saved") {
      await saves.drop(shown);
      return leave(shown);
    }
    if (!saves.files.has(path) || !files.includes(path)) return;
    const stored = await readFile(path).catch(() => null);
    if (stored) saves.refresh(path, stored);
    if (!shown && files.length) await show(first(files, folders, programs));
  }

  /** A lab was begun: its first program is in the editor, or will be when the workspace is opened. */
  async function turnTo(folder) {
    const path = programs.find((one) => one.startsWith(`${folder}/`));
    if (!path) return;
    remember({ file: path });
    if (!isOpen()) {
      shown = null;
      files = [];
    } else if (sandbox && editor) {
      await refresh();
      if (files.includes(path)) await show(path);
    }
  }

  /**
   * Open one file, as a button in the text asks. @param {string} name a path, or a file of this lesson's labs
   * @returns {Promise<string|null>} what it was taken for; null without a sandbox
   */
  async function openFile(name, text = null) {
    if (!sandbox) return null;
    await open();
    const path = resolve(name, files, folders) ?? (text === null ? null : name);
    if (!path) {
      complain(`${name} is not there yet. Start the lab, and it is put into your workspace.`);
      return name;
    }
    if (text !== null && !files.includes(path)) {
      await putFile(path, text, null).catch((error) => complain(error.message));
      await refresh();
    }
    await show(path, { focus: !sheet.isNarrow() });
    return path;
  }

  $("#w-toggle").addEventListener("click", () => open(!isOpen()));
  $(".run").addEventListener("click", run);
  $(".file-tabs").addEventListener("click", ({ target }) => target.dataset.file && show(target.dataset.file));
  $("#more-files").addEventListener("change", ({ target }) => target.value && show(target.value));
  $(".conflict").addEventListener("click", async ({ target }) => {
    if (!target.dataset.keep) return;
    await saves.resolve(shown, target.dataset.keep);
    tell(saves.files.get(shown));
    editor.focus();
  });
  tabKeys($(".file-tabs"));
  $(".file-tabs").addEventListener("scroll", ({ currentTarget }) => {
    currentTarget.classList.toggle("moved", currentTarget.scrollLeft > 0);
  }, { passive: true });
  addEventListener("beforeunload", () => {
    if (shown && saves?.files.get(shown)?.state === "typed") saves.flush(shown);
  });
  sheet.onClose(() => open(false));
  root.hidden = false;
  if (opensAtOnce(recall(), sheet)) open();
  return { attach, changed, turnTo, openFile, open };
}

/**
 * The lesson's own files as tabs, its labs' programs first, and those that were opened last; the rest in the list.
 * @param {string[]} opened files that were in the editor, the one that is in it last
 */
export function arranged(files, folders, opened, programs = []) {
  const rank = (path) => (programs.includes(path) ? programs.indexOf(path) : path.endsWith(".py") ? 100 : 200);
  const inside = (names) => files.filter((path) => names.some((folder) => path.startsWith(`${folder}/`)));
  const own = [inside(folders), inside(["try"]), files].find((some) => some.length) ?? [];
  const ranked = own.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const kept = opened.filter((path) => files.includes(path)).slice(-KEPT_TABS);
  const others = ranked.filter((path) => !kept.includes(path)).slice(0, SHOWN_TABS - kept.length);
  const row = [...ranked, ...files];
  const near = [...others, ...kept].sort((a, b) => row.indexOf(a) - row.indexOf(b));
  return { near, far: files.filter((path) => !near.includes(path)) };
}

/** Which file a workspace opens with: the first program of the first lab that is there. */
export function first(files, folders, programs = []) {
  return programs.find((path) => files.includes(path)) ?? arranged(files, folders, []).near[0];
}

/** `producer.py` in the text means the lab's own producer.py. @returns {string|null} */
export function resolve(name, files, folders) {
  if (files.includes(name)) return name;
  return folders.map((folder) => `${folder}/${name}`).find((path) => files.includes(path))
    ?? files.find((path) => path.endsWith(`/${name}`)) ?? null;
}
