// The admin's pages: told that something changed by the staff's socket, and by the clock for what nobody announces.

import { follow } from "../overview.js";

/** Memory and cores are read anew at most this often, ms; asking sooner would show the same numbers. */
const TICK = 10_000;

follow(document);
setInterval(() => {
  if (!document.hidden) document.body.dispatchEvent(new CustomEvent("console:tick"));
}, TICK);

// What was unfolded stays so when the part it stands in is fetched again.
let unfolded = [];
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  unfolded = [...detail.target.querySelectorAll("details[open][id]")].map(({ id }) => id);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
});
