// Write ../../src/scantrial/report/templates/vega.js: npm ci && node build.js
import { build } from "esbuild";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const target = "../../src/scantrial/report/templates/vega.js";

// Packages that several others bring along in neighbouring versions are taken once, the one at the top.
const once = {
  name: "once",
  setup(context) {
    context.onResolve({ filter: /^(vega|d3)-/ }, (found) => {
      if (found.pluginData === "here") return undefined;
      return context.resolve(found.path, { kind: found.kind, resolveDir: import.meta.dirname, pluginData: "here" });
    });
  },
};

const result = await build({
  entryPoints: ["entry.js"], bundle: true, minify: true, format: "iife", globalName: "vega", target: "es2020",
  legalComments: "none", charset: "ascii", plugins: [once], metafile: true, write: false,
});

// Each licence is printed once, with the packages that stand under it.
const used = new Set(Object.keys(result.metafile.inputs).map((path) => path.match(/^node_modules\/([^/]+)/)?.[1]));
const licences = new Map();
for (const name of [...used].filter(Boolean).sort()) {
  const folder = `node_modules/${name}`;
  const file = readdirSync(folder).find((path) => /^licen[sc]e/i.test(path));
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const text = readFileSync(`${folder}/${file}`, "utf8").trim();
  licences.set(text, [...(licences.get(text) ?? []), `${name} ${version}`]);
}
const notices = [...licences].map(([text, names]) => `${names.join(", ")}\n\n${text}`).join("\n\n---\n\n");
const code = result.outputFiles[0].text.trim().replaceAll("</script", "<\\/script");
writeFileSync(target, `/*! Parts of Vega and D3, bundled.\n\n${notices}\n*/\n${code}\n`);
console.log(`${target}: ${code.length} characters`);
