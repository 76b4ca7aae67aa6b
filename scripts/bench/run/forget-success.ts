/** A client does not knock at a door that is still open from its last knock. Runs that must knock use this file. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes what the client remembers of its successes; its used factors stay. */
export async function forgetSuccess(home: string): Promise<void> {
  const spent = join(home, '.config/knock-otp/spent');
  const ledgers = await readdir(spent).catch(() => []);
  for (const ledger of ledgers) await rm(join(spent, ledger, 'last-success'), { force: true });
}
