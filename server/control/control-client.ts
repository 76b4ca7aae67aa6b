/** The client side of the control socket, for `knock-otpd status`, `enroll` and `revoke`. */
import { createConnection } from 'node:net';
import { KnockError } from '../../shared/errors.ts';
import { controlSocketPath, MAX_ANSWER_BYTES, parseAnswer, type Request } from './control-requests.ts';

const TIMEOUT_MS = 10_000;
/** Longer for a reload, because the commands of removed doors first close them. */
const RELOAD_MS = 60_000;

/** @throws KnockError CONTROL when no daemon answers; otherwise with the code of the daemon's own error */
export async function askDaemon(stateDir: string, request: Request): Promise<unknown> {
  const path = controlSocketPath(stateDir);
  const timeoutMs = request === 'reload' ? RELOAD_MS : TIMEOUT_MS;
  const line = await exchange(path, `${JSON.stringify({ request })}\n`, timeoutMs);
  const answer = parseAnswer(line);
  if (answer.ok) return answer.result;
  throw new KnockError(answer.code, answer.message, { problems: answer.problems ?? [] });
}

/** As {@link askDaemon}, but undefined when no daemon uses this state directory. */
export async function askIfRunning(
  stateDir: string,
  request: Request,
): Promise<{ readonly result: unknown } | undefined> {
  try {
    return { result: await askDaemon(stateDir, request) };
  } catch (error) {
    const code =
      error instanceof KnockError && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : '';
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw error;
  }
}

async function exchange(path: string, question: string, timeoutMs: number): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const socket = createConnection(path);
    let text = '';
    const fail = (message: string, cause?: unknown) => {
      socket.destroy();
      const hint = 'is knock-otpd running with this configuration, and are you allowed to ask it?';
      reject(new KnockError('CONTROL', message, cause === undefined ? { hint } : { cause, hint }));
    };
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => fail(`the daemon behind ${path} does not answer`));
    socket.on('connect', () => socket.write(question));
    socket.on('error', (error) => fail(`no daemon answers at ${path}`, error));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > MAX_ANSWER_BYTES) fail(`the answer of the daemon behind ${path} is too long`);
    });
    socket.on('end', () => resolve(text.trim()));
  });
}
