/**
 * The matcher against its definition, the naive code over a list in test/support/core/reference-matcher.ts, while
 * sequences come and go: packets of several sources, rotation, sources forgotten, and tables too small for all of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { Matcher, type MatcherLimits } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { address } from '../../../support/core/doors.ts';
import { type Packet, referenceCompletes, referenceStage } from '../../../support/core/reference-matcher.ts';

const sources = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2', '198.51.100.7'].map(address);

// Few pairs and small budgets: collisions, repeats and exhausted budgets are the rule, not the exception.
const pair = fc.integer({ min: 1, max: 9 });
const stray = fc.integer({ min: 1, max: 16 });
type Fields = Pick<LiveSequence, 'order' | 'pairs' | 'maxStrays' | 'seqTimeoutMs'>;
const fields: fc.Arbitrary<Fields> = fc
  .record({
    order: fc.constantFrom('any' as const, 'strict' as const),
    pairs: fc.array(pair, { minLength: 1, maxLength: 4 }),
    maxStrays: fc.integer({ min: 0, max: 3 }),
    seqTimeoutMs: fc.integer({ min: 1, max: 40 }),
  })
  .map((made) => (made.order === 'any' ? { ...made, pairs: [...new Set(made.pairs)] } : made));

/** The naive model: all packets, and how many of them are used up. */
interface Model {
  atMs: number;
  lastId: number;
  live: LiveSequence[];
  readonly lists: Packet[][];
  /** By source and sequence: how many packets of the source are used up. */
  readonly used: Map<string, number>;
}

interface Real {
  readonly index: SequenceIndex;
  readonly matcher: Matcher;
  readonly limits: MatcherLimits;
}

type Command = fc.Command<Model, Real>;

class Arrive implements Command {
  readonly source: number;
  readonly pair: number;
  readonly gapMs: number;
  constructor(source: number, pair: number, gapMs: number) {
    this.source = source;
    this.pair = pair;
    this.gapMs = gapMs;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, { matcher, limits }: Real): void {
    model.atMs += this.gapMs;
    const key = sources[this.source] ?? assert.fail();
    const list = model.lists[this.source] ?? assert.fail();
    list.push({ atMs: model.atMs, pair: this.pair });
    const completed = matcher.matchPacket(model.atMs, key, this.pair);
    for (const each of completed) {
      assert.equal(each.source, key);
      assert.equal(each.completedAtMs, model.atMs);
    }
    const ids = completed.map(({ sequence }) => sequence.id);
    const unused = ({ id }: LiveSequence) => list.slice(model.used.get(`${this.source} ${id}`) ?? 0);
    const expected = model.live.filter((sequence) => referenceCompletes(unused(sequence), sequence));
    const roomForAll = limits.sources >= sources.length && limits.promisingSources >= sources.length;
    if (roomForAll) {
      assert.deepEqual(ids.toSorted(), expected.map(({ id }) => id).toSorted());
      assert.equal(matcher.evictedSources, 0);
      const reported = matcher.advances.map(({ sequence, stage }) => `${sequence.id} ${stage}`);
      for (const { sequence, stage } of matcher.advances) {
        assert.equal(stage, referenceStage(unused(sequence), sequence), `reported ${reported}`);
      }
    } else {
      // A forgotten source must start again; nothing else may change.
      assert.ok(ids.every((id) => expected.some((sequence) => sequence.id === id)));
    }
    for (const id of ids) model.used.set(`${this.source} ${id}`, list.length);
    assert.ok(matcher.trackedSources <= limits.sources + limits.promisingSources);
  }
  toString(): string {
    return `arrive(source ${this.source}, ${this.pair}, after ${this.gapMs} ms)`;
  }
}

/** Adds a sequence as rotation and a file's next line do: only later packets count. */
class Add implements Command {
  readonly fields: Fields;
  constructor(fields: Fields) {
    this.fields = fields;
  }
  check({ live }: Readonly<Model>): boolean {
    return live.length < 30;
  }
  run(model: Model, { index }: Real): void {
    model.atMs += 1;
    model.lastId += 1;
    const sequence: LiveSequence = {
      ...this.fields,
      id: model.lastId,
      door: `door${model.lastId}`,
      client: 'client',
      keyId: 'key',
      factor: model.lastId,
      enteredAtMs: model.atMs,
      reportsStages: this.fields.order === 'strict',
    };
    model.live.push(sequence);
    index.add(sequence);
    index.add(sequence);
    assert.equal(index.size, model.live.length);
  }
  toString(): string {
    return `add(${JSON.stringify(this.fields)})`;
  }
}

class Remove implements Command {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check({ live }: Readonly<Model>): boolean {
    return live.length > 0;
  }
  run(model: Model, { index }: Real): void {
    const [sequence] = model.live.splice(this.which % model.live.length, 1);
    assert.ok(sequence !== undefined && index.has(sequence.id));
    index.remove(sequence);
    index.remove(sequence);
    assert.equal(index.has(sequence.id), false);
    assert.equal(index.size, model.live.length);
  }
  toString(): string {
    return `remove(${this.which})`;
  }
}

/** A source that knows a sequence, with stray packets between its knocks: random packets seldom complete one. */
class Walk implements Command {
  readonly which: number;
  readonly source: number;
  readonly between: readonly (readonly number[])[];
  readonly gapMs: number;
  constructor(which: number, source: number, between: readonly (readonly number[])[], gapMs: number) {
    this.which = which;
    this.source = source;
    this.between = between;
    this.gapMs = gapMs;
  }
  check({ live }: Readonly<Model>): boolean {
    return live.length > 0;
  }
  run(model: Model, real: Real): void {
    const { pairs } = model.live[this.which % model.live.length] ?? assert.fail();
    for (const [at, pair] of pairs.entries()) {
      for (const each of [...(this.between[at] ?? []), pair])
        new Arrive(this.source, each, this.gapMs).run(model, real);
    }
  }
  toString(): string {
    return `walk(${this.which}, source ${this.source}, ${JSON.stringify(this.between)}, every ${this.gapMs} ms)`;
  }
}

class Forget implements Command {
  readonly source: number;
  constructor(source: number) {
    this.source = source;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, { matcher }: Real): void {
    matcher.forget(sources[this.source] ?? assert.fail());
    model.lists[this.source] = [];
    for (const key of model.used.keys()) if (key.startsWith(`${this.source} `)) model.used.delete(key);
  }
  toString(): string {
    return `forget(source ${this.source})`;
  }
}

const arrive = fc
  .record({ source: fc.nat({ max: sources.length - 1 }), pair: stray, gapMs: fc.integer({ min: 0, max: 6 }) })
  .map(({ source, pair, gapMs }) => new Arrive(source, pair, gapMs));
const source = fc.nat({ max: sources.length - 1 });
const between = fc.array(fc.array(stray, { maxLength: 5 }), { maxLength: 4 });
const walk = fc
  .tuple(fc.nat({ max: 30 }), source, between, fc.integer({ min: 0, max: 4 }))
  .map((given) => new Walk(...given));
const add = fields.map((made) => new Add(made));
const kinds = [
  arrive,
  arrive,
  arrive,
  arrive,
  walk,
  walk,
  add,
  fc.nat({ max: 30 }).map((which) => new Remove(which)),
  fc
    .nat({ max: 90 })
    .map((source) => (source < sources.length ? new Forget(source) : new Arrive(0, 1 + (source % 9), 1))),
];
const first = fc.oneof(
  fc.array(fields, { minLength: 1, maxLength: 2 }),
  fc.array(fields, { maxLength: 12, size: 'max' }),
);

function run(numRuns: number, limits: MatcherLimits): void {
  fc.assert(
    fc.property(first, fc.commands(kinds, { maxCommands: 60, size: 'max' }), (initial, commands) => {
      const index = new SequenceIndex();
      const model: Model = { atMs: 0, lastId: 0, live: [], lists: sources.map(() => []), used: new Map() };
      const real = { index, matcher: new Matcher(index, limits), limits };
      for (const made of initial) new Add(made).run(model, real);
      fc.modelRun(() => ({ model, real }), commands);
    }),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? numRuns * 50 : numRuns },
  );
}

test('the matcher agrees with the naive definition on every packet, while sequences come and go', () => {
  run(1200, { sources: 100, promisingSources: 100, boundSources: 4 });
});

test('when the tables are too small then sources begin anew, memory stays bounded, and nothing else completes', () => {
  for (const limits of [
    { sources: 1, promisingSources: 1, boundSources: 4 },
    { sources: 2, promisingSources: 1, boundSources: 4 },
    { sources: 1, promisingSources: 3, boundSources: 4 },
  ]) {
    run(200, limits);
  }
});
