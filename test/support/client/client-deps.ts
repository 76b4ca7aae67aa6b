/**
 * The client's outside world for tests: memory streams, a clock that sleeps in no time, and a network that records what
 * was sent and opens as the test says. Tests about sockets and files use real ones.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Address, Deps, PortAnswer, SendReport } from '../../../client/deps.ts';
import { parsePortRanges } from '../../../shared/allowed-ports.ts';
import { formatProfileUri, type Profile } from '../../../shared/formats/profile-uri.ts';
import { formatSequence, type Knock } from '../../../shared/knock.ts';
import { Secret } from '../../../shared/secret.ts';

/** Base32 of the RFC 4226 secret `12345678901234567890`: no program may print it. */
export const MARKER_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

/** 2026-01-01T00:00:10Z: ten seconds into a time step. */
export const TEN_SECONDS_IN = Date.UTC(2026, 0, 1, 0, 0, 10);

export function testProfile(changes: Partial<Profile> = {}): Profile {
  return {
    server: 'bastion1',
    door: 'ssh',
    client: 'laptop',
    mode: 'totp',
    secret: Secret.fromBase32(MARKER_SECRET),
    host: '192.0.2.1',
    knocks: 6,
    range: parsePortRanges('1024-65535'),
    exclude: parsePortRanges('1900'),
    protocols: 'tcp',
    order: 'any',
    step: 30,
    window: 1,
    counter: 0,
    seqTimeout: 10,
    services: [{ protocol: 'tcp', port: 22 }],
    ...changes,
  };
}

export function testUri(changes: Partial<Profile> = {}): string {
  return formatProfileUri(testProfile(changes));
}

export interface World {
  /** `ADDRESS: SEQUENCE` for each pass. */
  readonly sent: string[];
  /** After how many passes the port opens; never when fewer are sent. */
  opensAfterPasses: number;
  addresses: readonly Address[];
  routeErrors: ReadonlyMap<string, string>;
  sendFailure: string | undefined;
  refuses: boolean;
  wallMs: number;
  stdin: string;
  /** The answer of a time server to a question; undefined for none. */
  timeAnswer: ((question: Uint8Array) => Uint8Array) | undefined;
  /** The result of a connection, by `ADDRESS:PORT` or `ADDRESS`; silent by default. */
  readonly ports: Map<string, PortAnswer>;
  /** Files of the system. */
  readonly texts: Map<string, string>;
  /** The lines typed at the terminal, in order. */
  readonly typed: string[];
  /** This host's own address. */
  ownIpv4: string;
  /** This host's IPv4 address, as a name server reports it. */
  whoami: string | undefined;
  /** Programs that were run: their arguments, and the variables that were added. */
  readonly ran: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }[];
  /** The exit status of the next program. */
  programStatus: number;
}

export function testWorld(changes: Partial<World> = {}): World {
  return {
    sent: [],
    opensAfterPasses: 1,
    addresses: [{ address: '192.0.2.1', family: 4 }],
    routeErrors: new Map(),
    sendFailure: undefined,
    refuses: false,
    wallMs: TEN_SECONDS_IN,
    stdin: '',
    timeAnswer: undefined,
    ports: new Map(),
    texts: new Map(),
    typed: [],
    ownIpv4: '198.51.100.7',
    whoami: '203.0.113.9',
    ran: [],
    programStatus: 0,
    ...changes,
  };
}

export interface Outputs {
  stdout: string;
  stderr: string;
}

/** Deps of a world. Sleeping advances both clocks; a probe ends when its signal aborts or the door opens. */
export function testDeps(world: World, home: string): { readonly deps: Deps; readonly outputs: Outputs } {
  const outputs: Outputs = { stdout: '', stderr: '' };
  const stdout = new PassThrough().on('data', (chunk) => {
    outputs.stdout += String(chunk);
  });
  const stderr = new PassThrough().on('data', (chunk) => {
    outputs.stderr += String(chunk);
  });
  let monotonicMs = 0;
  const waiting = new Set<() => void>();
  const isOpen = () => world.sent.length >= world.opensAfterPasses;
  const deps: Deps = {
    stdin: Readable.from(world.stdin === '' ? [] : [world.stdin]),
    stdout,
    stderr,
    closeStdout: async () => {
      stdout.end();
    },
    env: { HOME: home },
    owner: { platform: process.platform, uid: process.getuid?.() },
    clock: {
      wallMs: () => world.wallMs,
      monotonicMs: () => monotonicMs,
      sleep: async (ms, signal) => {
        // The patience of one factor and its repetitions sleep in parallel: turns keep them in step.
        const untilMs = monotonicMs + ms;
        const isAborted = () => signal?.aborted === true;
        while (monotonicMs < untilMs && !isAborted()) {
          await new Promise(setImmediate);
          const stepMs = Math.min(50, untilMs - monotonicMs);
          // A turn has passed: another sleeper may have moved the clock, or the door may have opened.
          if (stepMs <= 0 || isAborted()) return;
          monotonicMs += stepMs;
          world.wallMs += stepMs;
        }
      },
    },
    self: ['knock-otp'],
    readText: async (path) => world.texts.get(path),
    askPassphrase: async () => world.typed.shift(),
    runProgram: async (argv, env) => {
      world.ran.push({ argv, env });
      return world.programStatus;
    },
    network: {
      resolve: async (_, family) => world.addresses.filter((each) => family === 0 || each.family === family),
      resolveInTime: async () => world.addresses,
      localAddress: async ({ family }) => (family === 4 ? world.ownIpv4 : '2001:db8::7'),
      whoami: async (_, family) => (family === 4 ? world.whoami : undefined),
      routeError: async ({ address }) => world.routeErrors.get(address),
      send: async ({ address }: Address, knocks: readonly Knock[]): Promise<SendReport> => {
        if (world.sendFailure !== undefined) return { sent: 0, failures: knocks.map(() => world.sendFailure ?? '') };
        world.sent.push(`${address}: ${formatSequence(knocks)}`);
        if (isOpen()) for (const wake of waiting) wake();
        return { sent: knocks.length, failures: [] };
      },
      exchange: async (_, _port, question) => world.timeAnswer?.(question),
      tryPort: async ({ address }, port) =>
        world.ports.get(`${address}:${port}`) ?? world.ports.get(address) ?? 'silent',
      probe: (_, _port, seen, signal) =>
        new Promise((resolve) => {
          if (world.refuses) seen.refused += 1;
          const open = () => {
            seen.rttMs = 10;
            resolve(Object.defineProperty(new Socket(), 'localAddress', { value: world.ownIpv4 }));
          };
          if (isOpen()) return open();
          waiting.add(open);
          signal.addEventListener('abort', () => resolve(undefined), { once: true });
        }),
    },
  };
  return { deps, outputs };
}

/** Runs `body` with a home folder of its own. */
export async function inHome<T>(body: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'knock-otp-'));
  try {
    return await body(home);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}
