/**
 * `knock-otp exec HOST -- CMD...`: opens the door, then runs a program with the host, address and port in its
 * environment.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';
import { closeAll } from '../knock/several-hosts.ts';
import { hostsOf } from '../profiles/groups.ts';
import type { KnockOptions } from './knock-options.ts';
import { familyOf } from './knock-options.ts';
import { knockAtFirst } from './several-hosts-command.ts';

/** @returns the program's exit status @throws KnockError when no door opens: then no program is run */
export async function runBehindDoor(
  host: string,
  command: readonly string[],
  options: KnockOptions,
  deps: Deps,
): Promise<number> {
  const [program] = command;
  if (program === undefined || program === '') {
    throw new KnockError('USAGE', 'no command given', { hint: 'knock-otp exec HOST -- COMMAND ARGUMENTS...' });
  }
  const family = familyOf(options);
  const way = { kind: 'profile', others: [], families: family === 0 ? 'any' : family, proxyPort: undefined } as const;
  const { stored, verifyPort, openings } = await knockAtFirst(await hostsOf([host], deps), way, options, deps);
  closeAll({ openings });
  const [opening] = openings;
  return await deps.runProgram(command, {
    KNOCK_OTP_HOST: stored.profile.host ?? stored.name,
    ...(opening === undefined ? {} : { KNOCK_OTP_ADDRESS: opening.address.address }),
    ...(verifyPort === undefined ? {} : { KNOCK_OTP_PORT: `${verifyPort}` }),
  });
}
