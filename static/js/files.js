/** The sandbox's files over HTTP. Every refusal comes with a sentence; it is thrown as the error's message. */
import { csrfToken } from "./csrf.js";

const ROOT = "/sandbox/files/";
const address = (path) => ROOT + path.split("/").map(encodeURIComponent).join("/");

async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { headers: { Accept: "application/json", ...options.headers }, ...options });
  } catch {
    throw new Error("The site cannot be reached. What you typed is kept in this browser; saving is tried again.");
  }
  const body = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  return { answer, body };
}

/** What is too large is refused before anybody has read it, so no sentence comes with it. */
function refused({ status }, body) {
  if (status === 413) return new Error("This is more than the site takes at once. Make it shorter or split it.");
  return new Error(body.sentence ?? `The site answered ${status}. Try again in a moment.`);
}

/** @returns {Promise<{path: string, size: number, version: string}[]>} */
export async function listFiles() {
  const { answer, body } = await ask(ROOT);
  if (!answer.ok) throw refused(answer, body);
  return body.files;
}

/** @returns {Promise<{path: string, text: string, version: string}>} */
export async function readFile(path) {
  const { answer, body } = await ask(address(path));
  if (!answer.ok) throw refused(answer, body);
  return body;
}

/** @returns {Promise<import("./saves.js").Reply>} */
export async function putFile(path, text, base) {
  const { answer, body } = await ask(address(path), {
    method: "PUT",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": csrfToken(document) },
    body: JSON.stringify({ text, base_version: base }),
  });
  if (answer.status === 409) {
    return { conflict: { text: body.text ?? "", version: body.version || null, sentence: body.sentence } };
  }
  if (!answer.ok) throw refused(answer, body);
  return { ok: true, version: body.version };
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}$/;

/**
 * What keeps a path from being a file's, in a sentence; "" when nothing does. The site has the last word, but what a
 * browser makes of `..` in an address never reaches it.
 */
export function nameFault(path) {
  if (!path) return "Give the file a name, such as try/mine.py.";
  if (path.endsWith("/")) return `A folder comes with its first file. Name one, such as ${path}mine.py.`;
  if (path.split("/").every((name) => NAME.test(name))) return "";
  if (path.split("/").some((name) => name.length > 100)) {
    return "This name is too long: each part of it has 100 characters at most. Choose a shorter one.";
  }
  return "This cannot be a file’s name. Each part of it begins with a letter from a to z, a digit or an underscore, "
    + "and holds only these, dots, dashes and spaces: try/mine.py is one, ../mine.py is none.";
}

/** A new, empty file; a file of this name that is there already is left alone, and said. */
export async function makeFile(path) {
  const fault = nameFault(path);
  if (fault) throw new Error(fault);
  const made = await putFile(path, "", "");
  if (made.conflict) throw new Error("There is a file of this name already. Choose another name.");
}

export async function deleteFile(path) {
  const { answer, body } = await ask(address(path), {
    method: "DELETE", headers: { Accept: "application/json", "X-CSRFToken": csrfToken(document) },
  });
  if (!answer.ok) throw refused(answer, body);
}

/** One's own fault, taken out before its time. */
export async function undoIt(kind) {
  const { answer, body } = await ask(`/sandbox/faults/${encodeURIComponent(kind)}/undo/`, {
    method: "POST", headers: { Accept: "application/json", "X-CSRFToken": csrfToken(document) },
  });
  if (!answer.ok) throw refused(answer, body);
}

/** A fault of the deck, put into the sandbox. @returns {Promise<{kind: string, until: string}>} */
export async function breakIt(kind, { seconds, ms, node }) {
  const { answer, body } = await ask(`/sandbox/faults/${encodeURIComponent(kind)}/`, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": csrfToken(document) },
    body: JSON.stringify({ seconds, ms, node }),
  });
  if (!answer.ok) throw refused(answer, body);
  return body;
}
