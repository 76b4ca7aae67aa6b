/**
 * The protocol of the control socket: one JSON line each way over a Unix socket in the state directory, which only its
 * owner can enter. Lists the requests. `control-server.ts` and `control-client.ts` have the transport.
 */
import { join } from 'node:path';
import { type ErrorCode, errorCodes, KnockError, type Problem } from '../../shared/errors.ts';

export const requests = ['status', 'reload', 'reload-clients', 'accept-clock', 'confirm'] as const;
export type Request = (typeof requests)[number];

/** Requests answered by lines until the client disconnects. `trace`: one line for each packet. */
export const streamRequests = ['trace'] as const;
export type StreamRequest = (typeof streamRequests)[number];

/** Longest lines in bytes: a status of ten thousand clients fits into an answer. */
export const MAX_REQUEST_BYTES = 4_096;
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export type Answer =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly problems?: readonly Problem[];
    };

/** An answer as the socket transmits it: each problem is one formatted line. */
export type WrittenAnswer =
  | Extract<Answer, { readonly ok: true }>
  | (Omit<Extract<Answer, { readonly ok: false }>, 'problems'> & { readonly problems?: readonly string[] });

/** @throws KnockError CONTROL when the path is too long for a Unix socket (sun_path, unix(7)) */
export function controlSocketPath(stateDir: string): string {
  const path = join(stateDir, 'control.sock');
  if (Buffer.byteLength(path) > 107) {
    throw new KnockError('CONTROL', `the control socket's path ${path} is longer than 107 bytes`, {
      hint: 'choose a shorter state_dir',
    });
  }
  return path;
}

/** The request in a line; undefined for any other input, however malformed. */
export function parseRequest(line: string): Request | undefined {
  const value = parseObject(line)?.['request'];
  return requests.find((request) => request === value);
}

export function parseStreamRequest(line: string): StreamRequest | undefined {
  const value = parseObject(line)?.['request'];
  return streamRequests.find((request) => request === value);
}

/** @throws KnockError CONTROL when the line is not a valid answer */
export function parseAnswer(line: string): Answer {
  const value = parseObject(line);
  if (value?.['ok'] === true) return { ok: true, result: value['result'] };
  const code = errorCodes.find((known) => known === value?.['code']);
  if (value?.['ok'] === false && code !== undefined && typeof value['message'] === 'string') {
    return { ok: false, code, message: value['message'], problems: problemsOf(value['problems']) };
  }
  throw new KnockError('CONTROL', 'the daemon gave an answer that this version does not understand', {
    hint: 'restart the daemon after an update',
  });
}

/** Reads the problems, which the daemon has formatted as lines. */
function problemsOf(value: unknown): readonly Problem[] {
  if (!Array.isArray(value)) return [];
  return value.filter((line): line is string => typeof line === 'string').map((message) => ({ message }));
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
