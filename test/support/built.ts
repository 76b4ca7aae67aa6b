/**
 * Where the programs are that tests start by the hundred: as `npm run build` has made them, since a process that compiles
 * first takes four times as long.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

export const SERVER_PROGRAM = join(DIST, 'server/main.js');

/** What users run; where coverage is counted, the modules that it is made of. */
export const CLIENT_PROGRAM = join(
  DIST,
  process.env['NODE_V8_COVERAGE'] === undefined ? 'knock-otp.cjs' : 'client/main.js',
);

/** A program of this folder, by its name without an ending. */
export function supportProgram(name: string): string {
  return join(DIST, 'test/support', `${name}.js`);
}
