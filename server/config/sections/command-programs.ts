/**
 * Looks whether the programs of all commands can run: a door whose stop command cannot would stay open. `readDoor` and the
 * others note them, `load-server.ts` asks for this.
 */
import { findProgram } from '../../process/find-program.ts';
import { asUser, findUser, type User } from '../../process/other-user.ts';
import { runProgram } from '../../process/run-program.ts';
import type { Findings, NeededProgram } from '../findings.ts';

/** Reports a problem for each command whose program is missing or cannot run. Never rejects. */
export async function checkPrograms(findings: Findings): Promise<void> {
  const users = new Map<string, Promise<User | string>>();
  const userOf = (name: string): Promise<User | string> => {
    const user = users.get(name) ?? findUser(name);
    users.set(name, user);
    return user;
  };
  const flaws = await Promise.all(findings.programs.map((needed) => flawOf(needed, userOf)));
  for (const [at, { place }] of findings.programs.entries()) {
    const flaw = flaws[at];
    if (flaw !== undefined) findings.problem({ ...place, ...flaw });
  }
}

async function flawOf(
  { program, runAs }: NeededProgram,
  userOf: (name: string) => Promise<User | string>,
): Promise<{ readonly message: string; readonly hint: string } | undefined> {
  const found = await findProgram(program);
  if (!('path' in found)) return found;
  if (runAs === undefined) return undefined;
  const user = await userOf(runAs);
  if (typeof user === 'string') {
    return { message: `it cannot run as ${runAs}: ${user}`, hint: 'run_as names a user of this machine' };
  }
  // Only root can find out; anyone else who checks a configuration is not the one who runs the commands.
  if (process.geteuid?.() !== 0) return undefined;
  const { program: setpriv, arguments: words } = asUser(user, { program: 'test', arguments: ['-x', found.path] });
  try {
    const { status, words: said } = await runProgram(setpriv, words, { timeoutMs: 5000 });
    if (status === 0) return undefined;
    if (said !== '') return { message: `it cannot run as ${runAs}: ${said.trim()}`, hint: 'check run_as' };
    return { message: `${runAs} may not run the program`, hint: 'give run_as the right to run it' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown error';
    return { message: `it cannot run as ${runAs}: ${reason}`, hint: 'run_as needs setpriv of util-linux' };
  }
}
