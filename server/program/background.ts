/**
 * `knock-otpd -d`: runs the same command again in the background and waits until it says that it is ready, so that the
 * exit code in the foreground tells the truth.
 */
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';

const READY_FD_VARIABLE = 'KNOCK_OTPD_READY_FD';
const READY_FD = 3;

/** Starts the background process with `args`; resolves with 0 when it is ready, with its exit code when it died first. */
export async function runInBackground(args: readonly string[], stderr: NodeJS.WritableStream): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, [READY_FD_VARIABLE]: `${READY_FD}` },
  });
  child.stderr?.on('data', (chunk) => stderr.write(chunk));
  const ready = child.stdio[READY_FD];
  return await new Promise<number>((resolve) => {
    ready?.on('data', () => {
      child.stderr?.destroy();
      ready.destroy();
      child.unref();
      resolve(0);
    });
    child.on('error', () => resolve(1));
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** True in the background process: after {@link sayReady} nobody reads its stderr any more. */
export function isInBackground(): boolean {
  return process.env[READY_FD_VARIABLE] !== undefined;
}

/** Lets the foreground process end. Does nothing when there is none. */
export function sayReady(): void {
  if (!isInBackground()) return;
  delete process.env[READY_FD_VARIABLE];
  try {
    writeSync(READY_FD, 'ready\n');
    closeSync(READY_FD);
  } catch {
    // The foreground process is gone: nobody to tell.
  }
}
