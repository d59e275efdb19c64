/** The closer look at lag: a heatmap per partition, with the steps of its hue and a sentence. */
import { STEPS, drawHeat, heatHeight } from "../charts/heat.js";
import { createTwin, heatTwin } from "../charts/twin.js";
import { h, num, plural, say, span } from "../ink.js";
import { visible } from "../keys.js";
import { totalLag } from "../lag.js";

export function lagLens(root, { history }) {
  const canvas = root.querySelector("canvas");
  const twin = createTwin(root.querySelector(".table"));
  legend(root.querySelector(".steps"));

  return (scene, t) => {
    const { group, topic, rows, now } = scene;
    root.classList.toggle("empty", !group);
    say(root.querySelector(".none"), group ? "" : "Lag belongs to a group. No group reads this topic yet.");
    if (!group) return;
    say(root.querySelector(".say"), sentence(group.id, rows));
    root.querySelector(".steps").className = `steps ${group.hue}`;
    const row = rows.length > 8 ? 18 : 26;
    canvas.style.height = `${heatHeight(rows.length, row)}px`;
    const samples = history.lagOver(group.id, topic);
    if (canvas.offsetParent) drawHeat(canvas, { rows, samples, hue: group.hue, now, row });
    if (!canvas.nextElementSibling.hidden) twin([heatTwin(rows, samples)], t);
  };
}

/** @param {import("../rows.js").LaneRow[]} rows */
export function sentence(group, rows) {
  const { known, uncommitted } = totalLag(rows);
  const open = uncommitted ? ` On ${plural(uncommitted, "partition")} it has not committed yet.` : "";
  if (uncommitted === rows.length) return `${visible(group)} has not committed on this topic yet.`;
  if (!known) return `${visible(group)} has caught up.${open}`;
  const worst = rows.reduce((most, row) => ((row.lag ?? -1) > (most.lag ?? -1) ? row : most));
  const late = worst.behindMs ? `, ${span(worst.behindMs)}` : "";
  return `${visible(group)} is ${plural(known, "record")} behind, furthest on P${worst.p} (${num(worst.lag)}${late}).${open}`;
}

function legend(list) {
  const words = STEPS.slice(1).map((bound, i) => `${num(STEPS[i] + 1)} to ${num(bound)}`);
  list.replaceChildren(...["0", ...words, `${num(STEPS.at(-1) + 1)} or more`].map((label, i) =>
    h("li", {}, h("i", { className: `step s${i}` }), label)), h("li", {}, h("i", { className: "step unknown" }), "no commit yet"));
}
