/**
 * Many doors of one knock-otpd on loopback, and the records of knock-otp of its used sequences: reserved factors for
 * some doors, struck lines for the others. The kernel shows which SYNs really left, because a set keeps their ports.
 * Needs its own network namespace.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ledgerName } from '../../../client/profiles/ledger-name.ts';
import { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { openLibnftables } from '../../../server/nft/libnftables.ts';
import type { NftRunner } from '../../../server/nft/nft-runner.ts';
import { parsePortRanges } from '../../../shared/allowed-ports.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { formatProfileUri, type Profile, parseProfileUri, profileShape } from '../../../shared/formats/profile-uri.ts';
import { isUnspent, parseSequencesFile } from '../../../shared/formats/sequences-file.ts';
import { GENERATED_SECRET_BYTES, Secret } from '../../../shared/secret.ts';
import { SERVER_PROGRAM } from '../host/built.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const clientProgram = join(repository, 'dist/knock-otp.cjs');
const HOST = '127.0.0.1';
const FIRST_PORT = 201;
/** The number of lines and factors that may be lost in a row. Before the tests lose more, they let a run finish. */
export const LOOK_AHEAD = 60;
const PORTS = '1024-65535';
const EXCLUDED = '1900';
const WIRE = 'inet wire';
const START_TIMEOUT_MS = 60_000;

/** A door from the view of its client. */
export interface KnockedDoor {
  readonly name: string;
  /** The hidden port, with a listener behind it. */
  readonly port: number;
  readonly argv: readonly string[];
  /** The ports of each factor or line that was used since the last call. */
  taken(): readonly (readonly number[])[];
  /** Monotonic milliseconds of the last run that found the door open. */
  openedAtMs: number;
  /** The number of runs since then. */
  runs: number;
}

export class ClientWorld implements AsyncDisposable {
  readonly doors: readonly KnockedDoor[];
  readonly daemon: RunningProcess;
  readonly #dir: string;
  readonly #nft: NftRunner;
  readonly #listeners: readonly Server[];

  private constructor(
    dir: string,
    doors: readonly KnockedDoor[],
    daemon: RunningProcess,
    nft: NftRunner,
    listeners: readonly Server[],
  ) {
    this.#dir = dir;
    this.doors = doors;
    this.daemon = daemon;
    this.#nft = nft;
    this.#listeners = listeners;
  }

  /** @param lines the number of lines of each file of sequences */
  static async create(dir: string, { derived = 8, written = 4, lines = 600 } = {}): Promise<ClientWorld> {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    const nft = (await openLibnftables()) ?? assert.fail('no libnftables: scripts/setup --test');
    await nft.run(`table ${WIRE} {
      set seen { type inet_service; flags dynamic; size 65535; }
      chain out {
        type filter hook output priority 0;
        tcp dport >= 1024 tcp flags & (syn | ack) == syn add @seen { tcp dport }
      }
    }`);
    for (const folder of ['clients', 'home', 'home/knock-otp', 'home/knock-otp/profiles']) {
      mkdirSync(join(dir, folder), { mode: 0o700 });
    }
    const doors = Array.from({ length: derived + written }, (_, at) =>
      at < derived
        ? derivedDoor(dir, `gate${at}`, FIRST_PORT + at)
        : writtenDoor(dir, `paper${at}`, FIRST_PORT + at, lines),
    );
    const configFile = join(dir, 'knock-otp.conf');
    const options = `[options]
interface = lo
server_id = bastion
state_dir = ${join(dir, 'state')}
clients_dir = ${join(dir, 'clients')}
`;
    writeFileSync(configFile, options + doors.map(({ section }) => section).join(''), { mode: 0o600 });
    writeFileSync(join(dir, 'clients/laptop.client'), doors.map(({ secret }) => secret).join(''), { mode: 0o600 });
    const listeners = await Promise.all(doors.map(({ door }) => listen(door.port)));
    const daemon = new RunningProcess([process.execPath, SERVER_PROGRAM, '-c', configFile]);
    await daemon.waitForLine(/\bready\b/, 0, START_TIMEOUT_MS);
    return new ClientWorld(
      dir,
      doors.map(({ door }) => door),
      daemon,
      nft,
      listeners,
    );
  }

  /** Runs knock-otp once. */
  run(door: KnockedDoor, ...more: readonly string[]): RunningProcess {
    const env = { XDG_CONFIG_HOME: join(this.#dir, 'home'), HOME: join(this.#dir, 'home') };
    return new RunningProcess([process.execPath, clientProgram, ...door.argv, ...more], { env, timeoutMs: 60_000 });
  }

  /** The ports to which SYNs have left since the last call. No client may be running. */
  async sent(): Promise<readonly number[]> {
    const listed = await this.#nft.list(`list set ${WIRE} seen`, 'json');
    await this.#nft.run(`flush set ${WIRE} seen`);
    const { nftables } = JSON.parse(listed) as { readonly nftables: readonly { set?: { elem?: readonly number[] } }[] };
    return nftables.flatMap(({ set }) => set?.elem ?? []);
  }

  /** The doors that the daemon has opened so far, by its log. */
  get opened(): number {
    return this.daemon.stderr.match(/ opened .*door=|OPEN SESAME/g)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.end('SIGKILL');
    for (const listener of this.#listeners) listener.close();
    this.#nft.close();
  }
}

interface MadeDoor {
  readonly door: KnockedDoor;
  /** The door's part of the daemon's configuration. */
  readonly section: string;
  /** The door's part of the client file at the daemon. */
  readonly secret: string;
}

function derivedDoor(dir: string, name: string, port: number): MadeDoor {
  const secret = Secret.fromBytes(randomBytes(GENERATED_SECRET_BYTES));
  const enrolled: Profile = {
    ...{ server: 'bastion', door: name, client: 'laptop', mode: 'hotp', secret, host: HOST, knocks: 6 },
    ...{ range: parsePortRanges(PORTS), exclude: parsePortRanges(EXCLUDED), protocols: 'tcp', order: 'any' },
    ...{ step: 30, window: 1, counter: 0, seqTimeout: 10, services: [{ protocol: 'tcp', port }] },
  };
  const uri = formatProfileUri(enrolled);
  writeFileSync(join(dir, 'home/knock-otp/profiles', `${name}@${name}.profile`), `${uri}\n`, { mode: 0o600 });
  // The client's records have names from the URI.
  const profile = parseProfileUri(uri);
  const ledger = join(dir, 'home/knock-otp/spent', ledgerName(profile));
  const key = derivationKey(secret);
  const shape = profileShape(profile);
  let last = -1;
  const taken = () => {
    const before = last;
    last = Math.max(
      last,
      ...namesIn(ledger)
        .filter((file) => /^\d+$/.test(file))
        .map(Number),
    );
    const factors = Array.from({ length: last - before }, (_, at) => before + 1 + at);
    return factors.map((factor) => deriveSequence(key, profile, factor, shape).map((knock) => knock.port));
  };
  return {
    door: { name, port, argv: [name], taken, openedAtMs: 0, runs: 0 },
    section: `[${name}]
otp = hotp
look_ahead = ${LOOK_AHEAD}
port_range = ${PORTS}
exclude_ports = ${EXCLUDED}
open = nftables tcp/${port}
cmd_timeout = 1
`,
    secret: `[${name}]\nsecret = ${secret.toBase32()}\n`,
  };
}

function writtenDoor(dir: string, name: string, port: number, lines: number): MadeDoor {
  const [there, here] = [join(dir, `${name}.sequences`), join(dir, `${name}.mine`)];
  const line = () => ` ${Array.from({ length: 6 }, () => 1024 + Math.floor(Math.random() * 60_000)).join(',')}\n`;
  const text = Array.from({ length: lines }, line).join('');
  for (const path of [there, here]) writeFileSync(path, text, { mode: 0o600 });
  const spent = () => parseSequencesFile(readFileSync(here)).filter((each) => !isUnspent(each)).length;
  const written = text.split('\n').map((each) => each.trim().split(',').map(Number));
  let last = 0;
  const taken = () => {
    const before = last;
    // Lines are struck from the first on, in order.
    last = spent();
    return written.slice(before, last);
  };
  return {
    door: { name, port, argv: [HOST, '--one-time', here, '--verify', `${port}`], taken, openedAtMs: 0, runs: 0 },
    section: `[${name}]
one_time_sequences = ${there}
look_ahead = ${LOOK_AHEAD}
tcpflags = syn
open = nftables tcp/${port}
cmd_timeout = 1
`,
    secret: '',
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end());
  await new Promise<void>((resolve) => server.listen(port, HOST, resolve));
  return server.unref();
}
