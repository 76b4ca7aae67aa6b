/** Grants against a list of knocks: one for each (door, source), each knock moves its end, one close. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Grant, Grants, remainingMs } from '../../../../server/core/grants.ts';
import { address } from '../../../support/core/doors.ts';

const doors = ['ssh', 'web'];
const sources = ['192.0.2.7', '192.0.2.8', '2001:db8::9'].map(address);

interface Model {
  wallMs: number;
  monoMs: number;
  /** By door and source: knocks since the last close. */
  readonly knocks: Map<string, { readonly client: string; readonly wallMs: number; readonly endMs: number }[]>;
  opened: number;
  closed: number;
}

type Command = fc.Command<Model, Grants>;

function command(name: string, run: (model: Model, grants: Grants) => void): Command {
  return {
    check: () => true,
    run: (model, grants) => {
      run(model, grants);
      agree(model, grants);
    },
    toString: () => name,
  };
}

function agree({ knocks }: Model, grants: Grants): void {
  assert.equal(grants.size, knocks.size);
  assert.equal(grants.all.length, knocks.size);
  for (const door of doors) {
    for (const source of sources) {
      const grant = grants.get(door, source);
      const since = knocks.get(`${door} ${source}`);
      const last = since?.at(-1);
      assert.equal(grant?.door, since && door);
      assert.equal(grant?.source, since && source);
      assert.equal(grant?.openedAt, since?.[0]?.wallMs);
      assert.equal(grant?.endsAtMs, last?.endMs);
      assert.equal(grant?.client, last?.client);
    }
  }
  const ends = [...knocks.values()].map((since) => since.at(-1)?.endMs ?? Number.NaN);
  assert.equal(grants.nextEndMs, ends.length === 0 ? undefined : Math.min(...ends));
}

const knock = fc
  .record({
    door: fc.constantFrom(...doors),
    source: fc.constantFrom(...sources),
    client: fc.constantFrom('laptop', 'phone'),
    durationMs: fc.integer({ min: 1, max: 60 }),
  })
  .map(({ door, source, client, durationMs }) =>
    command(`knock(${door}, ${client}, ${durationMs} ms)`, (model, grants) => {
      const { wallMs, monoMs } = model;
      const before = grants.get(door, source);
      const grant = grants.extended(door, source, client, durationMs, { wallMs, monoMs });
      assert.equal(grants.get(door, source), before, 'planned, not granted');
      assert.equal(grant.expiresAt, wallMs + durationMs);
      grants.set(grant);
      const since = model.knocks.get(`${door} ${source}`) ?? [];
      if (since.length === 0) model.opened += 1;
      model.knocks.set(`${door} ${source}`, [...since, { client, wallMs, endMs: monoMs + durationMs }]);
    }),
  );

const pass = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -100, max: 100 })).map(([ms, jumpMs]) =>
  command(`pass(${ms} ms, clock ${jumpMs} ms)`, (model, grants) => {
    model.monoMs += ms;
    model.wallMs += ms + jumpMs;
    const due = grants.due(model.monoMs);
    const over = [...model.knocks].filter(([, since]) => (since.at(-1)?.endMs ?? 0) <= model.monoMs);
    const nameOf = ({ door, source }: Grant) => `${door} ${source}`;
    assert.deepEqual(due.map(nameOf).toSorted(), over.map(([name]) => name).toSorted());
    for (const { door, source } of due) {
      grants.remove(door, source);
      grants.remove(door, source);
      model.closed += 1;
      model.knocks.delete(`${door} ${source}`);
    }
  }),
);

test('when doors are knocked at and time passes then each (door, source) is open once and closed once', () => {
  fc.assert(
    fc.property(fc.commands([knock, knock, pass], { maxCommands: 60, size: 'max' }), (commands) => {
      const model: Model = { wallMs: 1_000_000, monoMs: 500, knocks: new Map(), opened: 0, closed: 0 };
      const grants = new Grants();
      fc.modelRun(() => ({ model, real: grants }), commands);
      assert.equal(model.opened - model.closed, grants.size);
      assert.deepEqual(grants.due(model.monoMs + 1000).length, grants.size);
    }),
    { numRuns: 500 },
  );
});

test('when a grant comes back from the journal then it lasts what is left, never longer than the door’s grants', () => {
  assert.equal(remainingMs(5_000, 30_000, 1_000), 4_000);
  assert.equal(remainingMs(500_000, 30_000, 1_000), 30_000);
  assert.ok(remainingMs(1_000, 30_000, 1_000) <= 0);
  assert.ok(remainingMs(1_000, 30_000, 9_000) <= 0);
});
