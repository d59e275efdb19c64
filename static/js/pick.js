/**
 * Pointing at records: with the pointer, by touch, and with the arrow keys. A tip says what it is; Enter or a press
 * opens it; the key of a record can be followed.
 */
import { clock, h, num, plural } from "./ink.js";
import { visible } from "./keys.js";
import { recordAt } from "./model.js";

/**
 * @param {HTMLElement} box the .draw element around the picture; the picture's own frame takes the keys
 * @param {{lanes: object, look: import("./look.js").Look, open: (place: {p: number, o: number}) => void,
 *   scene: () => import("./charts/lanes.js").Scene|null, redraw: () => void}} board
 */
export function pickRecords(box, { lanes, look, open, scene, redraw }) {
  const canvas = box.querySelector("canvas");
  const frame = canvas.parentElement;
  const tip = box.querySelector(".tip");
  const spoken = box.querySelector("[role=status]");

  const under = (event) => {
    const edge = canvas.getBoundingClientRect();
    return lanes.hit(event.clientX - edge.left, event.clientY - edge.top);
  };

  function showTip(place) {
    tip.hidden = !place;
    if (!place) return;
    tip.replaceChildren(...lines(scene(), place));
    const spot = lanes.spot(place.p, place.o);
    tip.style.left = `${Math.max(0, Math.min(spot.x - 20, box.clientWidth - 226))}px`;
    tip.style.top = `${spot.y + 20 - frame.scrollTop}px`;
  }

  canvas.addEventListener("pointermove", (event) => showTip(scene()?.topic ? under(event) : null));
  canvas.addEventListener("pointerleave", () => showTip(null));
  canvas.addEventListener("click", (event) => {
    const place = under(event);
    if (!place) return;
    showTip(null);
    open(place);
  });
  frame.addEventListener("blur", () => { showTip(null); if (!look.opened) look.set({ cursor: null }); });
  frame.addEventListener("keydown", (event) => {
    const place = moved(event.key, look.cursor, scene());
    if (!place) return;
    event.preventDefault();
    if (event.key === "Enter") return open(place);
    if (event.key === "f") return follow(place);
    look.set({ cursor: place });
    redraw();
    requestAnimationFrame(() => showTip(place));
    spoken.textContent = [...lines(scene(), place)].map((line) => line.textContent).join(". ");
  });

  function follow({ p, o }) {
    const record = recordAt(scene().model, scene().topic, p, o);
    if (record?.k) look.set({ pin: look.pin === record.k ? null : record.k });
  }
}

function lines({ model, topic, rows }, { p, o }) {
  const record = recordAt(model, topic, p, o);
  const row = rows.find((one) => one.p === p);
  const state = row?.committed === null || row === undefined ? "" : o < row.committed ? ", committed" : ", to do";
  if (!record) return [h("b", {}, `P${p}, offset ${num(o)}`), h("div", {}, `contents not shown${state}`)];
  const key = record.k === null ? "no key" : record.kb ? "binary key" : visible(record.k);
  return [
    h("b", {}, key), h("div", {}, `P${p}, offset ${num(o)}${state}`),
    h("small", {}, `${clock(record.ts)}, ${record.v === null ? "no value" : plural(record.size, "byte")}`),
  ];
}

/** Where a key press leads from a cursor; null when the key is not ours. */
export function moved(key, cursor, scene) {
  const rows = scene?.rows.filter((row) => row.end > row.start) ?? [];
  if (!rows.length || !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", "f"].includes(key)) {
    return null;
  }
  const at = Math.max(0, rows.findIndex((row) => row.p === cursor?.p));
  const lane = rows[Math.max(0, Math.min(rows.length - 1, at + ({ ArrowUp: -1, ArrowDown: 1 }[key] ?? 0)))];
  const from = cursor ? cursor.o : lane.end - 1;
  const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: lane.start, End: lane.end - 1 }[key] ?? from;
  return { p: lane.p, o: Math.max(lane.start, Math.min(lane.end - 1, to)) };
}
