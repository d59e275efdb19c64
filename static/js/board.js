/**
 * The plate beside the text: one model, one look, one clock for every picture on it. Knows the DOM of
 * templates/lessons/_board.html, and nothing of sockets.
 */
import { createLanes, drawMini, lanesHeight } from "./charts/lanes.js";
import { createTwin, lanesTwin, recordsTwin } from "./charts/twin.js";
import { GROUP_HUES, flagIcon, h, num, plural, readTokens, say, still } from "./ink.js";
import { visible } from "./keys.js";
import { MOST_LANES, groupsOf, heldIn, laneRows, topicNames } from "./rows.js";
import { groupLens } from "./lenses/group.js";
import { lagLens } from "./lenses/lag.js";
import { createSpeaker, eventsLens } from "./lenses/events.js";
import { newest, recordsLens } from "./lenses/records.js";
import { createTime } from "./time.js";
import { pickRecords } from "./pick.js";

const SLOW = 250;
const STILL = 500;

/**
 * @param {HTMLElement} root the .board element
 * @param {{look: import("./look.js").Look, history: import("./history.js").History,
 *   ink: (key: string) => number, letter: ReturnType<typeof import("./keys.js").letterCase>, whole?: boolean}} parts
 * whole: every closer look is open at once, on a page of its own; else one at a time, behind tabs
 */
export function createBoard(root, { look, history, ink, letter, whole = false }) {
  const $ = (selector) => root.querySelector(selector);
  const canvas = $("[data-draw=lanes] canvas");
  const lanes = createLanes(canvas);
  const twin = createTwin($("[data-draw=lanes] .table"), (place, back) => open(place, back));
  const speak = createSpeaker($("#spoken"));
  const hues = new Map();
  const lenses = {
    group: groupLens($("#lens-group"), { history, look }), lag: lagLens($("#lens-lag"), { history }),
    record: recordsLens($("#lens-record"), { look, ink }), events: eventsLens($("#lens-events")),
  };
  const factParts = [h("span"), h("span"), h("span")];
  $("#topic-fact").replaceChildren(...factParts);
  let model = null;
  let offset = 0;
  let trusted = true;
  let dirty = true;
  let scene = null;
  let slowAt = 0;
  let paintedAt = 0;

  const now = () => Date.now() + offset;
  /** While the picture is not live its clock stands: what was not seen is not drawn. */
  const seenUntil = () => (trusted ? now() : history.ring.at(-1)?.t ?? now());
  const hueOf = (id) => {
    if (!hues.has(id)) hues.set(id, GROUP_HUES[hues.size % GROUP_HUES.length]);
    return hues.get(id);
  };
  const time = createTime($(".time"), { look, history, now: () => seenUntil(), dirty: () => { dirty = true; } });

  /** What is drawn now: everything any chart needs to know, from one model. */
  function compose() {
    const shown = look.held === null ? model : history.at(look.held) ?? model;
    const topic = look.topic(shown);
    const group = topic && look.group(shown, topic);
    return {
      model: shown, topic, rows: topic ? laneRows(shown, topic, group) : [],
      group: group ? { id: group, hue: hueOf(group) } : null,
      others: topic ? groupsOf(shown, topic).filter((id) => id !== group).map((id) => ({ id, hue: hueOf(id) })) : [],
      ownerNo: (member) => history.numberOf(group, member), ink, letter,
      focus: look.focus, pin: look.pin, cursor: look.cursor, still: still(),
      now: look.held ?? seenUntil(), live: look.held === null,
    };
  }

  function paint(t) {
    if (!model) return;
    if (still() && t - paintedAt < STILL) return;
    if (dirty) scene = compose();
    if (dirty) learnLetters(scene, letter);
    const moving = dirty || t - paintedAt > SLOW;
    if (moving && canvas.offsetParent) dirty = lanes.draw(scene);
    else if (moving) dirty = false;
    if (moving) paintedAt = t;
    if (t - slowAt < SLOW) return;
    slowAt = t;
    if (trusted && history.ring.length && now() - history.sampledAt > 1_000) history.sample(model, now());
    scene = compose();
    words(t);
  }

  /** The slow half: words, tables, choosers; four times a second at most. */
  function words(t) {
    const { topic, rows, group } = scene;
    root.classList.toggle("no-topic", !topic);
    root.classList.toggle("unread", !group);
    if (topic) look.set({ current: topic });
    heading();
    if (topic) {
      resize(rows.length);
      honest();
      if (!$("[data-draw=lanes] .table").hidden) {
        twin([lanesTwin(rows, topic, group?.id), recordsTwin(newest(scene.model.records[topic]))], t);
      }
    }
    const lens = look.lens ?? (group ? "group" : "record");
    if (!whole) showLens(root, lens);
    for (const each of whole ? Object.keys(lenses) : [lens]) lenses[each]?.(scene, t);
    time.draw(scene);
    speak(scene.model.events, t);
    const mini = document.querySelector("#mini");
    if (mini?.getClientRects().length) miniature(mini);
  }

  function heading() {
    const { model: shown, topic } = scene;
    fillSelect($("#topic"), topicNames(shown), topic);
    const held = shown.topics[topic];
    const rate = history.rate(topic, now());
    const facts = held ? [
      plural(heldIn(held), "record"), plural(held.partitions.length, "partition"), rate >= 0.5 ? `${num(rate)}/s` : "",
    ].filter(Boolean) : [];
    factParts.forEach((part, i) => say(part, facts[i] ? `${i ? ", " : ""}${facts[i]}` : ""));
    fillGroups($("#groups"), scene, look);
  }

  function resize(count) {
    const box = $("[data-draw=lanes]");
    const room = box.closest(".has-work") ? 240 : Math.max(180, innerHeight * 0.34);
    const height = lanesHeight(count, room);
    if (canvas.dataset.height === String(height)) return;
    canvas.dataset.height = String(height);
    canvas.style.height = `${height}px`;
    dirty = true;
  }

  function honest() {
    const { model: shown, topic, rows } = scene;
    const all = rows.length > MOST_LANES ? `${MOST_LANES} of ${rows.length} partitions are drawn. ` : "";
    say($("#honest-say"), all + honesty(shown, topic, lanes.drawn()));
    const pin = $("#pin");
    pin.hidden = look.pin === null;
    if (look.pin !== null) say(pin.firstElementChild, `Following ${visible(look.pin)}.`);
  }

  function miniature(mini) {
    drawMini(mini.querySelector("canvas"), scene.rows, scene.group?.hue ?? null);
    const lag = scene.rows.reduce((sum, row) => sum + (row.lag ?? 0), 0);
    say(mini.querySelector("b"), scene.topic ?? "no topic yet");
    const fact = scene.group ? `${num(lag)} behind` : plural(heldIn(scene.model.topics[scene.topic]), "record");
    say(mini.querySelector("span span"), trusted ? fact : "not live");
  }

  /** Open one record in the lens below; the keyboard goes with it when it is told where to come back to. */
  function open(place, back) {
    if (back) lenses.record.cameFrom(back);
    look.set({ lens: "record", cursor: place, opened: scene.topic });
  }

  pickRecords($("[data-draw=lanes]"), { lanes, look, open, scene: () => scene, redraw: () => { dirty = true; } });
  choosers(root, look);
  look.onChange(() => { dirty = true; slowAt = 0; });
  const themed = () => { readTokens(); dirty = true; slowAt = 0; };
  document.addEventListener("theme:changed", () => requestAnimationFrame(themed));
  addEventListener("resize", () => { dirty = true; slowAt = 0; });
  readTokens();

  // Asked for first: one frame that cannot be drawn must not be the last.
  const frame = (t) => { requestAnimationFrame(frame); paint(t); };
  requestAnimationFrame(frame);

  return {
    open,
    /** @param {import("./model.js").Model} next */
    show(next) {
      if (model && next.epoch !== model.epoch) lanes.forget();
      model = next;
      if (look.held === null) dirty = true;
    },
    clock(t) { offset = t - Date.now(); },
    trust(live) { trusted = live; },
    now,
    /** The look as the text needs it. */
    about: () => {
      const shown = scene ?? { topic: null, group: null };
      return {
        model: scene?.model ?? null, topic: shown.topic, group: shown.group?.id ?? null,
        rate: (topic) => history.rate(topic, now()),
      };
    },
    /** Measures one painting, for the benchmark. @returns {number} ms */
    cost() {
      const began = performance.now();
      lanes.draw(compose());
      return performance.now() - began;
    },
  };
}

/**
 * What is drawn, and what of it can be read: nothing is left out in silence.
 * @param {number} drawn records that have a cell
 */
export function honesty(model, topic, drawn = Infinity) {
  const count = model.counts[topic] ?? { seen: 0, shown: 0 };
  if (count.shown < count.seen) {
    return `Every record is counted; contents came for ${num(count.shown)} of ${num(count.seen)}.`;
  }
  const held = heldIn(model.topics[topic]);
  const read = Object.values(model.records[topic] ?? {}).reduce((sum, lane) => sum + lane.length, 0);
  if (!held) return "No record yet.";
  const cells = drawn < held ? `The newest ${num(drawn)} of ${num(held)} are drawn` : "Every record is drawn";
  return read >= Math.min(drawn, held) ? `${cells}.` : `${cells}; contents of the newest ${num(read)} are here.`;
}

/** Letters tell the keys of a topic apart, so all of its keys must be known before the first one is drawn. */
function learnLetters({ model, topic }, letter) {
  for (const lane of Object.values(model.records[topic] ?? {})) {
    for (const record of lane) if (record.k !== null && !record.kb) letter.learn(topic, record.k);
  }
}

function fillSelect(select, { own, internal }, chosen) {
  const sign = JSON.stringify([own, internal]);
  if (select.dataset.sign !== sign) {
    select.dataset.sign = sign;
    const options = (names) => names.map((name) => h("option", { value: name, textContent: name }));
    const kafka = h("optgroup", { label: "Kafka’s own" }, ...options(internal));
    select.replaceChildren(...options(own), ...(internal.length ? [kafka] : []));
  }
  if (document.activeElement !== select || select.value !== chosen) select.value = chosen ?? "";
}

function fillGroups(box, { group, others }, look) {
  const all = [...(group ? [group] : []), ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
  const sign = JSON.stringify([all, group?.id]);
  if (box.dataset.sign === sign) return;
  box.dataset.sign = sign;
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.group : null;
  box.replaceChildren(...all.map(({ id, hue }) => {
    const on = id === group?.id;
    const button = h("button", { type: "button", className: "reader", title: visible(id) }, flagIcon(hue, on),
      h("span", {}, visible(id)));
    button.dataset.group = id;
    button.setAttribute("aria-pressed", String(on));
    button.addEventListener("click", () => look.set({ groupChosen: id, groupShown: null }));
    return button;
  }));
  if (!all.length) box.replaceChildren(h("span", { className: "dim" }, "read by no group yet"));
  if (focused) [...box.children].find((node) => node.dataset.group === focused)?.focus();
}

function showLens(root, name) {
  if (root.dataset.lens === name) return;
  root.dataset.lens = name;
  for (const tab of root.querySelectorAll("[data-lens]")) {
    const on = tab.dataset.lens === name;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    root.querySelector(`#${tab.getAttribute("aria-controls")}`).hidden = !on;
  }
}

function choosers(root, look) {
  root.querySelector("#topic").addEventListener("change", ({ target }) =>
    look.set({ topicChosen: target.value, topicShown: null, cursor: null, opened: null }));
  root.querySelector("#pin button").addEventListener("click", () => look.set({ pin: null }));
  const list = root.querySelector(".tabs");
  list?.addEventListener("click", ({ target }) => {
    const tab = target.closest("[data-lens]");
    if (tab) look.set({ lens: tab.dataset.lens, opened: null });
  });
  if (list) tabKeys(list);
  root.addEventListener("click", ({ target }) => {
    const button = target.closest("button.twin");
    if (button) toggleTwin(button);
  });
}

/** Arrow keys walk a list of tabs. */
export function tabKeys(list) {
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next?.focus();
    next?.click();
  });
}

function toggleTwin(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  const draw = button.closest(".pane").querySelector(".draw");
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "As picture" : "As text";
  draw.firstElementChild.hidden = on;
  draw.querySelector(".table").hidden = !on;
}

