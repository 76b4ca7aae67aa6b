/**
 * Asks for a passphrase at the controlling terminal, without echo. Not through the standard streams, because under
 * ssh's ProxyCommand they are the connection.
 */
import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { KnockError } from '../../shared/errors.ts';
import { tidyBeforeSignal } from './signal-cleanup.ts';

/** Longer input is ignored, such as a file that is pasted by mistake. */
const MAX_CHARACTERS = 1024;

/** @returns undefined when there is no terminal @throws KnockError USAGE for ^D; ^C ends this process */
export async function askAtTerminal(prompt: string, platform: NodeJS.Platform): Promise<string | undefined> {
  const windows = platform === 'win32';
  let input: number;
  let output: number;
  try {
    input = openSync(windows ? '\\\\.\\CONIN$' : '/dev/tty', windows ? 'r+' : 'r');
    output = openSync(windows ? '\\\\.\\CONOUT$' : '/dev/tty', windows ? 'r+' : 'w');
  } catch {
    return undefined;
  }
  const keys = new ReadStream(input);
  const screen = new WriteStream(output);
  let isInterrupted = false;
  const stopCleanup = tidyBeforeSignal(() => keys.setRawMode(false));
  try {
    keys.setRawMode(true);
    screen.write(prompt);
    return await typed(keys, () => {
      isInterrupted = true;
    });
  } finally {
    keys.setRawMode(false);
    stopCleanup();
    screen.write('\r\n');
    keys.destroy();
    await new Promise<void>((resolve) => screen.end(resolve));
    for (const fd of [input, output]) closeQuietly(fd);
    // A raw terminal makes no signal of ^C.
    if (isInterrupted) process.kill(process.pid, 'SIGINT');
  }
}

/** Reads in raw mode: Enter is \r, and this function does the line editing. */
function typed(keys: ReadStream, onInterrupt: () => void): Promise<string> {
  let text = '';
  keys.setEncoding('utf8');
  return new Promise((resolve, reject) => {
    function giveUp(): void {
      reject(new KnockError('USAGE', 'no passphrase was given'));
    }
    keys.once('end', giveUp).once('error', giveUp);
    keys.on('data', (chunk: string) => {
      for (const key of chunk) {
        if (key === '\r' || key === '\n') return resolve(text);
        if (key === '\u0003') onInterrupt();
        if (key === '\u0003' || (key === '\u0004' && text === '')) return giveUp();
        if (key === '\u007F' || key === '\b') text = [...text].slice(0, -1).join('');
        else if (key === '\u0015') text = '';
        else if (key >= ' ' && text.length < MAX_CHARACTERS) text += key;
      }
    });
  });
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The stream has closed it.
  }
}
