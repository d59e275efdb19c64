/** On a narrow screen the board is a foot that opens as a sheet over the text; the workspace has the same sheet. */
const NARROW = "(max-width: 1099px)";

/** What lies over the sheet closes first; in the editor the same key lets Tab leave it. */
const isForAnother = (target) => document.querySelector("dialog[open], :popover-open") || target.closest?.(".pad");

export function createSheet(stage, mini) {
  const closers = [...stage.querySelectorAll(".sheet-close")];
  const onClose = [];
  const isOpen = () => stage.classList.contains("sheet");
  const focus = () => closers.find((button) => button.getClientRects().length)?.focus({ preventScroll: true });

  function open(on) {
    if (on === isOpen()) return on && focus();
    stage.classList.toggle("sheet", on);
    document.body.classList.toggle("under-sheet", on);
    mini.setAttribute("aria-expanded", String(on));
    if (on) focus();
    else {
      onClose.forEach((listener) => listener());
      mini.classList.remove("away"); // it was while the sheet was seen, and what is hidden takes no focus
      mini.focus({ preventScroll: true });
    }
    dispatchEvent(new Event("resize"));
  }

  mini.addEventListener("click", () => open(true));
  for (const button of closers) button.addEventListener("click", () => open(false));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && isOpen() && !isForAnother(event.target)) open(false);
  });
  new IntersectionObserver(([seen]) => mini.classList.toggle("away", seen.isIntersecting), { threshold: 0.15 })
    .observe(stage);
  return { open, isOpen, isNarrow: () => matchMedia(NARROW).matches, onClose: (listener) => onClose.push(listener) };
}
