// Times of a page that is the same for everybody are written in UTC; here they become the reader's own, as on the board.

import { clock } from "./ink.js";

const FORMS = {
  short: (ms) => clock(ms).slice(0, 5),
  full: clock,
  exact: (ms) => `${clock(ms)}.${String(ms % 1000).padStart(3, "0")}`,
};

/** @param {string} form of FORMS @param {string} datetime ISO 8601 @returns {string} "" when it is no time */
export function local(form, datetime) {
  const ms = Date.parse(datetime);
  return Number.isNaN(ms) ? "" : FORMS[form]?.(ms) ?? "";
}

/** Every `<time data-clock>` in the reader's zone; the address of the moment stays in its datetime. */
export function localClocks(root) {
  for (const time of root.querySelectorAll("time[data-clock]")) {
    const said = local(time.dataset.clock, time.dateTime);
    if (said) time.textContent = said;
  }
}
