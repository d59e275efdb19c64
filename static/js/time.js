/**
 * The time machine: hold the picture, look back up to a minute. Holding stops the picture, never the cluster.
 */
import { T, fit, say } from "./ink.js";
import { LOOK_BACK } from "./history.js";
import { endOf } from "./rows.js";

const LIVE_WITHIN = 400;

/**
 * @param {HTMLElement} root the .time footer
 * @param {{look: import("./look.js").Look, history: import("./history.js").History, now: () => number,
 *   dirty: () => void}} parts
 */
export function createTime(root, { look, history, now, dirty }) {
  const pause = root.querySelector("#pause");
  const scrub = root.querySelector("#scrub");
  const when = root.querySelector("#when");
  const canvas = root.querySelector("canvas");

  function hold(t) {
    look.set({ held: t });
    pause.setAttribute("aria-pressed", String(t !== null));
    pause.setAttribute("aria-label", t === null ? "Pause the picture" : "Go on, live");
    dirty();
  }

  pause.addEventListener("click", () => hold(look.held === null ? now() : null));
  scrub.addEventListener("input", () => hold(Number(scrub.value) > -LIVE_WITHIN ? null : now() + Number(scrub.value)));
  when.querySelector("button").addEventListener("click", () => hold(null));

  function draw({ topic, live }) {
    const ago = live ? 0 : now() - look.held;
    if (document.activeElement !== scrub || live) scrub.value = String(-ago);
    scrub.setAttribute("aria-valuetext", live ? "live" : `${Math.round(ago / 1000)} seconds ago`);
    when.classList.toggle("held", !live);
    say(when.querySelector("b"), live ? "" : `${Math.round(ago / 1000)} s ago`);
    when.querySelector("button").hidden = live;
    when.querySelector(".is-live").hidden = !live;
    if (canvas.offsetParent) track(topic);
  }

  /** Records per half second of the last minute, as a skyline, and events that matter as ticks. */
  function track(topic) {
    const [c, width, height] = fit(canvas);
    const bars = skyline(history.ring, topic, now());
    const top = Math.max(6, ...bars.map((bar) => bar.grown));
    c.fillStyle = T["rule-2"];
    c.fillRect(0, height / 2 + 6, width, 1);
    for (const { ago, grown } of bars) {
      const tall = grown ? Math.max(1.5, 18 * grown / top) : 0;
      c.fillRect(width - ago / LOOK_BACK * width, height / 2 + 6 - tall, width / (LOOK_BACK / 500) + 0.5, tall);
    }
    c.fillStyle = T["ink-2"];
    for (const { t, kind } of history.ring.at(-1)?.model.events ?? []) {
      const x = width - (now() - t) / LOOK_BACK * width;
      if (x < 0 || !["member_joined", "member_left", "assignment", "broker", "leader"].includes(kind)) continue;
      c.beginPath();
      c.moveTo(x, height / 2 + 9);
      c.lineTo(x + 4, height / 2 + 15);
      c.lineTo(x - 4, height / 2 + 15);
      c.fill();
    }
  }

  return { draw };
}

/** @returns {{ago: number, grown: number}[]} log growth per half second, oldest first */
export function skyline(ring, topic, now, step = 500) {
  const grown = new Map();
  for (let i = 1; i < ring.length; i += 1) {
    const more = endOf(ring[i].model.topics[topic]) - endOf(ring[i - 1].model.topics[topic]);
    const slot = Math.floor((now - ring[i].t) / step);
    if (more > 0 && slot >= 0) grown.set(slot, (grown.get(slot) ?? 0) + more);
  }
  return [...grown].map(([slot, count]) => ({ ago: (slot + 1) * step, grown: count })).sort((a, b) => b.ago - a.ago);
}
