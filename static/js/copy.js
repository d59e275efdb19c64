/** A button on each piece of code that copies it; it says so in its own place, and is not there where a browser cannot. */
import { h } from "./ink.js";

const SAID_FOR = 2_000;

/** @param {ParentNode} root holds the pieces of code */
export function copyButtons(root) {
  if (!navigator.clipboard) return;
  for (const code of root.querySelectorAll(".code")) {
    const text = code.querySelector("pre code");
    if (text) code.append(button(text));
  }
}

function button(text) {
  const copy = h("button", { type: "button", className: "copy" }, "Copy");
  copy.setAttribute("aria-live", "polite");
  let timer = 0;
  copy.addEventListener("click", async () => {
    clearTimeout(timer);
    try {
      await navigator.clipboard.writeText(text.textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Your browser does not let the page copy";
    }
    timer = setTimeout(() => { copy.textContent = "Copy"; }, SAID_FOR);
  });
  return copy;
}
