// What htmx could not do, said beside what was pressed. A page that asks by itself asks again by itself, so of that
// nothing is said here.

const MARK = "not-done";

/** One sentence and a next step. status: of HTTP; 0 when there was no answer. */
export function sentenceFor(status) {
  if (!status) return "Not done: the site did not answer. Try again in a moment.";
  if (status < 400) return "This was done, but cannot be shown here. Reload the page.";
  if (status === 403) return "Not done: you signed in again since this page was opened. Reload it and try again.";
  if (status === 404) return "Not done: this is not there any more. Reload the page.";
  if (status === 429) return "Not done: too often. Try again in a minute.";
  return "Not done: something failed on our side. Try again in a moment.";
}

/** Whether somebody pressed, chose or typed, and no clock or socket asked. */
const isOurs = (detail) => Boolean(detail.requestConfig?.triggeringEvent?.isTrusted);

/** Say it for every element of the page that asks through htmx. */
export function sayRefusals(root) {
  const forget = (elt) => elt.parentElement?.querySelectorAll(`:scope > .${MARK}`).forEach((line) => line.remove());
  root.addEventListener("htmx:beforeRequest", ({ detail }) => forget(detail.elt));
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:swapError"]) {
    root.addEventListener(kind, ({ detail }) => {
      if (!isOurs(detail) || !detail.elt.isConnected) return;
      const line = Object.assign(root.createElement("span"), { className: MARK });
      line.setAttribute("role", "alert");
      forget(detail.elt);
      detail.elt.after(line);
      line.textContent = sentenceFor(detail.xhr?.status);
    });
  }
}
