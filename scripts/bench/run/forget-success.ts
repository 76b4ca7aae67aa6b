/** A client looks whether a door that it opened lately stands open still. Runs that are to knock, each, must not. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Takes away what the client remembers of its successes; its used factors stay. */
export async function forgetSuccess(home: string): Promise<void> {
  const spent = join(home, '.config/knock-otp/spent');
  const ledgers = await readdir(spent).catch(() => []);
  for (const ledger of ledgers) await rm(join(spent, ledger, 'last-success'), { force: true });
}
