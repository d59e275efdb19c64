/** The board on a page of its own: the student's whole sandbox at once, every closer look open. */
import { createDeck } from "../deck.js";
import { inkOf } from "../keys.js";
import { Look } from "../look.js";
import { recall, remember } from "../place.js";
import { createPlate } from "../plate.js";
import { keyWords } from "../prose.js";

const $ = (selector) => document.querySelector(selector);
const look = new Look({ topics: [] });
keyWords(document, look, inkOf);
const deck = createDeck($("#deck"), $("#break"), $("#broken"));
const plate = createPlate($("#board"), look, {
  whole: true,
  onPanel: (panel) => deck.found(panel),
  onNews(kind, data) {
    if (kind === "fault") deck.changed(data);
  },
});

look.begin({ chosen: recall().topic, seen: recall().seen });
look.onChange((change) => {
  if ("topicChosen" in change || "current" in change) remember({ topic: look.topicChosen, seen: look.current });
});
plate.begin();
