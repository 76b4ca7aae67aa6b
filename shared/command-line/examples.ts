/**
 * Adds examples to a help text, before the rest, because most users look for them. They are data, so that a test can
 * parse each.
 */

/** Examples by command (empty for the program itself): lines to type, each with its effect. */
export type Examples = Readonly<Record<string, readonly (readonly [line: string, what: string])[]>>;

/** The part of a commander Command that is used here. */
interface HelpCommand {
  name(): string;
  readonly commands: readonly HelpCommand[];
  addHelpText(position: 'before', text: string): unknown;
}

/** Columns of a terminal of default width. */
const USUAL_COLUMNS = 80;

/** Puts the examples before the help of the command and of its subcommands. */
export function addExamples(command: HelpCommand, examples: Examples, path = ''): void {
  const rows = examples[path] ?? [];
  if (rows.length > 0) command.addHelpText('before', `Examples:\n${formatRows(rows)}\n`);
  for (const each of command.commands) addExamples(each, examples, `${path} ${each.name()}`.trim());
}

/** Puts each effect beside its line, or all of them below their lines if the terminal is too narrow. */
function formatRows(rows: Examples[string]): string {
  const longest = Math.max(...rows.map(([line]) => line.length));
  const fits = rows.every(([, what]) => 2 + longest + 2 + what.length <= USUAL_COLUMNS);
  return rows
    .map(([line, what]) => {
      if (what === '') return `  ${line}`;
      return fits ? `  ${line.padEnd(longest)}  ${what}` : `  ${line}\n      ${what}`;
    })
    .join('\n');
}
