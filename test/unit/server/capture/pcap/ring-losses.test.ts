import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Libc } from '../../../../../server/capture/libc.ts';
import { RingLosses, type SocketCounts, socketCounts } from '../../../../../server/capture/pcap/ring-losses.ts';

/** A packet socket's queue with the kernel's two counters; frames are numbered on arrival, lost ones too. */
class Queue {
  readonly #room: number;
  readonly waiting: number[] = [];
  #came = 0;
  #counts = { accepted: 0, lost: 0 };
  /** Runs between the kernel's reading of one counter and the other. */
  meanwhile = 0;

  constructor(room: number) {
    this.#room = room;
  }

  come(frames: number): void {
    for (let at = 0; at < frames; at += 1) {
      this.#came += 1;
      if (this.waiting.length < this.#room) {
        this.waiting.push(this.#came);
        this.#counts.accepted += 1;
      } else this.#counts.lost += 1;
    }
  }

  readonly read = (): SocketCounts => {
    const { accepted } = this.#counts;
    this.#counts.accepted = 0;
    const meanwhile = this.meanwhile;
    this.meanwhile = 0;
    this.come(meanwhile);
    const { lost } = this.#counts;
    this.#counts.lost = 0;
    return { accepted, lost };
  };
}

const LOST = 'lost';

/** The child's rule without its pipe: sends frames in batches, after a check for losses. */
class Reader {
  readonly told: (number | typeof LOST)[] = [];
  readonly #queue: Queue;
  readonly #losses: RingLosses;
  #batch: (number | typeof LOST)[] = [];
  #frames = 0;
  #lost = false;

  constructor(queue: Queue) {
    this.#queue = queue;
    this.#losses = new RingLosses(queue.read);
  }

  readOne(): void {
    const frame = this.#queue.waiting.shift();
    if (frame === undefined) return;
    this.#frames += 1;
    const isDoubtful = this.#losses.doubtful(this.#frames);
    if (this.#lost && !isDoubtful) {
      this.#batch.push(LOST);
      this.#lost = false;
    }
    if (!isDoubtful) this.#batch.push(frame);
  }

  flush(): void {
    if (this.#losses.look() > 0) {
      this.#lost = true;
      this.#batch = this.#batch.map(() => LOST);
    }
    this.told.push(...this.#batch);
    this.#batch = [];
  }

  readAll(): void {
    const until = this.#losses.doubtfulUntil;
    while (this.#queue.waiting.length > 0) this.readOne();
    this.#losses.emptied(until);
  }
}

const action = fc.oneof(
  fc.record({ kind: fc.constant('come' as const), frames: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constantFrom('readOne' as const, 'flush' as const, 'readAll' as const) }),
  fc.record({ kind: fc.constant('meanwhile' as const), frames: fc.integer({ min: 1, max: 12 }) }),
);

describe('losses of a packet socket', () => {
  test('whatever comes, is lost and is read, no two frames are told without a word between that miss some between them', () => {
    let losses = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(action, { maxLength: 60 }), (room, actions) => {
        const queue = new Queue(room);
        const reader = new Reader(queue);
        for (const one of actions) {
          if (one.kind === 'come') queue.come(one.frames);
          else if (one.kind === 'meanwhile') queue.meanwhile = one.frames;
          else reader[one.kind]();
        }
        reader.readAll();
        reader.flush();
        for (const [at, frame] of reader.told.entries()) {
          const next = reader.told[at + 1];
          if (frame === LOST) losses += 1;
          else if (next !== undefined && next !== LOST) assert.equal(next, frame + 1, `${reader.told}`);
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(losses > 1000, `only ${losses} losses`);
  });

  test('when nothing is lost then every frame is told, and nothing is in doubt', () => {
    const queue = new Queue(4);
    const reader = new Reader(queue);
    for (let turn = 0; turn < 10; turn += 1) {
      queue.come(3);
      reader.readOne();
      reader.flush();
      reader.readAll();
      reader.flush();
    }
    assert.deepEqual(
      reader.told,
      Array.from({ length: 30 }, (_, at) => at + 1),
    );
  });

  test('when a loss was noticed then what waited is in doubt until the queue was empty, and what came later is told', () => {
    const queue = new Queue(4);
    const reader = new Reader(queue);
    queue.come(6);
    reader.flush();
    reader.readOne();
    reader.readAll();
    queue.come(1);
    reader.readAll();
    reader.flush();
    assert.deepEqual(reader.told, [LOST, 7]);
  });

  test('when another loss was noticed since the queue was seen empty, then that is no word about it', () => {
    const losses = new RingLosses(() => ({ accepted: 5, lost: 1 }));
    assert.equal(losses.look(), 1);
    const until = losses.doubtfulUntil;
    assert.equal(losses.look(), 2, 'what was lost while the counters were read counts once');
    losses.emptied(until);
    assert.equal(losses.doubtful(until), true);
    losses.emptied(losses.doubtfulUntil);
    assert.equal(losses.doubtful(1), false);
  });
});

describe('the counters of the packet socket', () => {
  /** Descriptors that are sockets of these domains (numbers of the kernel). */
  function libcWith(domains: Readonly<Record<number, number>>, counts: Buffer | undefined): Libc {
    return {
      socketOption(descriptor: number, level: number) {
        const domain = domains[descriptor];
        if (domain === undefined) return undefined;
        if (level !== 1) return counts;
        const value = Buffer.alloc(4);
        value.writeInt32LE(domain);
        return value;
      },
    } as unknown as Libc;
  }
  const counts = Buffer.alloc(8);
  counts.writeUInt32LE(10, 0);
  counts.writeUInt32LE(4, 4);

  test('when one descriptor is a packet socket then its drops are taken from its packets, which count them', () => {
    const read = socketCounts(libcWith({ 4: 1, 7: 17 }, counts), [3, 4, 7]);
    assert.deepEqual(read?.(), { accepted: 6, lost: 4 });
  });

  test('when there is none, or more than one, or it does not answer, then nobody counts', () => {
    assert.equal(socketCounts(libcWith({ 4: 1 }, counts), [3, 4]), undefined);
    assert.equal(socketCounts(libcWith({ 4: 17, 5: 17 }, counts), [4, 5]), undefined);
    for (const answer of [undefined, Buffer.alloc(4)])
      assert.equal(socketCounts(libcWith({ 4: 17 }, answer), [4])?.(), undefined);
  });
});
