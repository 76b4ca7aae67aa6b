/**
 * Puts the tests of `shared` and `server/core` into one file, with some sources in their mutated form, ./collect in the place of
 * node:test and ./few-runs in that of fast-check. The result lies as deep as the tests, so that files they read by a relative
 * path are found.
 */
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Tests that are quick and touch nothing but files of their own. Others reach the same code, later and slower. */
const UNIT =
  'allowed-ports bound bound-attempts command-line contest derive engine engine-doors engine-state explain ini-document ini-problems judge ' +
  'link-layer listed-set live-set live-set-returns matcher-counts odds open-once packet penalty policy profile-problems ' +
  'profile-uri refused-packet scan-watch scopes secret sequence-index sequences-file shared-small source-words stages ' +
  'stray-budget throttle vectors version written-odds';
const PROPERTY =
  'bound contest demand grants ini-document matcher matcher-commands packet penalty sequence-index sequences-file throttle';
const CONTRACT = 'one-time-file one-time-file-turns whole-files';
const GOLDEN = 'completion';
const FOLDERS = { unit: UNIT, property: PROPERTY, contract: CONTRACT, golden: GOLDEN };

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** `codes`, by path, take the places of files. */
export async function bundleTests(codes: ReadonlyMap<string, string>, outfile: string): Promise<void> {
  const files = Object.entries(FOLDERS).flatMap(([folder, names]) =>
    names.split(' ').map((name) => ({ path: here(`../${folder}/${name}.test.ts`), title: `${folder}/${name}` })),
  );
  const entry = [
    `import { beginFile, collectedTests } from '${here('collect.ts')}';`,
    ...files.map(({ path, title }) => `beginFile('${title}');\nawait import('${path}');`),
    'export { collectedTests };',
  ].join('\n');
  const replaced: Plugin = {
    name: 'replaced',
    setup({ onLoad, onResolve }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = codes.get(path);
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
      onResolve({ filter: /^node:test$/ }, ({ importer }) =>
        importer === here('collect.ts') ? { path: 'node:test', external: true } : { path: here('collect.ts') },
      );
      onResolve({ filter: /^fast-check$/ }, ({ importer }) =>
        importer === here('few-runs.ts') ? { path: 'fast-check', external: true } : { path: here('few-runs.ts') },
      );
    },
  };
  await build({
    stdin: { contents: entry, resolveDir: here('.'), loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins: [replaced],
    logLevel: 'error',
  });
}
