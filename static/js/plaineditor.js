/** The editor where the bundle cannot be loaded: a text area with the same four calls. */
export function createEditor(parent, { onType, onRun }) {
  const area = document.createElement("textarea");
  Object.assign(area, { className: "plain", spellcheck: false, wrap: "off" });
  area.addEventListener("input", () => onType(area.value));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun();
    }
  });
  parent.replaceChildren(area);
  return {
    show(path, text) {
      area.setAttribute("aria-label", path);
      area.value = text;
    },
    replace(text) {
      if (area.value !== text) area.value = text;
    },
    focus: () => area.focus(),
  };
}
