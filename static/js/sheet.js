/** On a narrow screen the board is a foot that opens as a sheet over the text. */
export function createSheet(stage, mini) {
  const close = stage.querySelector(".sheet-close");

  function open(on) {
    stage.classList.toggle("sheet", on);
    document.body.classList.toggle("under-sheet", on);
    mini.setAttribute("aria-expanded", String(on));
    (on ? close : mini).focus({ preventScroll: true });
    dispatchEvent(new Event("resize"));
  }

  mini.addEventListener("click", () => open(true));
  close.addEventListener("click", () => open(false));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && stage.classList.contains("sheet")) open(false);
  });
  new IntersectionObserver(([seen]) => mini.classList.toggle("away", seen.isIntersecting), { threshold: 0.15 })
    .observe(stage);
}
