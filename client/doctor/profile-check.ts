/** Checks whether a profile can be used for a knock: its file, its secret, its used factors. Spends nothing. */
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KnockError } from '../../shared/errors.ts';
import { codeOf } from '../../shared/files/system-error.ts';
import type { Deps } from '../deps.ts';
import { planFactor } from '../factors/factor-plan.ts';
import type { FoundProfile } from '../factors/found-profile.ts';
import { ensurePrivateFolder } from '../profiles/private-files.ts';
import type { Finding } from './finding.ts';

/** A longer wait is not possible with a correct clock. */
const ABSURD_WAIT_MS = 15 * 60 * 1000;

export async function profileFindings({ stored, ledger }: FoundProfile, deps: Deps): Promise<readonly Finding[]> {
  const { profile, storage, path } = stored;
  const opens = profile.services.map(({ protocol, port }) => `${protocol}/${port}`).join(', ') || 'nothing to verify';
  return [
    {
      check: 'profile',
      level: 'ok',
      message: `${path}, readable only by its owner: ${profile.mode}, door ${profile.door}, ${opens}`,
    },
    { check: 'secret', level: 'ok', message: WHERE[storage.kind] },
    await factorFinding({ stored, ledger }, deps),
  ];
}

const WHERE = {
  plain: 'in the profile file, without a passphrase',
  passphrase: 'in the profile file, under a passphrase (not checked)',
  keyring: 'in the keyring of this system (not checked)',
} as const;

async function factorFinding({ stored: { profile }, ledger }: FoundProfile, deps: Deps): Promise<Finding> {
  const check = 'factors';
  const lastUsed = await ledger.last();
  const probe = join(ledger.folder, `doctor.${process.pid}`);
  try {
    await ensurePrivateFolder(ledger.folder, deps.owner);
    await (await open(probe, 'wx', 0o600)).close();
    await unlink(probe);
  } catch (error) {
    const why = error instanceof KnockError ? error.message : `${ledger.folder}: ${codeOf(error)}`;
    return {
      check,
      level: 'fail',
      message: `a used factor cannot be saved: ${why}`,
      hint: 'knock-otp sends nothing until it can save the factor',
    };
  }
  const { factor, waitMs } = planFactor({
    mode: profile.mode,
    wallMs: deps.clock.wallMs(),
    stepSeconds: profile.step,
    window: profile.window,
    firstCounter: profile.counter,
    lastUsed,
    mayBeEarly: true,
  });
  const kind = profile.mode === 'totp' ? 'time step' : 'counter';
  if (waitMs > ABSURD_WAIT_MS) {
    const hint = `set the clock; if it is right now and was ahead then, delete ${ledger.folder}/${lastUsed}`;
    return { check, level: 'fail', message: `the last used time step, ${lastUsed}, is far ahead of this clock`, hint };
  }
  if (waitMs > 0) {
    const message = `all time steps that the door accepts now are used; the next one can be used in ${Math.ceil(waitMs / 1000)} s`;
    return { check, level: 'warn', message, hint: 'wait; while the door is open, no knock is needed' };
  }
  return { check, level: 'ok', message: `${kind} ${factor} is next and can be used now` };
}
