// SPDX-License-Identifier: BSD-3-Clause
// Bundles the pages: node build.mjs MODULES OUT SOURCES makes OUT/gateway and OUT/vendor, each an index.html with
// one script and one style sheet of its own.
import { build } from "esbuild";
import { cp } from "node:fs/promises";
import { join } from "node:path";

const [modules, out, here] = process.argv.slice(2);

for (const page of ["gateway", "vendor"]) {
  await build({
    entryPoints: { page: join(here, page, "main.jsx") },
    outdir: join(out, page),
    nodePaths: [modules],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2020",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "eof",
    logLevel: "warning",
  });
  await cp(join(here, page, "index.html"), join(out, page, "index.html"));
  await cp(join(here, "shared", "icon.svg"), join(out, page, "icon.svg"));
}
