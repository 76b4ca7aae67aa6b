/** Compiles the small C programs of the bench, which do what Node cannot do, or cannot do fast enough. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../../lab/running-process.ts';

/** Compiles a program of this folder into another folder, and returns its path. */
export async function compiled(name: 'flood' | 'lossy', folder: string): Promise<string> {
  const source = fileURLToPath(new URL(`../${name}.c`, import.meta.url));
  const program = join(folder, name);
  await mustRun(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  return program;
}
