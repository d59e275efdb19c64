/**
 * Where the reader was on this page, for a reload: workspace open or not, the file in it, the topic chosen. Kept by
 * the tab, per lesson; a browser that keeps nothing loses only the comfort.
 */
const name = () => `place:${location.pathname}`;

/** @returns {{open?: boolean, file?: string, topic?: string|null}} */
export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(name())) ?? {};
  } catch {
    return {};
  }
}

/** @param {{open?: boolean, file?: string, topic?: string|null}} change */
export function remember(change) {
  try {
    sessionStorage.setItem(name(), JSON.stringify({ ...recall(), ...change }));
  } catch {
    // Storage may be full or forbidden.
  }
}
