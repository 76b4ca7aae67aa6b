/** Examples in a help: first, since they are what most people look for, and as data, since a test parses each of them. */

/** By the words of a command, empty for the program itself: lines to type, each with what it does. */
export type Examples = Readonly<Record<string, readonly (readonly [line: string, what: string])[]>>;

/** What is used of a commander Command. */
interface Helping {
  name(): string;
  readonly commands: readonly Helping[];
  addHelpText(position: 'before', text: string): unknown;
}

/** Columns of a terminal that nobody has made wider. */
const USUAL_COLUMNS = 80;

/** Puts the examples before the help of the command and of all below it. */
export function addExamples(command: Helping, examples: Examples, path = ''): void {
  const rows = examples[path] ?? [];
  if (rows.length > 0) command.addHelpText('before', `Examples:\n${formatRows(rows)}\n`);
  for (const each of command.commands) addExamples(each, examples, `${path} ${each.name()}`.trim());
}

/** What a line does stands beside it, or below where there is no room. */
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
