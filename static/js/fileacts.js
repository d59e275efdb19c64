/**
 * Making and deleting a file of the workspace: a row below the tabs that asks first. Knows .file-ask and the two
 * buttons of templates/lessons/_workspace.html. Escape, and the row's second button, lead back to where one was.
 */
import { say } from "./ink.js";
import { visible } from "./keys.js";
import { placed } from "./names.js";

/**
 * @param {HTMLElement} root the .work element
 * @param {{shown: () => string|null, folder: () => string, make: (path: string) => Promise<void>,
 *   remove: (path: string) => Promise<void>}} parts
 * shown: the file in the editor; folder: where a new one goes, "" for the top; make and remove: throw with a sentence
 */
export function createFileActs(root, { shown, folder, make, remove }) {
  const $ = (selector) => root.querySelector(selector);
  const row = $(".file-ask");
  const name = row.querySelector("input");
  const [yes, no] = row.querySelectorAll("button");
  let doomed = null;
  let opener = null;

  function ask(button, { path }) {
    opener = button;
    doomed = path;
    row.hidden = false;
    row.querySelector("label").hidden = Boolean(path);
    say(row.querySelector(".what"), path ? `Delete ${visible(path)} from your sandbox? It cannot be taken back.` : "");
    say(yes, path ? "Delete it" : "Make it");
    say(no, path ? "Keep it" : "Never mind");
    say(row.querySelector(".err"), "");
    yes.classList.toggle("danger", Boolean(path));
    if (path) return no.focus();
    name.value = placed("new.py", folder());
    name.focus();
    tellPlace();
    return name.setSelectionRange(name.value.length - "new.py".length, name.value.length);
  }

  /** A name alone does not say where the file goes. */
  function tellPlace() {
    const beside = folder() && name.value.trim() && !name.value.includes("/");
    say(row.querySelector(".what"), beside ? `It goes into ${visible(folder())}, beside the open file.` : "");
  }

  function close() {
    row.hidden = true;
    opener?.focus();
  }

  async function act() {
    yes.disabled = true;
    try {
      if (doomed) await remove(doomed);
      else await make(placed(name.value, folder()));
      row.hidden = true;
      if (doomed) opener?.focus();
    } catch (error) {
      say(row.querySelector(".err"), error.message);
      if (!doomed) name.focus();
    }
    yes.disabled = false;
  }

  $("#file-new").addEventListener("click", ({ currentTarget }) => ask(currentTarget, { path: null }));
  $("#file-delete").addEventListener("click", ({ currentTarget }) => shown() && ask(currentTarget, { path: shown() }));
  no.addEventListener("click", close);
  name.addEventListener("input", () => {
    say(row.querySelector(".err"), "");
    tellPlace();
  });
  row.addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
  row.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    // On a narrow screen the same key would close the sheet as well.
    event.preventDefault();
    close();
  });

  return {
    /** Another file is in the editor, or none: what was asked about the former is not asked any more. */
    told() {
      $("#file-delete").disabled = !shown();
      $("#file-delete").setAttribute("aria-label", shown() ? `Delete ${visible(shown())}` : "Delete the file");
      if (doomed && doomed !== shown()) row.hidden = true;
    },
  };
}
