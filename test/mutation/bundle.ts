/**
 * Bundles the tests of `shared` and `server/core` into one file. In it, some sources have their mutated form,
 * `collect.ts` replaces node:test, and `few-runs.ts` replaces fast-check.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Quick tests that use only files of their own. Other tests reach the same code, later and more slowly. */
const FOLDERS = {
  'unit/server/config': 'stray-budget',
  'unit/server/core':
    'bound-doors contest engine engine-doors engine-state judge policy scan-watch scopes stages throttle',
  'unit/server/core/matching':
    'bound-attempts listed-set live-set live-set-returns matcher-counts penalty sequence-index',
  'unit/server/core/packet': 'link-layer packet refused-packet',
  'unit/server/daemon': 'open-once',
  'unit/server/explain': 'explain',
  'unit/shared': 'allowed-ports derive odds secret small-modules vectors written-odds',
  'unit/shared/command-line': 'grammar',
  'unit/shared/files': 'version',
  'unit/shared/formats': 'ini-document ini-problems profile-problems profile-uri sequences-file source-words',
  'property/server/core':
    'bound-doors contest demand grants matcher matcher-commands packet penalty sequence-index throttle',
  'property/shared': 'ini-document sequences-file',
  'contract/files':
    'file-lock one-time-file one-time-file-crash-safety one-time-file-turns private-file system-error whole-files',
  golden: 'completion',
} as const;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** @param codes texts by path, which replace the files of these paths */
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
        const contents = codes.get(path) ?? readFileSync(path, 'utf8');
        // Each file finds others relative to its own path, wherever the bundle is.
        return {
          contents: contents.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
          loader: 'ts',
        };
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
