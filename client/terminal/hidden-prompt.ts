/**
 * Asks for a passphrase where a person sits: at the terminal that controls this process, whatever its standard streams
 * are, because under ssh's ProxyCommand they are the connection. Nothing that is typed is shown.
 */
import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { KnockError } from '../../shared/errors.ts';
import { tidyBeforeSignal } from './signal-cleanup.ts';

/** No passphrase is longer; a file that is fed to the terminal is not read to its end. */
const MAX_CHARACTERS = 1024;

/** @returns undefined when there is no terminal @throws KnockError USAGE when it is given up with ^D; ^C ends us */
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
  const takeBack = tidyBeforeSignal(() => keys.setRawMode(false));
  try {
    keys.setRawMode(true);
    screen.write(prompt);
    return await typed(keys, () => {
      isInterrupted = true;
    });
  } finally {
    keys.setRawMode(false);
    takeBack();
    screen.write('\r\n');
    keys.destroy();
    await new Promise<void>((resolve) => screen.end(resolve));
    for (const fd of [input, output]) closeQuietly(fd);
    // A raw terminal makes no signal of ^C.
    if (isInterrupted) process.kill(process.pid, 'SIGINT');
  }
}

/** Raw: Enter is \r, and what the terminal's own editing would do is done here. */
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
