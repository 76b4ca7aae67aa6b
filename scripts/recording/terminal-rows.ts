/** Turns a line of terminal output into rows of styled text: reads colours (SGR), expands tabs, wraps long lines. */

export interface Style {
  readonly bold: boolean;
  readonly dim: boolean;
  /** 1 to 7: red, green, yellow, blue, magenta, cyan, white. */
  readonly colour?: number;
}

export interface Span extends Style {
  readonly text: string;
}

export interface Row {
  /** Columns that stay empty on the left, so that later rows line up under the text of the first row. */
  readonly indent: number;
  readonly spans: readonly Span[];
}

const PLAIN: Style = { bold: false, dim: false };
const TAB = 8;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const SEQUENCE = /\x1b\[([0-9;?]*)([@-~])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: characters that XML does not allow
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** The text of a line in its styles; removes escape sequences other than colours. */
export function spansOf(line: string): readonly Span[] {
  const spans: Span[] = [];
  let style = PLAIN;
  let column = 0;
  // split() keeps the captures of its pattern in the result: text, numbers, letter, text, ...
  const parts = line.split(SEQUENCE);
  for (let at = 0; at < parts.length; at += 3) {
    const text = expandTabs((parts[at] ?? '').replace(CONTROL, ''), column);
    column += [...text].length;
    if (text !== '') spans.push({ ...style, text });
    if (parts[at + 2] === 'm') style = styled(style, parts[at + 1] ?? '');
  }
  return spans;
}

/** The text of a line, without escape sequences. */
export function plain(line: string): string {
  return spansOf(line)
    .map(({ text }) => text)
    .join('');
}

/** Rows of at most `columns`, broken after a space or an ampersand where possible. No character is lost. */
export function wrapped(spans: readonly Span[], columns: number): readonly Row[] {
  const letters = spans.flatMap((span) => [...span.text].map((text) => ({ ...span, text })));
  const first = letters.findIndex(({ text }) => text !== ' ');
  const hanging = Math.min(Math.max(first, 0), columns >> 1);
  const rows: Row[] = [];
  let indent = 0;
  let rest = letters;
  while (rest.length > columns - indent) {
    const end = breakOf(rest, columns - indent, rows.length === 0 ? first : 0);
    rows.push({ indent, spans: joined(rest.slice(0, end)) });
    rest = rest.slice(end);
    indent = hanging;
  }
  rows.push({ indent, spans: joined(rest) });
  return rows;
}

/** The end of a row: after the last space or ampersand that is not in its left half, otherwise at its full width. */
function breakOf(letters: readonly Span[], room: number, first: number): number {
  for (let end = room; end > Math.max(room >> 1, first); end -= 1) {
    if (/[ &]/.test(letters[end - 1]?.text ?? '')) return end;
  }
  return room;
}

function joined(letters: readonly Span[]): readonly Span[] {
  const spans: Span[] = [];
  for (const letter of letters) {
    const last = spans.at(-1);
    const same = last?.bold === letter.bold && last.dim === letter.dim && last.colour === letter.colour;
    if (last !== undefined && same) spans[spans.length - 1] = { ...last, text: last.text + letter.text };
    else spans.push(letter);
  }
  return spans;
}

function styled(before: Style, numbers: string): Style {
  let { bold, dim, colour }: { bold: boolean; dim: boolean; colour?: number | undefined } = before;
  for (const number of numbers.split(';').map(Number)) {
    if (number === 0) [bold, dim, colour] = [false, false, undefined];
    else if (number === 1) bold = true;
    else if (number === 2) dim = true;
    else if (number === 22) [bold, dim] = [false, false];
    else if (number === 39) colour = undefined;
    else if (number >= 31 && number <= 37) colour = number - 30;
    else if (number >= 91 && number <= 97) colour = number - 90;
  }
  return { bold, dim, ...(colour === undefined ? {} : { colour }) };
}

function expandTabs(text: string, column: number): string {
  let expanded = '';
  for (const letter of text) {
    const here = column + [...expanded].length;
    expanded += letter === '\t' ? ' '.repeat(TAB - (here % TAB)) : letter;
  }
  return expanded;
}
