/** `knock-otpd explain FILE`: reads the file, the configuration and the spent factors, and explains each packet. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type AddressKey, addressKey } from '../../shared/address.ts';
import { KnockError } from '../../shared/errors.ts';
import { OneTimeFile } from '../../shared/files/one-time-file.ts';
import { isUnspent, linePairs } from '../../shared/formats/sequences-file.ts';
import { OwnAddresses } from '../capture/own-addresses.ts';
import type { ConfiguredDoor } from '../config/config.ts';
import type { LoadedServer } from '../config/load-server.ts';
import { doorBudget } from '../config/stray-budget.ts';
import type { ListedLine } from '../core/door.ts';
import { hasAnyClose } from '../firewall/firewall.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { readCapture, type Take } from './capture-file.ts';
import { CaptureExplainer, staticLines } from './explain-capture.ts';
import { describeSummary, PacketLines, type Wording } from './explain-text.ts';
import { readStoredFactors } from './stored-factors.ts';
import { Sum } from './summary.ts';

export interface ExplainFlags {
  readonly at?: string;
  readonly own?: string;
  readonly json?: boolean;
}

export interface ExplainOutput {
  /** Prints a line of the result. */
  readonly print: (line: string) => void;
  /** Prints a note to standard error. */
  readonly say: (line: string) => void;
}

/** @throws KnockError USAGE for a wrong --at or --own, CAPTURE when the file cannot be read to its end */
export async function explainFile(
  path: string,
  server: LoadedServer,
  flags: ExplainFlags,
  { print, say }: ExplainOutput,
): Promise<void> {
  const { config, enrolments } = server;
  const firstAtMs = flags.at === undefined ? undefined : parseTime(flags.at);
  const isOwn = ownAddresses(flags.own);
  const file = openCapture(path);
  try {
    const factors = readStoredFactors(config.stateDir);
    if (typeof factors === 'string') say(`${factors}: explain assumes that nothing was spent before the capture`);
    const explainer = new CaptureExplainer({
      config,
      enrolments,
      factors: typeof factors === 'string' ? undefined : factors,
      lines: await writtenLines(server, say),
      maxStraysOf: (door, clients) => doorBudget(door, clients).maxStrays,
      isOwn,
      ...(firstAtMs === undefined ? {} : { firstAtMs }),
    });
    const { doors } = config;
    const wording: Wording = { opens: 'would open', secondsOf: grantSeconds(doors), serving: servingDoors(doors) };
    const lines = new PacketLines(print, wording);
    const sum = new Sum();
    const packets = readCapture(file.take);
    let next = packets.next();
    for (; next.done !== true; next = packets.next()) {
      const packet = explainer.explain(next.value);
      sum.add(packet);
      if (flags.json === true) print(JSON.stringify(packet));
      else lines.add(packet);
    }
    lines.flush();
    const summary = sum.result();
    if (flags.json === true) print(JSON.stringify({ summary }));
    else for (const line of describeSummary(summary, wording)) print(line);
    for (const { door, client } of explainer.usedSince) {
      say(
        `${client} has opened ${door} since the capture began: explain cannot know what was spent before, and treats all as unspent`,
      );
    }
    if (next.value !== undefined) throw new KnockError('CAPTURE', `${path}: ${next.value}`);
  } finally {
    file.close();
  }
}

/** The doors whose service a knock starts. */
export function servingDoors(doors: readonly ConfiguredDoor[]): ReadonlySet<string> {
  return new Set(doors.filter(({ service }) => service !== undefined).map(({ name }) => name));
}

/** Seconds of a grant by door; undefined if nothing closes the door. */
export function grantSeconds(doors: readonly ConfiguredDoor[]): (door: string) => number | undefined {
  return (name) => {
    const door = doors.find((each) => each.name === name);
    return door === undefined || !hasAnyClose(door.action) ? undefined : door.policy.grantMs / 1000;
  };
}

async function writtenLines(
  { config }: LoadedServer,
  say: ExplainOutput['say'],
): Promise<Map<string, readonly ListedLine[]>> {
  const lines = staticLines(config);
  for (const door of config.doors) {
    if (door.kind !== 'file') continue;
    try {
      const unspent = (await new OneTimeFile(door.file).read()).filter(isUnspent);
      lines.set(
        door.name,
        unspent.map((line, id) => ({ id, pairs: linePairs(line) })),
      );
      say(`door ${door.name} is explained with the lines that are unspent in ${door.file} now`);
    } catch (error) {
      say(`door ${door.name}: cannot read its lines: ${formatProblemOf(error)}`);
    }
  }
  return lines;
}

function ownAddresses(list: string | undefined): (address: AddressKey) => boolean {
  if (list === undefined) {
    const own = new OwnAddresses();
    return (address) => own.has(address);
  }
  const keys = list.split(',').map((text) => {
    const key = addressKey(text.trim());
    if (key === undefined) throw new KnockError('USAGE', `--own: "${text.trim().slice(0, 60)}" is not an IP address`);
    return key;
  });
  return (address) => keys.includes(address);
}

/** Unix seconds, or an ISO 8601 date and time, which is local without a zone. */
function parseTime(text: string): number {
  const ms = /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  throw new KnockError('USAGE', `--at: "${text.slice(0, 60)}" is not a time`, {
    hint: 'write 2026-11-21T07:40:00Z, or seconds since 1970',
  });
}

const CHUNK_BYTES = 1024 * 1024;

/** Reads ahead in chunks, so that most records need no system call. The path may be a pipe. */
function openCapture(path: string): { readonly take: Take; close(): void } {
  const descriptor = openForReading(path);
  let buffer: Buffer = Buffer.alloc(0);
  let at = 0;
  const take: Take = (bytes) => {
    while (buffer.length - at < bytes) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const read = readSync(descriptor, chunk, 0, chunk.length, null);
      if (read === 0) return undefined;
      buffer = Buffer.concat([buffer.subarray(at), chunk.subarray(0, read)]);
      at = 0;
    }
    at += bytes;
    return buffer.subarray(at - bytes, at);
  };
  return { take, close: () => closeSync(descriptor) };
}

function openForReading(path: string): number {
  try {
    const descriptor = openSync(path, 'r');
    if (!fstatSync(descriptor).isDirectory()) return descriptor;
    closeSync(descriptor);
  } catch (cause) {
    throw new KnockError('CAPTURE', `cannot read ${path}`, { cause });
  }
  throw new KnockError('CAPTURE', `${path} is a directory`);
}
