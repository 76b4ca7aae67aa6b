/**
 * The network of a benchmark: a server with one daemon and a service behind it, a client that knocks, and a host that
 * floods, each in its own namespace. Every knock comes from a new address, so that no knock waits for a grant to end.
 * `nft monitor` shows when the firewall lets the address in.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Network, type NetworkHost } from '../../lab/namespaces.ts';
import type { RunningProcess } from '../../lab/running-process.ts';
import { between, type Knocked, type Moment, now, type Order } from '../report/orders.ts';
import { compiled } from '../traffic/compiled.ts';
import { Flood, type FloodRequest } from '../traffic/flood.ts';

const KNOCKER = fileURLToPath(new URL('../../../dist/scripts/bench/traffic/knocker.js', import.meta.url));
export const HIDDEN_PORT = 22;
const SERVICE = `require('node:net').createServer((s) => s.on('error', () => {}).end()).listen(${HIDDEN_PORT}, '::',
  () => console.log('serving'))`;
/** How long an event of the kernel may take to arrive. */
const EVENT_PATIENCE_MS = 300;

/** What the path to the server does to packets, both ways. Percentages of all packets. */
export interface PathQuality {
  readonly delayMs: number;
  readonly lossPercent: number;
  readonly reorderPercent: number;
  readonly duplicatePercent: number;
}

export interface RigOptions {
  /** The number of further hosts that knock. */
  readonly lanes?: number;
  /** The bad path in front of the server; a plain switch when not given. */
  readonly path?: PathQuality;
}

/** One measured knock. Milliseconds; NaN when it did not open. */
export interface TimedKnock {
  readonly opened: boolean;
  /** From before the first packet until the rule is in the kernel. */
  readonly firstToRuleMs: number;
  /** The same from after the last packet. */
  readonly lastToRuleMs: number;
  /** From before the first packet until the client has a connection. */
  readonly firstToConnectedMs: number;
  readonly nextCounter: number;
}

export class Rig implements AsyncDisposable {
  readonly dir: string;
  readonly server: NetworkHost;
  readonly client: NetworkHost;
  readonly flooder: NetworkHost;
  readonly lanes: readonly NetworkHost[];
  readonly #network: Network;
  readonly #children: ChildProcess[] = [];
  readonly #daemons: RunningProcess[] = [];
  readonly #opened = new Map<string, Moment>();
  #flood = '';
  #knocker: ChildProcess | undefined;
  #sources = 0;

  private constructor(network: Network, dir: string, lanes: readonly string[]) {
    this.#network = network;
    this.dir = dir;
    this.server = network.host('server');
    this.client = network.host('client');
    this.flooder = network.host('flooder');
    this.lanes = lanes.map((name) => network.host(name));
  }

  static async create({ lanes = 0, path }: RigOptions = {}): Promise<Rig> {
    const names = Array.from({ length: lanes }, (_, at) => `lane${at + 1}`);
    const network = await Network.create(['server', 'client', 'flooder', ...names, ...(path ? ['path'] : [])]);
    const rig = new Rig(network, await mkdtemp(join(tmpdir(), 'knock-otp-bench-')), names);
    try {
      await chmod(rig.dir, 0o700);
      rig.#flood = await compiled('flood', rig.dir);
      if (path !== undefined) await rig.#insertPath(path);
      await rig.server.ip('route add 10.78.0.0/16 dev eth0');
      const service = rig.#spawn(rig.server, [process.execPath, '-e', SERVICE]);
      if (service.stdout !== null) await once(service.stdout, 'data');
      rig.#watchRules();
      rig.#knocker = rig.#spawn(rig.client, [process.execPath, KNOCKER], true);
      await once(rig.#knocker, 'message');
      return rig;
    } catch (error) {
      await rig.dispose();
      throw error;
    }
  }

  /** Starts a daemon on the server, which ends with the rig. Its environment keeps its files out of the user's home. */
  daemon(argv: readonly string[]): RunningProcess {
    const daemon = this.server.spawn(argv, { env: { HOME: this.dir } });
    this.#daemons.push(daemon);
    return daemon;
  }

  flood(request: FloodRequest): Flood {
    return new Flood(this.#flood, this.flooder, this.server, request);
  }

  /** From now on the packets of a host to the server come from a new address. */
  async nextSource(host = this.client): Promise<string> {
    this.#sources += 1;
    const source = `10.78.${this.#sources >> 8}.${this.#sources & 255}`;
    await host.ip(`addr add ${source}/32 dev eth0\nroute replace ${this.server.ipv4}/32 dev eth0 src ${source}`);
    return source;
  }

  /** One knock from a new address. `send` runs first, when another program sends the packets. */
  async knock(order: Order, send?: (source: string) => Promise<unknown>): Promise<TimedKnock> {
    const source = await this.nextSource();
    const before = now();
    await send?.(source);
    const knocker = this.#knocker;
    if (knocker === undefined) throw new Error('the rig has no client that knocks');
    const answer = once(knocker, 'message');
    knocker.send(order);
    const done = ((await answer) as [Knocked])[0];
    const first = send === undefined ? done.first : before;
    const last = send === undefined ? done.last : before;
    if (!done.opened) {
      const never = Number.NaN;
      return {
        opened: false,
        firstToRuleMs: never,
        lastToRuleMs: never,
        firstToConnectedMs: never,
        nextCounter: done.nextCounter,
      };
    }
    const rule = (await this.ruleFor(source, EVENT_PATIENCE_MS)) ?? done.connected;
    return {
      opened: true,
      firstToRuleMs: between(first, rule),
      lastToRuleMs: between(last, rule),
      firstToConnectedMs: between(first, done.connected),
      nextCounter: done.nextCounter,
    };
  }

  /** The time when the firewall let a source in; undefined when it does not do so in time. */
  async ruleFor(source: string, patienceMs: number): Promise<Moment | undefined> {
    const until = performance.now() + patienceMs;
    while (!this.#opened.has(source) && performance.now() < until) await pause(2);
    return this.#opened.get(source);
  }

  /** Polls until a condition holds. @throws Error after ten seconds */
  async until(what: string, condition: () => Promise<boolean>, patienceMs = 10_000): Promise<void> {
    const end = performance.now() + patienceMs;
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`not in time: ${what}`);
      await pause(20);
    }
  }

  async dispose(): Promise<void> {
    const ends = this.#children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const end = once(child, 'exit');
      child.kill('SIGKILL');
      await end;
    });
    await Promise.all([...ends, ...this.#daemons.map((daemon) => daemon.end('SIGKILL'))]);
    await this.#network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Puts a host between switch and server that forwards frames over a bad path. */
  async #insertPath({ delayMs, lossPercent, reorderPercent, duplicatePercent }: PathQuality): Promise<void> {
    const path = this.#network.host('path');
    const program = await compiled('lossy', this.dir);
    await this.#network.unplug(this.server);
    await path.ip(
      `addr flush dev eth0\nlink add eth1 type veth peer name eth0 address ${this.server.mac} netns ${this.server.holderPid}\nlink set eth1 up`,
    );
    await this.server.ip('link set eth0 up');
    await this.#network.address(this.server);
    const qualities = [delayMs, lossPercent, reorderPercent, duplicatePercent].map(String);
    const forwarder = this.#spawn(path, [program, 'eth0', 'eth1', ...qualities]);
    if (forwarder.stdout !== null) await once(forwarder.stdout, 'data');
  }

  #watchRules(): void {
    // nft warns of each event of a set whose creation it did not see.
    const monitor = this.#spawn(this.server, ['sh', '-c', 'exec nft monitor 2>/dev/null']);
    if (monitor.stdout === null) return;
    createInterface({ input: monitor.stdout }).on('line', (line) => {
      const source = /\b10\.78\.\d+\.\d+\b/.exec(line)?.[0];
      if (source !== undefined && !this.#opened.has(source)) this.#opened.set(source, now());
    });
  }

  #spawn(host: NetworkHost, argv: readonly string[], messages = false): ChildProcess {
    const words = ['--pdeathsig', 'KILL', '--', ...host.inside(argv)];
    const child = spawn('setpriv', words, {
      stdio: ['ignore', 'pipe', 'inherit', ...(messages ? ['ipc' as const] : [])],
    });
    this.#children.push(child);
    return child;
  }
}
