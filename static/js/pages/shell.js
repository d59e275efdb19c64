// What every page needs: the one door for HTML written by scripts, CSRF for htmx and words for what it could not do,
// the theme, the way to search.

import { allowHtml } from "../trusted.js";
import { csrfToken } from "../csrf.js";
import { sayRefusals } from "../refusals.js";

allowHtml(globalThis);

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrfToken(document);
});

sayRefusals(document);

const root = document.documentElement;
const button = document.querySelector("#theme");
const systemDark = matchMedia("(prefers-color-scheme: dark)");

/** The theme that is seen: the chosen one, or the system's where none was chosen. */
function seen() {
  const chosen = root.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : systemDark.matches ? "dark" : "light";
}

/** Choose the other theme; when that is the system's own, follow the system again. */
function toggle() {
  const wished = seen() === "dark" ? "light" : "dark";
  const system = systemDark.matches ? "dark" : "light";
  root.dataset.theme = wished === system ? "auto" : wished;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  tell();
}

/** Name the button for what it does next, and let pictures that are drawn by script draw again. */
function tell() {
  button?.setAttribute("aria-label", `Switch to ${seen() === "dark" ? "light" : "dark"} theme`);
  document.dispatchEvent(new CustomEvent("theme:changed", { detail: seen() }));
}

button?.addEventListener("click", toggle);
systemDark.addEventListener("change", tell);
tell();

/** Whether what is typed goes into something. */
const isTyping = (target) => Boolean(target.closest?.("input, textarea, select, [contenteditable], [role=application]"));

// "/" searches, wherever one is on the page; on the page of search it goes to the field.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const field = document.querySelector("#q");
  const link = document.querySelector("#search");
  if (!field && !link) return;
  event.preventDefault();
  if (field) field.select();
  else location.assign(link.href);
});
