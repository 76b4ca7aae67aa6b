/** The names of the subcommands, apart from the grammar: `run.ts` recognizes a command before it loads the grammar. */
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

/** Commands are in lower case; a word with a capital is a host. */
export function isCommandName(word: string): boolean {
  const names: readonly string[] = COMMAND_NAMES;
  return names.includes(word);
}
