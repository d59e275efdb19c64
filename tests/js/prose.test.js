import assert from "node:assert/strict";
import { test } from "node:test";
import { focusOf, lagWords, liveWords, stateWords, wordsOr } from "../../static/js/prose.js";
import { model } from "./scene.js";

const board = { topic: "orders", group: "audit", rate: () => 12.4 };
const say = (live, more = {}) => liveWords({ live, ...more }, model(), board);

test("live values say in words what the board shows", () => {
  assert.equal(say("members"), "two members");
  assert.equal(say("state"), "stable");
  assert.equal(say("generation"), "4");
  assert.equal(say("lag"), "7 records");
  assert.equal(say("lag", { partition: "0" }), "3 records");
  assert.equal(say("lag", { group: "billing", topic: "orders" }), "9 records");
  assert.equal(say("records"), "14 records");
  assert.equal(say("records", { topic: "payments" }), "1 record");
  assert.equal(say("end"), "19");
  assert.equal(say("partitions"), "three partitions");
  assert.equal(say("topics"), "two topics");
  assert.equal(say("rate"), "12 records/s");
  assert.equal(say("committed", { partition: "0" }), "7");
  assert.equal(say("owner", { partition: "2" }), "client-m2");
});

test("no commit yet is said as such, never as zero", () => {
  assert.equal(say("lag", { partition: "2" }), "no commit yet");
  assert.equal(say("committed", { partition: "2" }), "no commit yet");
  assert.equal(lagWords({ known: 0, uncommitted: 0 }), "0 records");
  assert.equal(lagWords({ known: 4, uncommitted: 1 }), "4 records");
});

test("what is not there is a dash", () => {
  assert.equal(say("lag", { group: "nobody" }), "–");
  assert.equal(say("records", { topic: "nothing" }), "–");
  assert.equal(say("state", { group: "nobody" }), "–");
  assert.equal(say("weather"), "–");
  assert.equal(say("constructor"), "–");
});

test("group states are words, known or not", () => {
  assert.equal(stateWords("PreparingRebalance"), "stopped, all members wait");
  assert.equal(stateWords("Brandnew"), "brandnew");
});

test("a watch paragraph can turn the board to a topic, a group, a lane and a lens at once", () => {
  assert.deepEqual(focusOf("topic:orders group:audit lane:2 lens:lag"),
    { topicShown: "orders", groupShown: "audit", focus: 2, lens: "lag" });
  assert.deepEqual(focusOf("group:a:b"), { topicShown: null, groupShown: "a:b", focus: null });
  assert.deepEqual(focusOf(""), { topicShown: null, groupShown: null, focus: null });
});

test("what is not known is said in the author's words, else as a dash", () => {
  assert.equal(wordsOr("–", "no records yet"), "no records yet");
  assert.equal(wordsOr("–", ""), "–");
  assert.equal(wordsOr("12 records", "no records yet"), "12 records");
});
