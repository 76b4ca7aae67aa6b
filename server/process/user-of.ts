/** Looks up the user of `run_as` for each run, because the account may have been removed meanwhile. */
import { findUser, type User } from './other-user.ts';
import { CommandNotStarted } from './run-command.ts';

/** @throws CommandNotStarted when there is no such user */
export async function userOf(name: string): Promise<User> {
  const user = await findUser(name);
  if (typeof user !== 'string') return user;
  throw new CommandNotStarted('COMMAND', `command could not be started as user "${name.slice(0, 32)}": ${user}`, {
    hint: 'run_as names a user of this machine',
  });
}
