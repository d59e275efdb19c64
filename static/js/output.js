/**
 * One program's output as bounded lines. Chunks are gathered and painted once per frame, so that a program that prints
 * in a loop costs the page no more than one that prints a line.
 */
import { createSgr } from "./sgr.js";

/** Lines kept per pane, and characters that may wait for the next frame. */
export const KEEP_LINES = 500;
const KEEP_WAITING = 128 * 1024;
const NEAR = 24;

/** @param {HTMLElement} box a scrolling element; its children become lines */
export function createOutput(box, { later = requestAnimationFrame } = {}) {
  const sgr = createSgr();
  let waiting = "";
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

  return { write, paint };
}
