/**
 * Runs a command as another user: looks the user up, and wraps the command in setpriv(1).
 *
 * Node's own uid and gid options leave the supplementary groups empty, unlike a login of that user. setpriv (util-linux)
 * sets user, group and groups, and runs nothing when it cannot set one of them.
 */
import type { CommandLine } from './command-line.ts';
import { runProgram } from './run-program.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** Names as useradd accepts them. No leading dash, and no plain number, which could be the id of another user. */
const USER_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

/** Returns the user from any account source of this machine (NSS), or a text that says why there is none. */
export async function findUser(name: string): Promise<User | string> {
  if (!USER_NAME.test(name)) return 'not a valid user name';
  try {
    const { status, output, words } = await runProgram('getent', ['passwd', name], { timeoutMs: 5000 });
    const [found, , uid = '', gid = '', , home = '/'] = output.split('\n', 1)[0]?.split(':') ?? [];
    if (status !== 0 || found !== name) return words.trim() || 'there is no such user';
    if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return 'the account has no numeric ids';
    return { uid: Number(uid), gid: Number(gid), environment: { USER: name, LOGNAME: name, HOME: home } };
  } catch (error) {
    return error instanceof Error ? error.message : 'the accounts cannot be read';
  }
}

/** Wraps a command so that it runs as that user. */
export function asUser({ uid, gid }: User, { program, arguments: rest }: CommandLine): CommandLine {
  const rights = [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--inh-caps=-all'];
  return { program: 'setpriv', arguments: [...rights, '--', program, ...rest] };
}
