/**
 * Keeps on the server which section the reader is in, so that the course goes on there on any machine. A section
 * counts when somebody stays in it; what is only scrolled through does not.
 */

export const STAY_MS = 3_000;

/**
 * @param {{send: (anchor: string) => void, stay?: number,
 *   later?: (run: () => void, ms: number) => number, never?: (timer: number) => void}} wiring
 * @returns {{at: (anchor: string) => void, leave: () => void}} at: scrolled to; leave: the page is being left
 */
export function keepReading({ send, stay = STAY_MS, later = setTimeout, never = clearTimeout }) {
  let waiting = "";
  let kept = "";
  let timer = 0;

  function keep() {
    never(timer);
    if (waiting && waiting !== kept) send(waiting);
    kept = waiting || kept;
    waiting = "";
  }

  return {
    at(anchor) {
      never(timer);
      waiting = anchor;
      timer = later(keep, stay);
    },
    leave: keep,
  };
}

/** Tell the server; the answer is not waited for, and the page may be gone by then. */
export function sendPlace(page, token) {
  return (anchor) => {
    const body = new URLSearchParams({ anchor });
    fetch(`${page.pathname}place/`, { method: "POST", body, keepalive: true, headers: { "X-CSRFToken": token } }).catch(() => {});
  };
}
