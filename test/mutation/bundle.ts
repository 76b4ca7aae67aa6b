/**
 * Puts the tests of `shared` and `server/core` into one file, with ./collect in the place of node:test and ./few-runs in
 * that of fast-check. Stryker runs this in its copy of the project, where the sources are full of mutants. The result lies
 * as deep as the tests, so that files they read by a relative path are found.
 */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Tests that are pure and quick. Others reach the same code, later and slower. */
const UNIT =
  'derive engine ini-document listed-set matcher-counts odds packet policy profile-uri secret sequences-file shared-small stages ' +
  'stray-budget vectors written-odds';
const PROPERTY = 'grants ini-document matcher matcher-commands packet sequences-file';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const files = [
  ...UNIT.split(' ').map((name) => here(`../unit/${name}.test.ts`)),
  ...PROPERTY.split(' ').map((name) => here(`../property/${name}.test.ts`)),
];

const replaced: Plugin = {
  name: 'replaced',
  setup({ onResolve }) {
    onResolve({ filter: /^node:test$/ }, () => ({ path: here('collect.ts') }));
    onResolve({ filter: /^fast-check$/ }, ({ importer }) =>
      importer === here('few-runs.ts') ? { path: 'fast-check', external: true } : { path: here('few-runs.ts') },
    );
  },
};

const entry = [
  `import { beginFile, collectedTests } from '${here('collect.ts')}';`,
  ...files.map((file) => `beginFile('${basename(file, '.test.ts')}');\nawait import('${file}');`),
  'export { collectedTests };',
].join('\n');

await build({
  stdin: { contents: entry, resolveDir: here('.'), loader: 'ts' },
  outfile: here('bundled.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  plugins: [replaced],
  logLevel: 'warning',
});
