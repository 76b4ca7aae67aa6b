/** What [options] says of sources that try many ports: the command that is told, from when on, and of whom never. */

import type { Network } from '../networks.ts';
import { commandProblem } from './command-words.ts';
import type { optionKeys } from './schema.ts';
import type { SectionReader } from './section-reader.ts';

export interface ScanOptions {
  /** With %IP% in it. */
  readonly command: string;
  /** Given to /bin/sh. */
  readonly shell: boolean;
  /** Distinct ports. */
  readonly threshold: number;
  readonly neverBan: readonly Network[];
}

/** Undefined where no command is to be told. */
export function readScans(reader: SectionReader<typeof optionKeys>): ScanOptions | undefined {
  const command = reader.command('scan_command');
  const shell = reader.switch('scan_shell');
  const threshold = reader.integer('scan_threshold');
  const neverBan = reader.networks('never_ban') ?? [];
  if (!command) {
    for (const key of ['scan_shell', 'scan_threshold', 'never_ban'] as const) {
      if (reader.has(key)) reader.problem(key, 'there is no scan_command', 'write one, or take this out');
    }
    return undefined;
  }
  const problem = commandProblem(command, shell, 'scan_shell');
  if (problem !== undefined) reader.problem('scan_command', problem.message, problem.hint);
  else if (!command.includes('%IP%')) {
    reader.problem('scan_command', 'the command does not name %IP%: it could not know whom to ban', 'write %IP%');
  }
  reader.warn(
    'scan_command',
    'whoever forges the packets of a scan has any address banned, a client or a gateway too',
    'name those that you cannot do without in never_ban',
  );
  return { command, shell, threshold, neverBan };
}
