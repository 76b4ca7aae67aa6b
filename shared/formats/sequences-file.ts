/**
 * The file of one-time sequences, in knockd's format: one sequence a line, used from the top, struck by a `#` at the
 * line's beginning. Finds where each line begins, what it is, and which bytes change when lines are struck. Works on
 * bytes, because a strike needs byte positions and comments may have any encoding. `shared/files/one-time-file.ts`
 * reads, locks and writes.
 */
import { formatKnock, type Knock, type Pair, pairOf, parsePort } from '../knock.ts';

/** knockd's SEQ_MAX. */
export const MAX_LINE_KNOCKS = 32;
/** knockd reads lines into a buffer of PATH_MAX, and takes the rest of a longer line as another line. */
export const MAX_LINE_BYTES = 4094;

interface LinePlace {
  /** From 1. */
  readonly number: number;
  /** Bytes before the line. */
  readonly offset: number;
  /** Bytes of the line without its end (LF or CRLF). */
  readonly length: number;
}

/** A line with a sequence, unspent or struck. */
export interface SequenceLine extends LinePlace {
  readonly kind: 'sequence' | 'struck';
  readonly knocks: readonly Knock[];
  /** Equal for equal knocks, however written. As confidential as the sequence. */
  readonly key: string;
  /** Number of earlier lines, struck or not, with the same sequence. */
  readonly repeats: number;
}

export interface OtherLine extends LinePlace {
  readonly kind: 'comment' | 'blank';
}

export interface MalformedLine extends LinePlace {
  readonly kind: 'malformed';
  /** What is wrong, without quoting the line, which may be a mistyped sequence. */
  readonly reason: string;
  /** What stands there, one character a byte, for telling it from another line. As secret as a sequence. */
  readonly text: string;
}

export type FileLine = SequenceLine | OtherLine | MalformedLine;

/** Identifies a line when the file is read again: its sequence, and its number among the lines of that sequence. */
export type LineRef = Pick<SequenceLine, 'key' | 'repeats'>;

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const BLANK = 0x20;
const HASH = 0x23;

/** Reads any bytes; never throws. */
export function parseSequencesFile(bytes: Uint8Array): FileLine[] {
  const lines: FileLine[] = [];
  const seen = new Map<string, number>();
  let offset = 0;
  for (let number = 1; offset < bytes.length; number += 1) {
    const end = bytes.indexOf(LF, offset);
    const next = end < 0 ? bytes.length : end + 1;
    const last = end < 0 ? bytes.length : end;
    // For an empty line, `last - 1` is the LF of the line before, or nothing.
    const length = last - offset - (bytes[last - 1] === CR ? 1 : 0);
    lines.push(lineOf(bytes.subarray(offset, offset + length), { number, offset, length }, seen));
    offset = next;
  }
  return lines;
}

export function isUnspent(line: FileLine): line is SequenceLine {
  return line.kind === 'sequence';
}

/** The packed form that the matcher's tables use. */
export function linePairs(line: SequenceLine): Pair[] {
  return line.knocks.map(({ protocol, port }) => pairOf(protocol, port));
}

/**
 * The line of a reference, struck or not, in a file that may have changed since; undefined when it is gone. If fewer
 * lines of the sequence are left, it is the last of them.
 */
export function findLine(lines: readonly FileLine[], { key, repeats }: LineRef): SequenceLine | undefined {
  let found: SequenceLine | undefined;
  for (const line of lines) {
    if ((line.kind !== 'sequence' && line.kind !== 'struck') || line.key !== key) continue;
    found = line;
    if (line.repeats === repeats) break;
  }
  return found;
}

/** True when the line can be struck by changing one byte: a blank at its beginning becomes `#`. */
export function isStruckInPlace(bytes: Uint8Array, line: SequenceLine): boolean {
  return isBlank(bytes[line.offset]);
}

/**
 * The file with these lines struck: `#` replaces the blank at a line's beginning, or is put before its first digit. No
 * other byte changes.
 */
export function struckBytes(bytes: Uint8Array, struck: readonly SequenceLine[]): Uint8Array {
  const inOrder = struck.toSorted((a, b) => a.offset - b.offset);
  const inserted = inOrder.filter((line) => !isStruckInPlace(bytes, line)).length;
  const result = new Uint8Array(bytes.length + inserted);
  let from = 0;
  let to = 0;
  for (const line of inOrder) {
    result.set(bytes.subarray(from, line.offset), to);
    to += line.offset - from;
    result[to] = HASH;
    to += 1;
    from = isStruckInPlace(bytes, line) ? line.offset + 1 : line.offset;
  }
  result.set(bytes.subarray(from), to);
  return result;
}

/** A line as the generator writes it. With the blank at its beginning it can be struck in place, also by knockd. */
export function formatSequenceLine(knocks: readonly Knock[]): string {
  return ` ${knocks.map(formatKnock).join(',')}`;
}

function lineOf(line: Uint8Array, place: LinePlace, seen: Map<string, number>): FileLine {
  const content = trimmed(line);
  if (content.length === 0) return { ...place, kind: 'blank' };
  // As in knockd, blanks are skipped before the #.
  const isStruck = content[0] === HASH;
  const read = isStruck ? readStruck(content.subarray(1)) : readSequence(content);
  if (typeof read === 'string') {
    return isStruck
      ? { ...place, kind: 'comment' }
      : { ...place, kind: 'malformed', reason: read, text: latin1(content) };
  }
  const key = keyOf(read);
  const repeats = seen.get(key) ?? 0;
  seen.set(key, repeats + 1);
  return { ...place, kind: isStruck ? 'struck' : 'sequence', knocks: read, key, repeats };
}

function readStruck(content: Uint8Array): Knock[] | string {
  return content.length > MAX_LINE_BYTES ? 'a long comment' : readKnocks(latin1(content));
}

function readSequence(content: Uint8Array): Knock[] | string {
  if (content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf) return 'it begins with a byte order mark';
  if (content.length > MAX_LINE_BYTES) return `it is longer than ${MAX_LINE_BYTES} bytes`;
  return readKnocks(latin1(content));
}

/** The knocks, or the reason why they are wrong. Protocols in any case and blanks around all parts, as in knockd. */
function readKnocks(text: string): Knock[] | string {
  const parts = text.split(',');
  if (parts.length > MAX_LINE_KNOCKS) return `it has more than ${MAX_LINE_KNOCKS} knocks`;
  const knocks: Knock[] = [];
  for (const [at, part] of parts.entries()) {
    const words = /^[ \t]*([0-9]+)[ \t]*(?::[ \t]*(tcp|udp)[ \t]*)?$/i.exec(part);
    const port = parsePort(words?.[1] ?? '');
    if (port === undefined) return `knock ${at + 1} is not a port from 1 to 65535, with :tcp or :udp or neither`;
    knocks.push({ protocol: words?.[2]?.toLowerCase() === 'udp' ? 'udp' : 'tcp', port });
  }
  return knocks;
}

function keyOf(knocks: readonly Knock[]): string {
  return knocks.map(({ protocol, port }) => pairOf(protocol, port)).join(',');
}

function trimmed(line: Uint8Array): Uint8Array {
  let from = 0;
  let to = line.length;
  while (from < to && isBlank(line[from])) from += 1;
  while (to > from && isBlank(line[to - 1])) to -= 1;
  return line.subarray(from, to);
}

function isBlank(byte: number | undefined): boolean {
  return byte === BLANK || byte === TAB;
}

/** One character a byte, so that a comment of any encoding is text. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
