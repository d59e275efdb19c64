import assert from "node:assert/strict";
import test from "node:test";

import { allowHtml, runsNothing } from "../../static/js/trusted.js";

const FRAGMENTS = [
  '<section id="sandbox-panel" hx-get="/sandbox/" hx-trigger="every 2s"><b>ready</b></section>',
  "<p>Write <code>&lt;script&gt;</code> and nothing happens; one = 1.</p>",
  '<svg viewBox="0 0 9 9"><path d="M0 0h9"/></svg>',
  "plain text with on the way = home",
  '<p title="once = 1, only = 2">said</p>',
];

const ATTACKS = [
  "<script>alert(1)</script>",
  "< script src=//evil.example>",
  "<img src=x onerror=alert(1)>",
  "<svg/onload=alert(1)>",
  "<animate onend=alert(1) dur=1s>",
  '<p title="a"onclick="alert(1)">',
  '<a href="javascript:alert(1)">',
  "<a href=  ' javascript:alert(1)'>",
  "<iframe srcdoc='<p>'></iframe>",
  '<base href="https://evil.example/">',
  '<object data="data:text/html,x">',
];

test("a fragment of ours passes the door", () => {
  for (const html of FRAGMENTS) assert.ok(runsNothing(html), html);
});

test("anything that could run a script stops at the door", () => {
  for (const html of ATTACKS) assert.ok(!runsNothing(html), html);
});

test("the policy lets no string become a script or a script's address", () => {
  let rules;
  allowHtml({ trustedTypes: { createPolicy: (name, made) => { rules = { name, ...made }; } } });

  assert.equal(rules.name, "default");
  assert.equal(rules.createHTML(FRAGMENTS[0]), FRAGMENTS[0]);
  assert.equal(rules.createHTML(ATTACKS[0]), null);
  assert.equal(rules.createScript("1"), null);
  assert.equal(rules.createScriptURL("/static/x.js"), null);
});

test("a browser without Trusted Types is left alone", () => {
  allowHtml({});
});
