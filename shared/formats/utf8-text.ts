/**
 * Bytes of a file of lines as text. Knows which lines are not UTF-8, and which of those are comments: an old editor's
 * comments in Latin-1 are no reason to refuse a file.
 */

export interface DecodedText {
  /** With U+FFFD where bytes are not UTF-8. */
  readonly text: string;
  /** Numbers, from 1, of lines that are not UTF-8 and begin with `#` after blanks. */
  readonly comments: readonly number[];
  /** Numbers of other lines that are not UTF-8. */
  readonly others: readonly number[];
}

const LF = 0x0a;

/** Keeps a byte order mark. Never throws. */
export function decodeText(bytes: Uint8Array): DecodedText {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), comments: [], others: [] };
  } catch {
    return decodeLines(bytes);
  }
}

/** No character of UTF-8 spans two lines: LF is never a part of one. */
function decodeLines(bytes: Uint8Array): DecodedText {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  const comments: number[] = [];
  const others: number[] = [];
  for (let from = 0, line = 1; from < bytes.length; line += 1) {
    const end = bytes.indexOf(LF, from);
    const to = end < 0 ? bytes.length : end;
    const content = bytes.subarray(from, to);
    try {
      strict.decode(content);
    } catch {
      const isComment = /^\uFEFF?[ \t\r]*#/.test(lenient.decode(content));
      (isComment ? comments : others).push(line);
    }
    from = to + 1;
  }
  return { text: lenient.decode(bytes), comments, others };
}
