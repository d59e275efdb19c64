import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const css = readFileSync(new URL("../../static/css/tokens.css", import.meta.url), "utf8");
const tokens = Object.fromEntries([...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)]
  .map(([, name, light, dark]) => [name, [light, dark]]));

/** Relative luminance and contrast as WCAG 2 defines them. */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

const inks = Array.from({ length: 8 }, (_, i) => `k${i}`);
const text = [
  ...["ink", "ink-2", "ink-3"].flatMap((ink) => ["paper", "plate", "raise", "wash", "code"].map((on) => [ink, on])),
  ...["ok", "warn", "bad"].flatMap((ink) => ["paper", "plate", "raise"].map((on) => [ink, on])),
  ...["g1", "g2", "g3"].flatMap((ink) => ["paper", "plate"].map((on) => [ink, on])),
  ...inks.flatMap((ink) => [[ink, `${ink}t`], ["on-key", ink], [ink, "raise"]]),
  ["paper", "ink"], ["paper", "ink-2"], ["ink", "warnt"], ["ink", "badt"], ["bad", "badt"], ["warn", "warnt"],
  ["term-ink", "term"], ["term-dim", "term"],
];
const shapes = [
  ["focus", "paper"], ["focus", "plate"], ["focus", "raise"], ...["g1", "g2", "g3"].map((hue) => [hue, `${hue}t`]),
  ...inks.map((ink) => [ink, "plate"]),
];

for (const [pairs, least, what] of [[text, 4.5, "text"], [shapes, 3, "shape"]]) {
  test(`every ${what} of the palette stands out from its ground, light and dark`, () => {
    for (const [ink, ground] of pairs) {
      for (const theme of [0, 1]) {
        const ratio = contrast(tokens[ink][theme], tokens[ground][theme]);
        assert.ok(ratio >= least, `${ink} on ${ground}, ${["light", "dark"][theme]}: ${ratio.toFixed(2)}`);
      }
    }
  });
}
