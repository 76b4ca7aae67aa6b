/** Reads the scan detection of [options]: the scan_command, its threshold, and the addresses that it never receives. */
import type { Network } from '../networks.ts';
import { checkCommand, effectiveCommand } from './command-words.ts';
import type { optionKeys } from './schema.ts';
import type { SectionReader } from './section-reader.ts';

export interface ScanOptions {
  /** Contains %IP%. */
  readonly command: string;
  /** Runs with /bin/sh. */
  readonly shell: boolean;
  /** Distinct TCP ports. */
  readonly threshold: number;
  readonly neverBan: readonly Network[];
}

/** Undefined without a scan_command. */
export function readScans(reader: SectionReader<typeof optionKeys>): ScanOptions | undefined {
  const shell = reader.switch('scan_shell');
  const command = effectiveCommand(reader.command('scan_command'), shell);
  const threshold = reader.integer('scan_threshold');
  const neverBan = reader.networks('never_ban') ?? [];
  if (!command) {
    for (const key of ['scan_shell', 'scan_threshold', 'never_ban'] as const) {
      if (reader.has(key)) reader.problem(key, 'there is no scan_command', 'write one, or remove this line');
    }
    return undefined;
  }
  const isSound = checkCommand(reader, 'scan_command', command, { shell, shellKey: 'scan_shell' });
  if (isSound && !command.includes('%IP%')) {
    reader.problem('scan_command', 'the command does not contain %IP%: it cannot know what to ban', 'write %IP%');
  }
  reader.warn(
    'scan_command',
    'forged packets can get any address banned, also a client or a gateway',
    'list the addresses you need in never_ban',
  );
  return { command, shell, threshold, neverBan };
}
