/** The closer look at one consumer group: its state in a sentence, its members, who owned what, and its rivals. */
import { drawOwners, ownersHeight } from "../charts/owners.js";
import { createTwin, ownersTwin } from "../charts/twin.js";
import { h, markIcon, plural, say, word } from "../ink.js";
import { visible } from "../keys.js";
import { lagWords, stateWords } from "../prose.js";
import { groupLag } from "../rows.js";

const roomy = () => innerWidth >= 1500 && innerHeight >= 950;

export function groupLens(root, { history, look }) {
  const canvas = root.querySelector("canvas");
  const twin = createTwin(root.querySelector(".table"));
  const members = root.querySelector(".members");
  const list = root.querySelector(".all-groups");
  list.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-group]");
    if (button) look.set({ groupChosen: button.dataset.group, groupShown: null });
  });

  return (scene, t) => {
    const { group, topic, model, rows, now } = scene;
    root.classList.toggle("empty", !group);
    say(root.querySelector(".none"), group ? "" : noGroup(model));
    others(list, scene);
    if (!group) return;
    sentence(root.querySelector(".say"), model, group.id);
    people(members, scene, history);
    const spans = (p) => history.owners(group.id, topic, p);
    root.classList.toggle("unowned", rows.every(({ p }) => !spans(p).length));
    const row = roomy() ? 27 : 21;
    canvas.style.height = `${ownersHeight(rows.length, row)}px`;
    if (canvas.offsetParent) drawOwners(canvas, { rows, spans, since: history.began, hue: group.hue, now, row });
    if (!canvas.nextElementSibling.hidden) twin([ownersTwin(rows, spans, now)], t);
  };
}

const noGroup = (model) => (Object.keys(model.groups).length
  ? "No group reads this topic. A group appears here when one of its members joins or commits."
  : "Nobody reads yet. A consumer group appears here the moment its first member joins.");

function sentence(node, model, id) {
  const group = model.groups[id];
  say(node.querySelector("code"), visible(id));
  say(node.querySelector("b"), stateWords(group.state));
  const lag = groupLag(model, id);
  say(node.querySelector("span"), `, ${plural(group.members.length, "member", word)}; ${behind(lag)}.`);
}

function behind(lag) {
  if (lag.known) return `it is ${lagWords(lag)} behind`;
  return lag.uncommitted ? "it has not committed everywhere yet" : "it has caught up";
}

function people(list, { model, group, topic }, history) {
  const rows = model.groups[group.id].members.map((member) => ({
    no: history.numberOf(group.id, member.id), client: member.client || member.id,
    owns: owned(member, topic), id: member.id,
  })).sort((a, b) => a.no - b.no);
  const sign = JSON.stringify([group, rows]);
  if (list.dataset.sign === sign) return;
  list.dataset.sign = sign;
  list.replaceChildren(...rows.map(({ no, client, owns, id }) => h("li", { title: visible(id) },
    markIcon((no - 1) % 6, group.hue), h("b", {}, `${no} `, h("span", {}, visible(client))), h("small", {}, owns))));
}

function owned(member, topic) {
  const here = (member.assigned[topic] ?? []).toSorted((a, b) => a - b).map((p) => `P${p}`).join(" ");
  const elsewhere = Object.keys(member.assigned).filter((name) => name !== topic).length;
  return [here || (elsewhere ? "" : "owns nothing"), elsewhere ? `and ${plural(elsewhere, "other topic")}` : ""]
    .filter(Boolean).join(" ");
}

/** Every group of the cluster with its lag, when there is more than the one that is shown. */
function others(list, { model, group }) {
  const ids = Object.keys(model.groups).sort();
  const rows = ids.map((id) => [id, stateWords(model.groups[id].state), lagWords(groupLag(model, id)), id === group?.id]);
  const sign = JSON.stringify(rows);
  list.hidden = ids.length < 2 && Boolean(group);
  if (list.dataset.sign === sign) return;
  list.dataset.sign = sign;
  list.replaceChildren(...rows.map(([id, state, lag, on]) => {
    const button = h("button", { type: "button" }, h("code", {}, visible(id)));
    button.dataset.group = id;
    button.setAttribute("aria-pressed", String(on));
    return h("li", {}, button, h("span", {}, state), h("span", { className: "n" }, lag));
  }));
}
