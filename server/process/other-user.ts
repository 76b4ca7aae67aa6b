/**
 * Running a command as another user: who that is, and the words that give up our rights for his. Knows accounts; what is
 * run stands in command-doors.ts.
 *
 * Node's own uid and gid options leave the supplementary groups empty, which is not what the user has elsewhere; setpriv
 * (util-linux) sets user, group and groups, and ends without running anything when one of them cannot be had.
 */
import type { CommandLine } from './command-line.ts';
import { runProgram } from './run-program.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly environment: Readonly<Record<string, string>>;
}

/** As useradd takes them; above all no leading dash, and no number, which would name somebody by accident. */
const USER_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

/** The user, wherever this machine has its accounts from; otherwise why there is none. */
export async function findUser(name: string): Promise<User | string> {
  if (!USER_NAME.test(name)) return 'that is no name of a user';
  try {
    const { status, output, words } = await runProgram('getent', ['passwd', name], { timeoutMs: 5000 });
    const [found, , uid = '', gid = '', , home = '/'] = output.split('\n', 1)[0]?.split(':') ?? [];
    if (status !== 0 || found !== name) return words.trim() || 'there is no such user';
    if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return 'the account has no numbers';
    return { uid: Number(uid), gid: Number(gid), environment: { USER: name, LOGNAME: name, HOME: home } };
  } catch (error) {
    return error instanceof Error ? error.message : 'the accounts cannot be read';
  }
}

/** The command as that user. */
export function asUser({ uid, gid }: User, { program, arguments: rest }: CommandLine): CommandLine {
  const rights = [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--inh-caps=-all'];
  return { program: 'setpriv', arguments: [...rights, '--', program, ...rest] };
}
