// A lab's panel is put there anew whenever something was judged: the reader's place on it stays, what they folded or
// unfolded stays, and a verdict is said.

const LAB = "section.lab";
/** What is worth saying although nobody asked; "watching" comes and goes. */
const RESULTS = ["done", "failed", "ran out of time", "ours"];

/** The ids of an element and of what it stands in, up to the panel. */
export function trailOf(element) {
  const ids = [];
  for (let at = element; at; at = at.matches(LAB) ? null : at.parentElement) if (at.id) ids.push(at.id);
  return ids;
}

/** A task's word without its numbers: "watching, 3 of 10" is "watching". */
export const kindOf = (word) => word.replace(/[\s,]*\d.*$/, "");

/** What a panel says of its tasks: by id, the word's kind and the sentence to say. */
function tasksOf(lab) {
  return new Map([...lab.querySelectorAll("li.task")].map((task, n) => {
    const text = (selector) => task.querySelector(selector)?.textContent.trim() ?? "";
    const word = text(".v");
    return [task.dataset.task, { kind: kindOf(word), said: `Task ${n + 1}, ${text(".t")}: ${word}. ${text(".saw, .cause")}` }];
  }));
}

/** The sentences for what changed between two panels; asked: the task whose Check was pressed. */
export function news(before, now, asked = "") {
  return [...now].filter(([id, { kind }]) => (
    id === asked || (RESULTS.includes(kind) && kind !== before.get(id)?.kind)
  )).map(([, { said }]) => said);
}

/** Which of a panel's folds are open. */
const foldsOf = (lab) => new Map([...lab.querySelectorAll("details[id]")].map((fold) => [
  fold.id, { open: fold.open, of: fold.parentElement.matches("li.task") ? fold.parentElement.className : "" },
]));

/** A task that was judged otherwise is folded as the site says; one that passed under its reader's eyes stays. */
const isKept = (was, now) => was.of === now.of || (was.open && now.of.includes("done"));

/** The nearest place of a trail that there still is. */
function placeOn(root, trail) {
  const found = trail.map((id) => root.getElementById(id)).find((element) => element && !element.disabled);
  if (found?.matches("details")) return found.querySelector("summary");
  return found?.matches(LAB) ? found.querySelector("h2") : found;
}

/** Keep what the reader does on every panel of the page; told: where verdicts are said. */
export function keepLabs(root, told) {
  let pressed = { trail: [], task: "" };
  let before = null;
  const nowhere = () => !root.activeElement || root.activeElement === root.body;
  const goTo = (trail) => nowhere() && placeOn(root, trail)?.focus({ preventScroll: true });

  root.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (!elt.closest?.(LAB) || elt.matches(LAB)) return;
    pressed = { trail: trailOf(elt), task: elt.id.startsWith("check-") ? elt.closest("li.task").dataset.task : "" };
  });
  root.addEventListener("htmx:afterRequest", ({ detail: { elt, successful } }) => {
    if (!successful && elt.closest?.(LAB)) goTo(pressed.trail);
  });
  root.addEventListener("htmx:beforeSwap", ({ detail: { target, shouldSwap } }) => {
    if (!shouldSwap || !target.matches?.(LAB)) return;
    const at = target.contains(root.activeElement) ? trailOf(root.activeElement) : pressed.trail;
    const asked = pressed.trail.includes(target.id) ? pressed.task : "";
    before = { id: target.id, trail: at, asked, folds: foldsOf(target), tasks: tasksOf(target) };
  });
  root.addEventListener("htmx:afterSettle", () => {
    const lab = before && root.getElementById(before.id);
    if (!lab) return;
    for (const [id, now] of foldsOf(lab)) {
      const was = before.folds.get(id);
      if (was && isKept(was, now)) root.getElementById(id).open = was.open;
    }
    if (before.trail.includes(lab.id)) goTo(before.trail);
    const said = news(before.tasks, tasksOf(lab), before.asked).join(" ");
    before = null;
    pressed = { trail: [], task: "" };
    if (!said) return;
    told.textContent = ""; // the same words again would not be read again
    setTimeout(() => { told.textContent = said; }, 100);
  });
}
