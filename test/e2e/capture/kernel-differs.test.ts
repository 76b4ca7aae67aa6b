/** Sends the same packets through both captures and directly into the engine: all decisions must be equal. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Network, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { addressKey } from '../../../shared/address.ts';
import { isUdp, knockOf, type Pair } from '../../../shared/knock.ts';
import { frameOf, pcapOfFrames } from '../../support/core/frames.ts';
import {
  BARRIER_PORT,
  BARRIER_SOURCE,
  NEXT,
  now,
  ROTATE,
  random,
  type Variant,
  World,
} from '../../support/daemon/both-worlds.ts';
import { captureChild } from '../../support/daemon/capture-child.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 300_000 };
const main = fileURLToPath(new URL('../../support/daemon/both-captures.ts', import.meta.url));
/** The most packets at a time, because with offloading libpcap's ring holds 128. */
const CHUNK = 90;
const SCRIPTS = process.env['KNOCK_OTP_LONG'] === undefined ? 240 : 6000;
const SYN = 2;

interface Sent {
  readonly source: string;
  readonly pair: Pair;
  readonly flags: number;
}

type Decisions = Readonly<Record<string, readonly string[]>>;

class Comparison implements AsyncDisposable {
  readonly world: World;
  readonly network: Network;
  readonly program: RunningProcess;
  readonly dir: string;
  #barriers = 0;

  private constructor(network: Network, program: RunningProcess, dir: string, variant: Variant) {
    this.network = network;
    this.program = program;
    this.dir = dir;
    this.world = new World(variant);
    this.world.rotate();
  }

  static async create(variant: Variant, suspects = 65_536, env: Record<string, string> = {}): Promise<Comparison> {
    const network = await Network.create(['server', 'client']);
    const { ipv4, ipv6 } = network.host('server');
    const argv = [process.execPath, '--import', 'tsx', main, variant, `${suspects}`, 'eth0', ipv4, ipv6];
    const program = network.host('server').spawn(argv, { timeoutMs: 280_000, env });
    const dir = await mkdtemp(join(tmpdir(), 'knock-otp-differs-'));
    const comparison = new Comparison(network, program, dir, variant);
    await program.waitForLine(/^started$/, 0, 60_000);
    return comparison;
  }

  frame({ source, pair, flags }: Sent, at = 0): Buffer {
    const [server, client] = [this.network.host('server'), this.network.host('client')];
    const to = source.includes(':') ? server.ipv6 : server.ipv4;
    const ends = { fromMac: client.mac, toMac: server.mac, from: source, to };
    return frameOf(ends, { ...knockOf(pair), ...(isUdp(pair) ? {} : { flags }) }, at);
  }

  async replay(frames: readonly Buffer[], ...args: string[]): Promise<void> {
    const file = join(this.dir, 'frames.pcap');
    await writeFile(file, pcapOfFrames(frames));
    const rate = args.length > 0 ? args : ['--pps=2000'];
    await this.network.host('client').must(['tcpreplay', '-q', ...rate, '-i', 'eth0', file]);
  }

  /** Sends packets, and returns the program's output after it has decided all of them. */
  async send(sent: readonly Sent[], kind: typeof NEXT | typeof ROTATE = NEXT): Promise<string> {
    let said = '';
    for (let from = 0; from < Math.max(1, sent.length); from += CHUNK) {
      const some = sent.slice(from, from + CHUNK);
      const last = from + CHUNK >= sent.length;
      this.#refer(some);
      const barrier = [BARRIER_PORT, last ? kind : NEXT].map((pair) => ({ source: BARRIER_SOURCE, pair, flags: SYN }));
      this.#barriers += 1;
      const line = this.program.waitForLine(new RegExp(`^barrier ${this.#barriers} `), 0, 30_000);
      await this.replay([...some, ...barrier].map((one, at) => this.frame(one, at)));
      said = await line;
    }
    if (kind === ROTATE) this.world.rotate();
    return said;
  }

  #refer(sent: readonly Sent[]): void {
    for (const { source, pair, flags } of sent) {
      const key = addressKey(source);
      assert.ok(key !== undefined);
      this.world.arrive(now().monoMs, key, key, pair, isUdp(pair) ? 0 : flags, true);
    }
  }

  async end(): Promise<{ readonly pcap: Decisions; readonly kernel: Decisions; readonly reference: Decisions }> {
    const { stderr } = await this.program.end();
    const line = stderr.split('\n').find((text) => text.startsWith('{"pcap"'));
    assert.ok(line !== undefined, stderr);
    const { [BARRIER_SOURCE]: _, ...reference } = Object.fromEntries(this.world.decisions);
    const decisions: { pcap: Record<string, string[]>; kernel: Record<string, string[]> } = JSON.parse(line);
    for (const side of [decisions.pcap, decisions.kernel]) delete side[BARRIER_SOURCE];
    return { ...decisions, reference };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.end('SIGKILL');
    await this.network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A knock among strays, with missing, repeated or swapped packets: some open, some just do not. */
function script(world: World, source: string, next: () => number): Sent[] {
  const doors = world.doors.filter(({ name }) => name !== 'barrier');
  const name = doors[Math.floor(next() * doors.length)]?.name ?? '';
  const lines = world.lines(name);
  const knocks = [...(lines[Math.floor(next() * lines.length)]?.pairs ?? [])];
  if (next() < 0.3) {
    const at = Math.floor(next() * (knocks.length - 1));
    knocks.splice(at, 2, ...knocks.slice(at, at + 2).reverse());
  }
  const live = doors.flatMap((door) => world.lines(door.name).flatMap(({ pairs }) => pairs));
  const sent: Sent[] = [];
  const put = (pair: Pair): void => {
    const flags = next() < 0.05 ? Math.floor(next() * 64) : SYN;
    sent.push({ source, pair, flags });
  };
  for (const knock of knocks) {
    while (next() < 0.35)
      put(next() < 0.2 ? (live[Math.floor(next() * live.length)] ?? 1) : 1000 + Math.floor(next() * 40));
    if (next() < 0.95) put(knock);
    if (next() < 0.1) put(knock);
  }
  return sent;
}

function sourceOf(number: number): string {
  return number % 3 === 0 ? `fd78::${number.toString(16)}` : `10.78.${number >> 8}.${number & 0xff}`;
}

/** Interleaves two scripts packet by packet: sources must not affect each other. */
function interleaved(scripts: readonly (readonly Sent[])[]): Sent[] {
  const longest = Math.max(0, ...scripts.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => scripts.flatMap((one) => one[at] ?? [])).flat();
}

function admissions(decisions: Decisions): readonly string[] {
  return Object.entries(decisions).flatMap(([source, said]) =>
    said.filter((text) => text.startsWith('admit')).map((text) => `${source} ${text.split(' ')[1]}`),
  );
}

for (const variant of ['opening', 'any'] as const) {
  test(
    `when the same packets come by both captures, with ${variant} TCP packets and rotations in between, then every decision is the same`,
    options,
    async (context) => {
      const seed = Number(process.env['KNOCK_OTP_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
      context.diagnostic(`KNOCK_OTP_SEED=${seed}`);
      await using comparison = await Comparison.create(variant);
      const next = random(seed);
      const perRound = 40;
      for (let first = 0; first < SCRIPTS / 2; first += perRound) {
        const scripts = Array.from({ length: perRound }, (_, at) =>
          script(comparison.world, sourceOf(first + at + 1), next),
        );
        // One source uses a line, another replays it.
        const [line] = comparison.world.lines('lines');
        const replayed = [first, first + 1].map((at) =>
          (line?.pairs ?? []).map((pair) => ({ source: `10.79.${at >> 8}.${at & 0xff}`, pair, flags: SYN })),
        );
        await comparison.send(replayed.flat());
        const cut = scripts.map(({ length }) => (next() < 0.5 ? length : Math.floor(next() * length)));
        await comparison.send(interleaved(scripts.map((one, at) => one.slice(0, cut[at]))), ROTATE);
        await comparison.send(interleaved(scripts.map((one, at) => one.slice(cut[at]))));
      }
      const { pcap, kernel, reference } = await comparison.end();
      assert.deepEqual(kernel, reference);
      assert.deepEqual(pcap, reference);
      const kinds = new Set(Object.values(reference).flatMap((said) => said.map((text) => text.split(' ')[0])));
      assert.deepEqual([...kinds].sort(), ['admit', 'contested', 'refuse', 'stage'], 'the scripts reach everything');
    },
  );
}

test(
  'when more sources touch live ports than the kernel can watch then nothing opens too easily, and knocks open again',
  options,
  async () => {
    await using comparison = await Comparison.create('opening', 4);
    const next = random(1);
    const scripts = (from: number) =>
      Array.from({ length: 20 }, (_, at) => script(comparison.world, sourceOf(from + at), next));
    // The barrier's source gets its place before all others.
    await comparison.send([]);
    let said = await comparison.send(interleaved(scripts(1)));
    const early = new Set(Object.keys(Object.fromEntries(comparison.world.decisions)));
    for (let turn = 0; !said.includes('sees all') && turn < 100; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      said = await comparison.send([]);
    }
    assert.match(said, /sees all/);
    // No line remains that only one side has used.
    for (let turn = 0; turn < 4; turn += 1) await comparison.send([], ROTATE);
    await comparison.send(interleaved(scripts(1001)), ROTATE);
    await comparison.send(interleaved(scripts(2001)));
    const { kernel, reference } = await comparison.end();
    const wanted = admissions(reference);
    for (const admission of admissions(kernel)) assert.ok(wanted.includes(admission), `${admission} opened alone`);
    const late = (decisions: Decisions) =>
      Object.fromEntries(Object.entries(decisions).filter(([source]) => !early.has(source)));
    assert.deepEqual(late(kernel), late(reference));
    assert.ok(admissions(late(reference)).length > 0, 'something opened');
  },
);

/** Bytes in the receive queue of the group's socket: protocol, then port, groups and Rmem. */
function waitingIn(child: number): number {
  const rows = readFileSync(`/proc/${child}/net/netlink`, 'latin1').split('\n');
  const columns = rows.map((row) => row.trim().split(/\s+/)).filter(([, protocol]) => protocol === '12');
  return Math.max(0, ...columns.map(([, , , , received]) => Number(received)));
}

test(
  'when messages of the kernel are lost in the midst of a knock then it opens nothing that it should not',
  options,
  async (context) => {
    await using comparison = await Comparison.create(
      'opening',
      1000,
      process.env['BLIND_TO_LOSS'] ? { BLIND_TO_LOSS: '1' } : {},
    );
    const { world, program } = comparison;
    const knocks = world.lines('any')[0]?.pairs ?? [];
    const victim = '10.78.0.1';
    const from = (pairs: readonly Pair[], source = victim): Sent[] =>
      pairs.map((pair) => ({ source, pair, flags: SYN }));
    await comparison.send(from(knocks.slice(0, 3)));
    const child = captureChild(program.pid, 'nflog:7077');
    process.kill(child, 'SIGSTOP');
    try {
      const flood = from([knocks[0] ?? 1], '10.78.9.9').map((one) => comparison.frame(one));
      await comparison.replay(
        Array.from({ length: 100 }, () => flood[0] ?? Buffer.alloc(0)),
        '--topspeed',
        '--loop=400',
      );
      await comparison.replay(
        from(Array.from({ length: 12 }, (_, at) => 1000 + at)).map((one, at) => comparison.frame(one, at)),
      );
    } finally {
      process.kill(child, 'SIGCONT');
      // Otherwise the next packets would be lost as well.
      while (waitingIn(child) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const said = await comparison.send(from(knocks.slice(3)));
    context.diagnostic(said);
    assert.ok(Number(/lost (\d+)/.exec(said)?.[1]) > 12, `${said}: nothing was lost`);
    // Complete knocks still open.
    await comparison.send(from(knocks, '10.78.0.2'));
    const { kernel } = await comparison.end();
    assert.deepEqual(admissions(kernel), ['10.78.0.2 any']);
  },
);
