/**
 * Where the reader was on this page, for a reload: workspace open or not, the files in it, the topic chosen and the
 * one seen last. Kept by the tab, per lesson; a browser that keeps nothing loses only the comfort.
 */
const name = () => `place:${location.pathname}`;

/** @typedef {{open?: boolean, file?: string, opened?: string[], topic?: string|null, seen?: string|null}} Place */

/** @returns {Place} */
export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(name())) ?? {};
  } catch {
    return {};
  }
}

/** @param {Place} change */
export function remember(change) {
  try {
    sessionStorage.setItem(name(), JSON.stringify({ ...recall(), ...change }));
  } catch {
    // Storage may be full or forbidden.
  }
}

/** On a narrow screen the workspace is a sheet over the text: nobody who opens a lesson asked for that. */
export const opensAtOnce = ({ open }, sheet) => Boolean(open) && !sheet.isNarrow();
