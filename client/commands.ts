/**
 * The names of the subcommands, without what they are: whether the first word of a command line is one of them has to be
 * known before the grammar is loaded.
 */
export const COMMAND_NAMES = ['knock', 'add', 'list', 'remove', 'show'] as const;

export type CommandName = (typeof COMMAND_NAMES)[number];
