// Search by keys: the arrows go from what one types to the hits and back; Escape comes back at once.

const field = document.querySelector("#q");
const hits = () => [...document.querySelectorAll(".hits a")];

/** The element that an arrow leads to; null where there is none. */
function next(by) {
  const stops = [field, ...hits()];
  const at = stops.indexOf(document.activeElement);
  return at < 0 ? null : stops[at + by] ?? null;
}

document.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const to = by ? next(by) : event.key === "Escape" && document.activeElement !== field ? field : null;
  if (!to) return;
  event.preventDefault();
  to.focus();
  to.closest("li")?.scrollIntoView({ block: "nearest" });
});

// The address may bring a question along; whoever opens the page to search begins to type.
if (!matchMedia("(pointer: coarse)").matches) {
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
