/**
 * Where the programs are that tests start by the hundred: as `npm run build` has made them, since a process that compiles
 * first takes four times as long.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../dist', import.meta.url));

/** What users run; where coverage is counted, the modules that they are made of. */
const isCounted = process.env['NODE_V8_COVERAGE'] !== undefined;
/** Also where coverage is counted, for what looks at its name. */
export const SERVER_FILE = join(DIST, 'knock-otpd.cjs');
export const SERVER_PROGRAM = isCounted ? join(DIST, 'server/main.js') : SERVER_FILE;
export const CLIENT_PROGRAM = join(DIST, isCounted ? 'client/main.js' : 'knock-otp.cjs');

/** A program of test/support, by its path there without an ending. */
export function supportProgram(name: string): string {
  return join(DIST, 'test/support', `${name}.js`);
}
