/**
 * One program's output as bounded lines. Chunks are gathered and painted once per frame, so that a program that prints
 * in a loop costs the page no more than one that prints a line.
 */
import { h } from "./ink.js";
import { createSgr } from "./sgr.js";

/** Lines kept per pane, and characters that may wait for the next frame. */
export const KEEP_LINES = 500;
const KEEP_WAITING = 128 * 1024;
const NEAR = 24;
/** Characters of its end that are remembered as they came: enough for a last line. */
const TAIL = 200;

/** @param {HTMLElement} box a scrolling element; its children become lines */
export function createOutput(box, { later = requestAnimationFrame } = {}) {
  const sgr = createSgr();
  let waiting = "";
  let tail = "";
  let noted = false;
  let asked = false;
  let line = null;
  // Only the reader's own scrolling ends the following; a pane that changes its size does not.
  let follows = true;
  const toEnd = () => { if (follows) box.scrollTop = box.scrollHeight; };
  box.addEventListener("scroll", () => {
    follows = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  }, { passive: true });
  new ResizeObserver(toEnd).observe(box);

  function write(chunk) {
    waiting += chunk;
    tail = (tail + chunk).slice(-TAIL);
    if (waiting.length > KEEP_WAITING) waiting = waiting.slice(-KEEP_WAITING);
    if (asked) return;
    asked = true;
    later(paint);
  }

  function paint() {
    asked = false;
    for (const segment of sgr.feed(waiting)) put(segment);
    waiting = "";
    while (box.childElementCount > KEEP_LINES) box.firstElementChild.remove();
    toEnd();
  }

  function put({ text, classes }) {
    text.replaceAll("\r\n", "\n").split("\n").forEach((piece, i) => {
      if (i > 0) line = null;
      const returned = piece.lastIndexOf("\r");
      if (returned >= 0) line?.replaceChildren();
      append(piece.slice(returned + 1), classes);
    });
  }

  function append(text, classes) {
    if (!line) {
      line = document.createElement("div");
      box.append(line);
    }
    if (!text) return;
    const span = document.createElement("span");
    span.className = classes;
    span.textContent = text;
    line.append(span);
  }

  /** A line of ours under what it printed: once, and never mistaken for its own. */
  function note(sentence) {
    if (noted) return;
    noted = true;
    paint();
    line = null;
    box.append(h("div", { className: "ours" }, sentence));
    toEnd();
  }

  return { write, paint, note, tail: () => tail };
}
