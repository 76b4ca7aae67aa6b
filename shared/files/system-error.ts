/** What the system says of files, as errors of ours: its code, what could not be done, and what that mostly means. */
import { KnockError } from '../errors.ts';

/** The `code` of a system error, or an empty text. */
export function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** A STORE error that says what could not be done and why in a few words; nothing of any content. */
export function storeError(what: string, cause: unknown): KnockError {
  const code = codeOf(cause);
  const hint = HINTS[code];
  return new KnockError('STORE', code === '' ? what : `${what}: ${code}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is nothing of that name',
  EACCES: 'this user may not: it takes the owner, or root',
  EROFS: 'the file system is mounted read-only, and what is used must be written down',
  ENOSPC: 'the disk is full, and what is used must be written down',
};
