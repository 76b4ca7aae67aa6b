/**
 * The paths of the programs that tests start hundreds of times. `npm run build` makes them, because a process that
 * compiles first takes four times as long.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../dist', import.meta.url));

/** The programs of users; the modules that they are made of when coverage is counted. */
const isCounted = process.env['NODE_V8_COVERAGE'] !== undefined;
/** The file of the server even when coverage is counted, for tests of its name. */
export const SERVER_FILE = join(DIST, 'knock-otpd.cjs');
export const SERVER_PROGRAM = isCounted ? join(DIST, 'server/main.js') : SERVER_FILE;
export const CLIENT_PROGRAM = join(DIST, isCounted ? 'client/main.js' : 'knock-otp.cjs');

/** The path of a program of test/support, by its path there without an ending. */
export function supportProgram(name: string): string {
  return join(DIST, 'test/support', `${name}.js`);
}
