/**
 * INI text in knockd's grammar, with the line of everything. Knows sections, keys and values as text; what they mean is
 * the readers' business. The `ini` package is used here and nowhere else.
 *
 * Left to itself `ini` would cut commands at `;` and `#`, nest `[a.b]`, turn `true` and missing values into booleans,
 * let the last of two equal keys win, swallow `__proto__`, strip quotes, drop lines with U+2028, and never say where
 * anything stood. So lines are tokenised first, and `ini` gets them under names made of line numbers with each value as
 * a JSON string behind a mark: nothing that a file holds can meet one of those rules.
 */
import { parse } from 'ini';
import { KnockError, type Problem } from '../errors.ts';

export interface IniEntry {
  /** Lower case: keys are compared without case. */
  readonly key: string;
  /** As written. */
  readonly rawKey: string;
  /** To the letter, without blanks at its ends; undefined for a key without `=`. */
  readonly value: string | undefined;
  /** Counts from 1. */
  readonly line: number;
}

export interface IniSection {
  readonly name: string;
  readonly line: number;
  readonly entries: readonly IniEntry[];
}

/** Sections in file order. A repeated section or key is a problem and is listed all the same, so that it is checked. */
export interface IniDocument {
  readonly sections: readonly IniSection[];
  /** Messages quote nothing of the file; names stand in `section` and `key` only, for files with secrets to leave out. */
  readonly problems: readonly Problem[];
}

/** What {@link formatIni} writes. */
export interface IniSectionText {
  readonly name: string;
  readonly entries: readonly { readonly key: string; readonly value?: string | undefined }[];
}

/** Characters of a whole text. No configuration of ours comes near; a wrong file (a log, a disk image) does. */
export const MAX_INI_CHARACTERS = 1024 * 1024;
/** Characters of a line. knockd refuses commands above PATH_MAX, 4096. */
export const MAX_INI_LINE_CHARACTERS = 8192;
/** A wrong file has a problem on each line; nobody reads more than these. */
const MAX_PROBLEMS = 100;

/** Keeps the values `true`, `false` and `null` from becoming what they say. */
const MARK = '=';

type Token =
  | { readonly kind: 'section'; readonly name: string; readonly line: number }
  | { readonly kind: 'entry'; readonly rawKey: string; readonly value: string | undefined; readonly line: number };

/**
 * Never throws: whatever the text, what can be read is in `sections` and what cannot is in `problems`. Sections named
 * `merged`, in any case of letters, are one section, where the first of them stands.
 */
export function parseIni(text: string, { merged }: { readonly merged?: string } = {}): IniDocument {
  if (text.length > MAX_INI_CHARACTERS) {
    const message = `the file has ${text.length} characters, more than ${MAX_INI_CHARACTERS}`;
    return { sections: [], problems: [{ message, hint: 'is it the right file?' }] };
  }
  const problems: Problem[] = [];
  const report = (problem: Problem): void => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem);
    else if (problems.length === MAX_PROBLEMS)
      problems.push({ message: 'further problems of this kind are not listed', hint: 'is it the right file?' });
  };
  const sections = mergeSections(assemble(tokenise(text, report)), merged);
  reportRepeated(sections, report);
  return { sections, problems };
}

/**
 * The text that {@link parseIni} reads back as these sections, below `comment` lines.
 * @throws KnockError CONFIG_INVALID when the grammar cannot hold one of them (line breaks, blanks at an end, a repeated
 *   name); the message does not quote it
 */
export function formatIni(sections: readonly IniSectionText[], comment: readonly string[] = []): string {
  const lines = comment.map((line) => `# ${line}`);
  for (const { name, entries } of sections) {
    if (lines.length > 0) lines.push('');
    lines.push(`[${name}]`);
    for (const { key, value } of entries)
      lines.push([key, ...(value === undefined ? [] : ['=']), ...(value ? [value] : [])].join(' '));
  }
  const text = lines.map((line) => `${line}\n`).join('');
  // Reading it back is the whole rule of what may be written: no second grammar that could differ from the first.
  const { sections: read, problems } = parseIni(text);
  const same =
    problems.length === 0 &&
    read.length === sections.length &&
    sections.every(({ name, entries }, at) => {
      const back = read[at];
      return (
        back?.name === name &&
        back.entries.length === entries.length &&
        entries.every(
          ({ key, value }, index) => back.entries[index]?.rawKey === key && back.entries[index]?.value === value,
        )
      );
    });
  if (!same) {
    throw new KnockError('CONFIG_INVALID', 'a name, key or value cannot be written to a file of sections', {
      hint: 'no line breaks, control characters or blanks at an end, and no name twice',
    });
  }
  return text;
}

function tokenise(text: string, report: (problem: Problem) => void): Token[] {
  const tokens: Token[] = [];
  /** What the next entry belongs to: nothing yet, a section, or a section whose header was refused. */
  let place: 'none' | 'section' | 'refused' = 'none';
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    const content = trimBlanks(raw);
    if (content === '' || content.startsWith('#')) continue;
    const flaw = flawOf(content);
    const isHeader = content.startsWith('[');
    if (isHeader) place = flaw === undefined ? 'section' : 'refused';
    if (flaw !== undefined) {
      report({ line, ...flaw });
    } else if (isHeader) {
      tokens.push({ kind: 'section', name: trimBlanks(content.slice(1, -1)), line });
    } else if (place === 'none') {
      report({ line, message: 'a line before any section', hint: 'begin with a line such as [options]' });
    } else if (place === 'section') {
      const at = content.indexOf('=');
      const rawKey = trimBlanks(at < 0 ? content : content.slice(0, at));
      tokens.push({ kind: 'entry', rawKey, value: at < 0 ? undefined : trimBlanks(content.slice(at + 1)), line });
    }
  }
  return tokens;
}

/** Why a line that is not blank and not a comment cannot be read. */
function flawOf(content: string): { message: string; hint?: string } | undefined {
  if (content.length > MAX_INI_LINE_CHARACTERS) {
    const message = `a line of ${content.length} characters, more than ${MAX_INI_LINE_CHARACTERS}`;
    return { message, hint: 'put a long command into a script' };
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const control = /[\u0000-\u0008\u000a-\u001f\u007f]/.exec(content);
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    const message = `a control character (U+${code}) in column ${control.index + 1}`;
    return { message, hint: 'the file must be plain text' };
  }
  if (content.startsWith('[')) {
    if (!content.endsWith(']')) {
      return { message: 'a section that does not end with ]', hint: 'comments need a line of their own' };
    }
    if (trimBlanks(content.slice(1, -1)) === '')
      return { message: 'a section without a name', hint: 'write [options], or the name of a door' };
  }
  if (content.startsWith('=')) return { message: 'a value without a key', hint: 'write key = value' };
  return undefined;
}

/** Sections with their entries, as `ini` groups them. */
function assemble(tokens: readonly Token[]): IniSection[] {
  const parsed: Readonly<Record<string, unknown>> = parse(tokens.map(sanitised).join('\n'));
  const sections: { name: string; line: number; entries: IniEntry[] }[] = [];
  let values: Readonly<Record<string, unknown>> = {};
  for (const token of tokens) {
    if (token.kind === 'section') {
      sections.push({ name: token.name, line: token.line, entries: [] });
      values = (parsed[`s${token.line}`] ?? {}) as typeof values;
      continue;
    }
    const value = values[`k${token.line}`];
    sections.at(-1)?.entries.push({
      key: token.rawKey.toLowerCase(),
      rawKey: token.rawKey,
      value: token.value === undefined || typeof value !== 'string' ? undefined : value.slice(MARK.length),
      line: token.line,
    });
  }
  return sections;
}

function mergeSections(sections: readonly IniSection[], name: string | undefined): readonly IniSection[] {
  const [first, ...others] = sections.filter((section) => section.name.toLowerCase() === name);
  if (first === undefined || others.length === 0) return sections;
  const whole = { ...first, entries: [first, ...others].flatMap(({ entries }) => entries) };
  return sections
    .filter((section) => !others.includes(section))
    .map((section) => (section === first ? whole : section));
}

function sanitised(token: Token): string {
  if (token.kind === 'section') return `[s${token.line}]`;
  // JSON leaves U+2028 and U+2029 as they are, and `.` in the expressions of `ini` does not match them.
  const json = JSON.stringify(MARK + (token.value ?? ''));
  return `k${token.line}=${json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}`;
}

function reportRepeated(sections: readonly IniSection[], report: (problem: Problem) => void): void {
  const sectionLines = new Map<string, number>();
  const hint = 'give each section a name of its own';
  for (const { name, line, entries } of sections) {
    const first = sectionLines.get(name);
    if (first === undefined) sectionLines.set(name, line);
    else report({ section: name, line, message: `this section stands at line ${first} already`, hint });
    const keyLines = new Map<string, number>();
    for (const entry of entries) {
      const before = keyLines.get(entry.key);
      if (before === undefined) keyLines.set(entry.key, entry.line);
      else {
        const message = `this key stands at line ${before} of the section already`;
        report({ section: name, key: entry.rawKey, line: entry.line, message, hint: 'keep one of the two' });
      }
    }
  }
}

/** Only what knockd trims on Linux text files: other blanks of Unicode belong to the value. */
function trimBlanks(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from += 1;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** Space, tab, and the carriage return of a CRLF line. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d;
}
