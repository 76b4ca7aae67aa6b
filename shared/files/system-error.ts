/**
 * Turns file system errors into errors of this project: the failed action, the system's code, and a hint at the
 * cause.
 */
import { KnockError } from '../errors.ts';

/** The `code` of a system error, or an empty text. */
export function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** A STORE error with the failed action, the system's code and a hint. It quotes no content. */
export function storeError(what: string, cause: unknown): KnockError {
  const code = codeOf(cause);
  const hint = HINTS[code];
  return new KnockError('STORE', code === '' ? what : `${what}: ${code}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'only the owner or root may do this',
  EROFS: 'the file system is mounted read-only, so used knocks cannot be recorded',
  ENOSPC: 'the disk is full, so used knocks cannot be recorded',
};
