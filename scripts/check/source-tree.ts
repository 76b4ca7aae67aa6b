/** Reads the import graph of all tests: esbuild bundles them in memory and lists every file with its imports. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { SourceTree } from './selection.ts';

/** @throws Error of esbuild when a file does not parse, or imports a file that does not exist */
export async function readSourceTree(root: string): Promise<SourceTree> {
  const entryPoints = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => `test/${file}`)
    // Programs of test/support are started and not imported.
    .filter((file) => file.endsWith('.test.ts') || (file.startsWith('test/support/') && file.endsWith('.ts')));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    bundle: true,
    write: false,
    metafile: true,
    outdir: 'unused',
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const files = Object.entries(metafile.inputs);
  return {
    imports: new Map(
      files.map(([file, input]) => [file, input.imports.filter(({ external }) => !external).map(({ path }) => path)]),
    ),
    texts: new Map(files.map(([file]) => [file, readFileSync(join(root, file), 'utf8')])),
  };
}
