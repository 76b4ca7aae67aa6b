/**
 * Reads and writes INI text in knockd's grammar, and keeps the line number of everything. Sections, keys and values are
 * text; the callers interpret them. Only this file uses the package `ini`.
 *
 * Alone, `ini` would cut commands at `;` and `#`, nest `[a.b]`, turn `true` and missing values into booleans, let the
 * last of two equal keys win, swallow `__proto__`, strip quotes, drop lines with U+2028, and give no line numbers. So
 * this file tokenises the lines first. `ini` then gets names made of line numbers, and each value as a JSON string
 * after a mark, so that no content of a file can meet one of those rules.
 */
import { parse } from 'ini';
import { KnockError, type Problem } from '../errors.ts';

export interface IniEntry {
  /** Lower case: keys are compared without case. */
  readonly key: string;
  /** As written. */
  readonly rawKey: string;
  /** Exactly as written, without blanks at its ends; undefined for a key without `=`. */
  readonly value: string | undefined;
  /** Counts from 1. */
  readonly line: number;
}

export interface IniSection {
  readonly name: string;
  readonly line: number;
  readonly entries: readonly IniEntry[];
}

/** Sections in file order. A repeated section or key is a problem, but still listed, so that it is checked too. */
export interface IniDocument {
  readonly sections: readonly IniSection[];
  /**
   * Messages quote nothing of the file. Names are only in `section` and `key`, which files with secrets can leave out.
   */
  readonly problems: readonly Problem[];
}

/** A section for {@link formatIni}. */
export interface IniSectionText {
  readonly name: string;
  readonly entries: readonly { readonly key: string; readonly value?: string | undefined }[];
}

/** Maximum characters of a text. No configuration comes near it; a wrong file (a log, a disk image) does. */
export const MAX_INI_CHARACTERS = 1024 * 1024;
/** Maximum characters of a line. knockd refuses commands above PATH_MAX, 4096. */
export const MAX_INI_LINE_CHARACTERS = 8192;
/** Maximum of reported problems: a wrong file has one on each line. */
const MAX_PROBLEMS = 100;

/** Put before each value, so that `ini` does not convert `true`, `false` and `null`. */
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
 * The text that {@link parseIni} reads back as these sections, after `comment` lines.
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
  // Reading it back is the only check, so no second grammar can differ from the first.
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
  /** Owner of the next entry: none yet, a section, or a section whose header was refused. */
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

/** Why a line cannot be read that is neither blank nor a comment; undefined if it can. */
function flawOf(content: string): { message: string; hint?: string } | undefined {
  if (content.length > MAX_INI_LINE_CHARACTERS) {
    const message = `a line of ${content.length} characters, more than ${MAX_INI_LINE_CHARACTERS}`;
    return { message, hint: 'put a long command into a script' };
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for control characters
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
  // JSON keeps U+2028 and U+2029, and `.` in the expressions of `ini` does not match them.
  const json = JSON.stringify(MARK + (token.value ?? ''));
  return `k${token.line}=${json.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}`;
}

function reportRepeated(sections: readonly IniSection[], report: (problem: Problem) => void): void {
  const sectionLines = new Map<string, number>();
  const hint = 'give each section a name of its own';
  for (const { name, line, entries } of sections) {
    const first = sectionLines.get(name);
    if (first === undefined) sectionLines.set(name, line);
    else report({ section: name, line, message: `this section is already at line ${first}`, hint });
    const keyLines = new Map<string, number>();
    for (const entry of entries) {
      const before = keyLines.get(entry.key);
      if (before === undefined) keyLines.set(entry.key, entry.line);
      else {
        const message = `this key is already at line ${before} of the section`;
        report({ section: name, key: entry.rawKey, line: entry.line, message, hint: 'keep one of the two' });
      }
    }
  }
}

/** Trims only what knockd trims in Linux text files. Other Unicode blanks belong to the value. */
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
