/**
 * Whether a program of a command can run, before it has to: looked up as it will be looked up then. Reads only. Messages
 * quote nothing of the command, because its words may be secret, but where a program of that name is.
 */
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { SYSTEM_PATH } from './program-search-path.ts';

export type FoundProgram =
  | { readonly path: string }
  /** It cannot run. */
  | { readonly message: string; readonly hint: string };

/** Bytes of a file that may name its interpreter; Linux reads 256. */
const HEAD_BYTES = 256;

/** A name without a slash is looked up in the system's path; any other is a path, from `/` on. Never rejects. */
export async function findProgram(program: string): Promise<FoundProgram> {
  if (program.includes('/')) {
    const path = resolve('/', program);
    const found = await lookAt(path);
    if (found !== undefined) return found;
    const elsewhere = await inSystemPath(basename(path));
    return {
      message: 'the program does not exist',
      hint: 'path' in elsewhere ? `it is at ${elsewhere.path}` : 'install it, or correct its path',
    };
  }
  return await inSystemPath(program);
}

async function inSystemPath(name: string): Promise<FoundProgram> {
  let flaw: FoundProgram | undefined;
  for (const directory of SYSTEM_PATH.split(':')) {
    const found = await lookAt(`${directory}/${name}`);
    if (found !== undefined && 'path' in found) return found;
    flaw ??= found;
  }
  const missing = { message: `the program is not in ${SYSTEM_PATH}`, hint: 'install it, or write its whole path' };
  return flaw ?? missing;
}

/** Undefined when nothing is there. */
async function lookAt(path: string): Promise<FoundProgram | undefined> {
  try {
    if (!(await stat(path)).isFile()) return { message: 'the program is not a file', hint: 'write the program itself' };
    await access(path, constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EACCES') return { message: 'the program may not be run', hint: 'make it executable: chmod +x' };
    return { message: `the program cannot be read: ${code}`, hint: 'correct its path' };
  }
  const interpreter = await interpreterOf(path);
  if (interpreter === undefined) return { path };
  if (interpreter.endsWith('\r')) {
    return { message: "the program's first line ends with a carriage return", hint: 'save it with line ends of Unix' };
  }
  try {
    await access(resolve('/', interpreter), constants.X_OK);
    return { path };
  } catch {
    return { message: "the program's first line names an interpreter that cannot run", hint: 'correct the line' };
  }
}

/** What the first line of a script names; undefined for any other program, and one that may be run but not be read. */
async function interpreterOf(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return /^#![ \t]*([^ \t\n]+)/.exec(buffer.toString('latin1', 0, bytesRead))?.[1];
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
