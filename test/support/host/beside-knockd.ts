/**
 * Runs Debian's knockd and our knock-otpd side by side: two equal hosts with one daemon each, the same knockd.conf,
 * and the same frames for both at the same moment. The commands of each daemon write into a file (`/var/lib/say open
 * %IP%`) what the daemon did. Each daemon has a /var/lib of its own, because the configuration names one path for
 * both, and knock-otpd keeps its state there by default. Expects nothing.
 */
import { spawnSync } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Network, type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { pcapOfFrames } from '../core/frames.ts';
import { OTHER_ADDRESSES, parsePacketScript, SHARED, type Step } from '../core/packet-script.ts';
import { SERVER_PROGRAM } from './built.ts';

const BARRIER = '[barrier]\nsequence = 61001,61003,61002\ntcpflags = syn\nstart_command = /bin/true %IP%\n';
const BARRIER_SCRIPT = 'F>61001 F>61003 F>61002';
/** Higher than all sources of a script. */
const BARRIER_NUMBER = 9;
const PATIENCE_MS = 10_000;

/** The `skip` option of a test that needs knockd and other programs. */
export function skipWithoutPrograms(...programs: string[]): string | false {
  const found = skipWithoutNamespaces();
  if (found !== false || process.env['CI'] === 'true') return found;
  const missing = ['knockd', ...programs].find(
    (program) => spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0,
  );
  return missing === undefined ? false : `${missing} is not installed`;
}

/** One of the two daemons, with its host. */
export class Side {
  readonly name: 'knockd' | 'ours';
  readonly host: NetworkHost;
  /** The folder that the daemon sees as /var/lib. */
  readonly dir: string;
  #daemon: RunningProcess | undefined;
  #logRead = 0;

  constructor(name: 'knockd' | 'ours', host: NetworkHost, dir: string) {
    this.name = name;
    this.host = host;
    this.dir = dir;
  }

  get daemon(): RunningProcess {
    if (this.#daemon === undefined) throw new Error(`${this.name} was not started`);
    return this.#daemon;
  }

  /** The command in the daemon's view of the file system. */
  inside(argv: readonly string[]): readonly string[] {
    const script = 'mount --bind "$0/sbin" /usr/local/sbin && mount --bind "$0" /var/lib && exec "$@"';
    return ['unshare', '-m', 'sh', '-c', script, this.dir, ...argv];
  }

  /**
   * Starts the daemon with a configuration file and waits until it captures, or until knockd says that it never will.
   */
  async start(
    config: string,
    { args = [], deaf = false }: { args?: readonly string[]; deaf?: boolean } = {},
  ): Promise<void> {
    await rm(join(this.dir, 'log'), { force: true });
    this.#logRead = 0;
    const options = ['-i', 'eth0', '-c', config, '-g', '/var/lib/log', '-p', '/var/lib/pid', ...args];
    const program = this.name === 'knockd' ? ['knockd'] : [process.execPath, SERVER_PROGRAM];
    this.#daemon = this.host.spawn(this.inside([...program, ...options]));
    if (this.name === 'ours') {
      await this.#daemon.waitForLine(/\bready\b/);
      return;
    }
    const daemon = this.#daemon;
    // knockd logs this before its filter is in the kernel, and libpcap discards earlier packets. The first filter is
    // libpcap's own: it has one instruction and passes nothing.
    const listens = async (): Promise<boolean> =>
      deaf
        ? (await this.log()).includes('starting up')
        : /bpf filter \((?!1\))/.test(await this.host.must(['ss', '-0bn']));
    await this.until('knockd listens', async () => daemon.ended || (await listens()));
    if (daemon.ended) throw new Error(`knockd ended: ${daemon.stderr}`);
  }

  async stop(): Promise<void> {
    await this.#daemon?.end(this.name === 'ours' ? 'SIGTERM' : 'SIGKILL');
  }

  async log(): Promise<string> {
    return await textOf(join(this.dir, 'log'));
  }

  /** What the commands wrote, in order. */
  async said(): Promise<readonly string[]> {
    return (await textOf(join(this.dir, 'said'))).split('\n').filter((line) => line !== '');
  }

  async put(file: string, content: string): Promise<void> {
    await writeFile(join(this.dir, file), content, { mode: 0o600 });
  }

  /** Whether the log since the last barrier says that the barrier's door has opened. */
  async passedBarrier(): Promise<boolean> {
    const text = await this.log();
    const at = text.indexOf('barrier: OPEN SESAME', this.#logRead);
    if (at < 0) return false;
    this.#logRead = at + 1;
    return true;
  }

  /** Polls every few milliseconds, because knockd shows its state only in files. Returns false after a time limit. */
  async sees(condition: () => Promise<boolean>, patienceMs = PATIENCE_MS): Promise<boolean> {
    const end = performance.now() + patienceMs;
    while (!(await condition())) {
      if (performance.now() > end) return false;
      await pause(5);
    }
    return true;
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    if (!(await this.sees(condition))) throw new Error(`${this.name}: not in time: ${what}\n${await this.log()}`);
  }
}

export class BesideKnockd implements AsyncDisposable {
  readonly network: Network;
  readonly client: NetworkHost;
  readonly knockd: Side;
  readonly ours: Side;
  readonly dir: string;
  readonly config: string;

  private constructor(network: Network, dir: string) {
    this.network = network;
    this.dir = dir;
    this.client = network.host('client');
    this.knockd = new Side('knockd', network.host('knockd'), join(dir, 'knockd'));
    this.ours = new Side('ours', network.host('ours'), join(dir, 'ours'));
    this.config = join(dir, 'knockd.conf');
  }

  get sides(): readonly Side[] {
    return [this.knockd, this.ours];
  }

  static async create(): Promise<BesideKnockd> {
    const network = await Network.create(['client', 'knockd', 'ours']);
    const dir = await mkdtemp(join(tmpdir(), 'knock-otp-interop-'));
    const both = new BesideKnockd(network, dir);
    try {
      await chmod(dir, 0o700);
      for (const { dir: own, host } of both.sides) {
        await mkdir(own, { mode: 0o700 });
        await mkdir(join(own, 'sbin'));
        const [otherIpv4, otherIpv6] = OTHER_ADDRESSES;
        await host.ip(
          [`${SHARED.ipv4}/24`, `${otherIpv4}/24`, `${SHARED.ipv6}/64 nodad`, `${otherIpv6}/64 nodad`]
            .map((address) => `addr add dev eth0 ${address}`)
            .join('\n'),
        );
      }
      await both.putProgram('say', 'echo "$*" >> /var/lib/said');
      return both;
    } catch (error) {
      await both.dispose();
      throw error;
    }
  }

  /** Writes the configuration of both, with a door for barriers at its end. */
  async configure(doors: string): Promise<void> {
    await writeFile(this.config, `${doors}\n${BARRIER}`, { mode: 0o600 });
  }

  /** Writes a file of both below /var/lib. */
  async put(file: string, content: string): Promise<void> {
    for (const side of this.sides) await side.put(file, content);
  }

  /** Writes a shell script of both below /var/lib; a script in `sbin/` is in /usr/local/sbin too. */
  async putProgram(file: string, script: string): Promise<void> {
    for (const { dir } of this.sides) {
      await writeFile(join(dir, file), `#!/bin/sh\n${script}\n`);
      await chmod(join(dir, file), 0o755);
    }
  }

  async send(script: string, number = 0): Promise<void> {
    for (const step of parsePacketScript(script, number)) await this.#take(step);
  }

  /**
   * Resolves when both daemons have judged all packets that were sent before, and their commands have run: a sequence
   * from its own address has opened its own door twice, so a command that was started before the first opening has
   * ended. The error names a daemon that has ended instead.
   */
  async barrier(): Promise<readonly Side[]> {
    const ended: Side[] = [];
    for (let round = 0; round < 2; round += 1) {
      await this.send(BARRIER_SCRIPT, BARRIER_NUMBER);
      for (const side of this.sides.filter((candidate) => !ended.includes(candidate))) {
        await side.until('barrier', async () => (await side.passedBarrier()) || side.daemon.ended);
        if (side.daemon.ended) ended.push(side);
      }
    }
    return ended;
  }

  async dispose(): Promise<void> {
    for (const side of this.sides) await side.stop().catch(() => undefined);
    await this.network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #take(step: Step): Promise<void> {
    if (step.kind === 'wait') return await pause(step.ms);
    if (step.kind === 'at') return await pause((step.ms + 1000 - (Date.now() % 1000)) % 1000);
    // Slow enough that the commands of two packets start in order; a sweep is fast, as real sweeps are.
    await this.sendFrames(step.frames, step.frames.length > 100 ? 20_000 : 100);
  }

  async sendFrames(frames: readonly Buffer[], rate: number): Promise<void> {
    const file = join(this.dir, 'send.pcap');
    await writeFile(file, pcapOfFrames(frames));
    await this.client.must(['tcpreplay', '-q', `--pps=${rate}`, '-i', 'eth0', file]);
  }
}

async function textOf(file: string): Promise<string> {
  try {
    await access(file);
    return await readFile(file, 'utf8');
  } catch {
    return '';
  }
}
