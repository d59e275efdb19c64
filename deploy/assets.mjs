// Bundles what pages need, once, at set-up: `node deploy/assets.mjs <output directory>`.
//
//   vendor/   what comes from npm, wrapped: the code editor
//   bundled/  our own modules and sheets, each page's in one file under the name of its source, so that a page
//             asks for the same name whether it is served bundled or, in development, module by module
//   bundles.json  page module -> the further files it cannot begin without, for <link rel=modulepreload>
import { build } from "esbuild";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const sources = path.join(root, "static");

const common = {
  absWorkingDir: root, bundle: true, minify: true, target: "es2022", logLevel: "warning", legalComments: "linked",
};

const vendor = (out) => build({
  ...common,
  entryPoints: { "editor.bundle": "static/js/editor.js" },
  outdir: path.join(out, "vendor", "js"),
  format: "esm",
});

/** One build per page: what two pages share is in both, and a page is its own file and at most one more. */
async function page(out, name) {
  const { metafile } = await build({
    ...common,
    entryPoints: [`static/js/pages/${name}`],
    outbase: "static",
    outdir: path.join(out, "bundled"),
    chunkNames: `js/chunks/${path.parse(name).name}-[hash]`,
    format: "esm",
    splitting: true,
    metafile: true,
  });
  return needsOf(metafile, path.join(out, "bundled"), `js/pages/${name}`);
}

/** @returns {[string, string[]]} a page module and what it imports before it runs, however far down */
function needsOf({ outputs }, folder, entry) {
  const named = new Map(Object.entries(outputs).map(([file, output]) => [path.resolve(root, file), output]));
  const found = new Set();
  const visit = (file) => {
    for (const { path: imported, kind } of named.get(file).imports) {
      const target = path.resolve(root, imported);
      if (kind !== "import-statement" || found.has(target)) continue;
      found.add(target);
      visit(target);
    }
  };
  visit(path.join(folder, entry));
  return [entry, [...found].map((file) => path.relative(folder, file))];
}

const sheets = (out) => build({
  ...common,
  entryPoints: readdirSync(path.join(sources, "css")).filter((name) => name.endsWith(".css")).map((name) => `static/css/${name}`),
  outbase: "static",
  outdir: path.join(out, "bundled"),
  external: ["*.woff2"],
});

const given = process.argv[2];
if (!given) {
  console.error("usage: node deploy/assets.mjs <output directory>");
  process.exit(2);
}
const out = path.resolve(given);
const pages = readdirSync(path.join(sources, "js", "pages")).filter((name) => name.endsWith(".js"));
const [needs] = await Promise.all([Promise.all(pages.map((name) => page(out, name))), vendor(out), sheets(out)]);
writeFileSync(path.join(out, "bundles.json"), `${JSON.stringify(Object.fromEntries(needs), null, 2)}\n`);
