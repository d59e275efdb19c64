// Bundles the packages that pages need and copies the fonts, once, at set-up: `node deploy/assets.mjs <out>`.
// Our own modules are served as they are; only what comes from npm is bundled.
import { build } from "esbuild";
import { cp, mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

// name in <out>/js -> the module that says what to bundle
const bundles = { "editor.bundle": "static/js/editor.js" };

// name in <out>/fonts -> file in node_modules; Latin only, which is all the course is written in
const fonts = {
  "charis-sil-400.woff2": "@fontsource/charis-sil/files/charis-sil-latin-400-normal.woff2",
  "charis-sil-400-italic.woff2": "@fontsource/charis-sil/files/charis-sil-latin-400-italic.woff2",
  "charis-sil-700.woff2": "@fontsource/charis-sil/files/charis-sil-latin-700-normal.woff2",
  "inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  "jetbrains-mono.woff2": "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
};

const exists = (file) => stat(file).then(() => true, () => false);

async function entryPoints() {
  const found = {};
  for (const [name, source] of Object.entries(bundles)) {
    if (await exists(path.join(root, source))) found[name] = path.join(root, source);
  }
  return found;
}

async function bundle(out) {
  return build({
    absWorkingDir: root,
    entryPoints: await entryPoints(),
    outdir: path.join(out, "js"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "linked",
    logLevel: "warning",
  });
}

async function copyFonts(out) {
  await mkdir(path.join(out, "fonts"), { recursive: true });
  for (const [name, source] of Object.entries(fonts)) {
    await cp(path.join(root, "node_modules", source), path.join(out, "fonts", name));
  }
}

const out = process.argv[2];
if (!out) {
  console.error("usage: node deploy/assets.mjs <output directory>");
  process.exit(2);
}
await mkdir(path.join(out, "js"), { recursive: true });
await bundle(path.resolve(out));
await copyFonts(path.resolve(out));
console.log(`${(await readdir(path.join(out, "js"))).length} scripts, ${Object.keys(fonts).length} fonts`);
