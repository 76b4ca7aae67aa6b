/**
 * The names of the subcommands, without what they are: whether the first word of a command line is one of them has to be
 * known before the grammar is loaded.
 */
export const COMMAND_NAMES = [
  'knock',
  'ssh',
  'exec',
  'ssh-config',
  'group',
  'add',
  'list',
  'remove',
  'lock',
  'unlock',
  'doctor',
  'show',
  'completion',
] as const;

export type CommandName = (typeof COMMAND_NAMES)[number];

/** Commands have no capitals, and what is typed with one is a host. */
export function isCommandName(word: string): boolean {
  const names: readonly string[] = COMMAND_NAMES;
  return names.includes(word);
}
