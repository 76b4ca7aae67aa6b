/**
 * The built knock-otpd on loopback, with its real capture process, which tests kill. Knocks are SYNs of real sockets,
 * each sequence from its own address in 127/8. Records what was sent from where. Needs its own network namespace.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { parsePortRanges } from '../../../shared/allowed-ports.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { profileShape } from '../../../shared/formats/profile-uri.ts';
import { GENERATED_SECRET_BYTES, Secret } from '../../../shared/secret.ts';
import { SERVER_PROGRAM } from '../host/built.ts';
import { pause } from './kill-plan.ts';

const HOST = '127.0.0.1';
const PORTS = '1024-65535';
const EXCLUDED = '1900';
const START_TIMEOUT_MS = 60_000;

export interface SentKnock {
  readonly source: string;
  readonly factor: number;
  readonly ports: readonly number[];
}

export class CaptureWorld {
  readonly #dir: string;
  readonly #secret = Secret.fromBytes(randomBytes(GENERATED_SECRET_BYTES));
  readonly #key = derivationKey(this.#secret);
  #sources = 0;
  #nextFactor = 0;
  /** The factor of each source. */
  readonly #uses = new Map<string, number>();
  /** The source of each factor that opened. */
  readonly #opened = new Map<number, string>();

  constructor(dir: string) {
    this.#dir = dir;
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    mkdirSync(join(dir, 'clients'), { mode: 0o700 });
    const secret = `[gate]\nsecret = ${this.#secret.toBase32()}\n`;
    writeFileSync(join(dir, 'clients/laptop.client'), secret, { mode: 0o600 });
  }

  /** Starts a daemon with one of the two capture modes. */
  async start(capture: 'kernel' | 'pcap'): Promise<RunningProcess> {
    const configFile = join(this.#dir, 'knock-otp.conf');
    writeFileSync(
      configFile,
      `[options]
interface = lo
server_id = bastion
capture = ${capture}
state_dir = ${join(this.#dir, 'state')}
clients_dir = ${join(this.#dir, 'clients')}
[gate]
otp = hotp
look_ahead = 60
port_range = ${PORTS}
exclude_ports = ${EXCLUDED}
open = nftables tcp/22
cmd_timeout = 1
`,
      { mode: 0o600 },
    );
    const daemon = new RunningProcess([process.execPath, SERVER_PROGRAM, '-c', configFile]);
    await daemon.waitForLine(/\bready\b/, 0, START_TIMEOUT_MS);
    return daemon;
  }

  /** Knocks the next factor, from a new address. */
  fresh(): SentKnock {
    this.#nextFactor += 1;
    return this.again(this.#nextFactor - 1);
  }

  /** Knocks a used factor, from a new address. */
  again(factor: number): SentKnock {
    this.#sources += 1;
    const source = [127, 1 + ((this.#sources >> 16) & 127), (this.#sources >> 8) & 255, this.#sources & 255].join('.');
    this.#uses.set(source, factor);
    const identity = { server: 'bastion', door: 'gate', client: 'laptop', mode: 'hotp' } as const;
    const shape = profileShape({
      ...{ knocks: 6, protocols: 'tcp' },
      ...{ range: parsePortRanges(PORTS), exclude: parsePortRanges(EXCLUDED) },
    });
    return { source, factor, ports: deriveSequence(this.#key, identity, factor, shape).map(({ port }) => port) };
  }

  /** The last factor that opened; undefined when none has. */
  get lastOpened(): number | undefined {
    return [...this.#opened.keys()].at(-1);
  }

  get openings(): number {
    return this.#opened.size;
  }

  /** Records the openings of the log. Checks that no factor opens twice, and that every opened source has knocked. */
  read(daemon: RunningProcess): void {
    for (const [, source = ''] of daemon.stderr.matchAll(/\b(?:opened|extended) .*\bsource=([0-9.]+)/g)) {
      const factor = this.#uses.get(source) ?? assert.fail(`a door opened for ${source}, from where nothing was sent`);
      const before = this.#opened.get(factor);
      assert(before === undefined || before === source, `factor ${factor} opened for ${before} and for ${source}`);
      this.#opened.set(factor, source);
    }
  }

  hasOpened({ source, factor }: SentKnock): boolean {
    return this.#opened.get(factor) === source;
  }
}

/** Sends SYNs and waits until they are answered: the ports are closed. */
export async function sendSyns(source: string, ports: readonly number[]): Promise<void> {
  await Promise.all(
    ports.map(
      (port) =>
        new Promise<void>((resolve) => {
          const socket = connect({ host: HOST, port, localAddress: source });
          socket.on('error', () => {}).once('close', () => resolve());
          socket.once('connect', () => socket.destroy());
        }),
    ),
  );
}

/** Kills the daemon's capture process as soon as there is one. */
export async function killCapture(daemon: RunningProcess): Promise<void> {
  const endMs = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    assert(Date.now() < endMs, 'the daemon has no capture process');
    assert(!daemon.ended, `the daemon ended: ${daemon.stderr.slice(-2000)}`);
    const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'latin1').trim().split(' ');
    const capture = children
      .filter(Boolean)
      .find((pid) => /capture\/pcap\/capture-child|knock-otpd-capture/.test(commandOf(pid)));
    if (capture !== undefined) {
      process.kill(Number(capture), 'SIGKILL');
      return;
    }
    await pause(5);
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
