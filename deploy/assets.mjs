// Bundles the packages that pages need, once, at set-up: `node deploy/assets.mjs <output directory>`.
// Our own modules are served as they are; only what comes from npm is bundled.
import { build } from "esbuild";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

// name in <out>/js -> the module that says what to bundle
const bundles = { "editor.bundle": "static/js/editor.js" };

async function bundle(out) {
  return build({
    absWorkingDir: root,
    entryPoints: bundles,
    outdir: path.join(out, "js"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "linked",
    logLevel: "warning",
  });
}

const out = process.argv[2];
if (!out) {
  console.error("usage: node deploy/assets.mjs <output directory>");
  process.exit(2);
}
await bundle(path.resolve(out));
