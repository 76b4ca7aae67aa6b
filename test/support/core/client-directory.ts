/** A directory with a configuration and client files that ends with its test, and what is refused there. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type ErrorCode, exitCodeOf, formatProblem, KnockError } from '../../../shared/errors.ts';
import { type ConfigDirectory, configDirectory, doorText } from './config-text.ts';

/** RFC 4226 appendix D's secret, in base32. */
export const RFC_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
/** A client file with a sound secret. */
export const SOUND = `[ssh]\nsecret = ${RFC_SECRET}\n`;
export const TWO_DOORS = doorText('ssh', 'clients = laptop, phone') + doorText('web', 'open = nftables tcp/443');

export async function fresh(context: TestContext, doors = TWO_DOORS): Promise<ConfigDirectory> {
  const directory = await configDirectory(doors);
  context.after(() => directory.remove());
  return directory;
}

/** The error's code and its problems as lines, without the path of the directory. */
export async function refused(
  directory: ConfigDirectory,
  work: () => Promise<unknown>,
): Promise<[ErrorCode, string[]]> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof KnockError, String(error));
    assert.equal(exitCodeOf(error), 2);
    const lines = error.problems.length > 0 ? error.problems.map((one) => formatProblem(one)) : [error.message];
    return [error.code, lines.map((line) => line.replaceAll(`${directory.root}/`, ''))];
  }
  assert.fail('nothing was refused');
}
