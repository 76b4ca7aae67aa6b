/**
 * Reads files that decide which client gets in. Opens a file once, checks owner and mode on the open handle, and only then
 * reads it, so an attacker cannot replace the file in between.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { decodeText } from '../../shared/formats/utf8-text.ts';

/** Of a list of lines in a message. */
const MAX_LINES = 20;

export interface FileRules {
  /** Refuse symbolic links, and files that anyone but the owner can read. Otherwise: files that others can change. */
  readonly secret: boolean;
  readonly maxBytes: number;
}

export type TrustedRead =
  | { readonly kind: 'text'; readonly text: string; readonly warnings: readonly Flaw[] }
  | { readonly kind: 'missing' }
  /** By its owner or mode, others can read or change it. */
  | { readonly kind: 'insecure'; readonly flaw: Flaw }
  | { readonly kind: 'unreadable'; readonly flaw: Flaw };

export interface Flaw {
  readonly line?: number;
  readonly message: string;
  readonly hint?: string;
}

/** Never throws. Messages never quote the file. */
export async function readTrusted(path: string, rules: FileRules): Promise<TrustedRead> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer, possibly for ever.
    const follow = rules.secret ? constants.O_NOFOLLOW : 0;
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | follow);
  } catch (error) {
    return refusalOf(error);
  }
  try {
    const stat = await handle.stat();
    const { mode, uid, size } = stat;
    if (!stat.isFile()) return unreadable('it is not a regular file');
    const flaw = ownershipFlaw(uid, mode, rules.secret ? 0o077 : 0o022);
    if (flaw !== undefined) return { kind: 'insecure', flaw };
    // The file may grow after stat, so reading stops at the limit in any case.
    const bytes = size > rules.maxBytes ? undefined : await readUpTo(handle, rules.maxBytes + 1, size);
    if (bytes === undefined || bytes.length > rules.maxBytes) {
      return unreadable(`it is longer than ${rules.maxBytes} bytes`, 'is it the right file?');
    }
    return readText(bytes);
  } catch (error) {
    return refusalOf(error);
  } finally {
    await handle.close();
  }
}

/** A comment in another encoding is read all the same: it says nothing to us. Anything else could be a name or a command. */
function readText(bytes: Uint8Array): TrustedRead {
  const { text, comments, others } = decodeText(bytes);
  const [line] = others;
  if (line !== undefined) {
    const hint = 'save the file as UTF-8; only comments may be in another encoding';
    return { kind: 'unreadable', flaw: { line, message: 'the line is not UTF-8 text', hint } };
  }
  const [first, ...more] = comments;
  if (first === undefined) return { kind: 'text', text, warnings: [] };
  const also = more.length === 0 ? '' : `, nor are those at ${formatLines(more)}`;
  return { kind: 'text', text, warnings: [{ line: first, message: `the comment is not UTF-8 text${also}` }] };
}

function formatLines(lines: readonly number[]): string {
  const shown = lines.slice(0, MAX_LINES).join(', ');
  return `${lines.length === 1 ? 'line' : 'lines'} ${shown}${lines.length > MAX_LINES ? ' and further ones' : ''}`;
}

/** Why other users can read or change a file or directory; undefined if they cannot. `forbidden` are mode bits. */
export function ownershipFlaw(uid: number, mode: number, forbidden: number): Flaw | undefined {
  const ownUid = process.geteuid?.() ?? 0;
  if (uid !== ownUid && uid !== 0) {
    return { message: `it belongs to user ${uid}, not to root or the current user`, hint: `chown ${ownUid}` };
  }
  const excess = mode & forbidden;
  if (excess === 0) return undefined;
  const who = (excess & 0o007) !== 0 ? 'others' : 'its group';
  const what = (excess & 0o044) !== 0 ? 'read' : (excess & 0o022) !== 0 ? 'change' : 'enter';
  const octal = (mode & 0o7777).toString(8).padStart(4, '0');
  return { message: `${who} can ${what} it (mode ${octal})`, hint: `chmod ${modeHint(mode, forbidden)}` };
}

function modeHint(mode: number, forbidden: number): string {
  if ((forbidden & 0o077) === 0o077) return (mode & 0o040000) !== 0 ? '700' : '600';
  return 'go-w';
}

/** `size` is the first buffer's size: a buffer of `limit` bytes for each of thousands of small files would waste memory. */
async function readUpTo(handle: FileHandle, limit: number, size: number): Promise<Uint8Array> {
  let buffer = new Uint8Array(Math.min(size + 1, limit));
  let length = 0;
  while (length < limit) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
    if (length < buffer.length) continue;
    const larger = new Uint8Array(Math.min(buffer.length * 2, limit));
    larger.set(buffer);
    buffer = larger;
  }
  return buffer.subarray(0, length);
}

function refusalOf(error: unknown): TrustedRead {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT') return { kind: 'missing' };
  if (code === 'ELOOP') {
    return { kind: 'insecure', flaw: { message: 'it is a symbolic link', hint: 'use the file itself' } };
  }
  if (code === 'EACCES') return unreadable('this user may not read it', 'run it as root');
  return unreadable(`it cannot be read: ${code}`);
}

function unreadable(message: string, hint?: string): TrustedRead {
  return { kind: 'unreadable', flaw: { message, ...(hint === undefined ? {} : { hint }) } };
}
