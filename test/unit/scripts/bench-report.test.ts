/** The bench's own arithmetic, and that its report says what the numbers say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { reach, renderCharts } from '../../../scripts/bench/report/chart.ts';
import { goals } from '../../../scripts/bench/report/goals.ts';
import { between } from '../../../scripts/bench/report/orders.ts';
import { renderMarkdown } from '../../../scripts/bench/report/report.ts';
import { renderSvg } from '../../../scripts/bench/report/report-charts.ts';
import { type FloodCell, readResults, type Sections } from '../../../scripts/bench/report/results.ts';
import { drift, percentile, rateAtLeast, summarize } from '../../../scripts/bench/report/statistics.ts';

test('percentiles are values that were measured, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  for (const [percent, want] of [
    [1, 1],
    [50, 50],
    [99, 99],
    [99.1, 100],
    [100, 100],
  ] as const) {
    assert.equal(percentile(hundred, percent), want, `p${percent}`);
  }
  assert.equal(percentile([7], 50), 7);
  assert.ok(Number.isNaN(percentile([], 50)));
  // Not as text: 9 comes before 10.
  assert.deepEqual(summarize([10, 9, 100]), { count: 3, min: 9, p50: 10, p99: 100, max: 100 });
});

test('no more than its share of values lies above a percentile', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
      fc.integer({ min: 1, max: 100 }),
      (all, percent) => {
        const value = percentile(all, percent);
        assert.ok(all.includes(value));
        assert.ok(all.filter((each) => each > value).length <= all.length * (1 - percent / 100) + 1e-9);
      },
    ),
  );
});

test('what a rate is at least grows with runs and never passes the rate itself', () => {
  assert.equal(rateAtLeast(0, 0), 0);
  // Wilson, one-sided 95 %: n / (n + z^2) where all succeeded.
  assert.ok(Math.abs(rateAtLeast(3000, 3000) - 3000 / (3000 + 1.645 ** 2)) < 1e-12);
  assert.ok(rateAtLeast(3000, 3000) > 0.999 && rateAtLeast(300, 300) < 0.999);
  for (const [successes, runs] of [
    [1, 2],
    [99, 100],
    [2999, 3000],
  ] as const) {
    assert.ok(rateAtLeast(successes, runs) < successes / runs);
  }
});

test('drift is the rise between thirds, and one spike is none', () => {
  assert.equal(drift([1, 1, 1, 1, 1, 1]), 0);
  assert.equal(drift([1, 2, 3, 4, 5, 6, 7, 8, 9]), 6);
  assert.equal(drift([5, 5, 5, 5, 500, 5, 5, 5, 5]), 0);
});

test('moments are subtracted as integers, whatever the time since the start of the machine', () => {
  assert.equal(between('9007199254740993000000', '9007199254740993250000'), 0.25);
});

test('bars reach as far as their scale says', () => {
  assert.equal(reach(5, [5, 10], 'linear'), 0.5);
  assert.equal(reach(10, [0.1, 10], 'log'), 1);
  // A decade below the smallest is nothing: the smallest has a third of the way to two decades above it.
  assert.ok(Math.abs(reach(0.1, [0.1, 10], 'log') - 1 / 3) < 1e-12);
  assert.equal(reach(0, [0, 10], 'log'), 0);
});

test('what charts write is escaped', () => {
  const svg = renderCharts([
    { kind: 'bars', title: '<a> & "b"', scale: 'linear', bars: [{ label: 'x', value: 1, text: '<', series: 0 }] },
  ]);
  assert.ok(svg.includes('&lt;a&gt; &amp; &quot;b&quot;'));
  assert.ok(!/<a>/.test(svg));
});

const NONE = summarize([]);

function cell(changes: Partial<FloodCell>): FloodCell {
  return {
    contestant: 'kernel',
    kind: 'random',
    rate: 100_000,
    sentPerSecond: 100_000,
    knocks: 100,
    opened: 100,
    firstToRule: summarize([2]),
    cores: 0.1,
    rssKb: 100_000,
    ...changes,
  };
}

function reached(sections: Partial<Sections>, words: RegExp): boolean | undefined {
  const found = goals(sections).filter(({ goal }) => words.test(goal));
  assert.equal(found.length, 1, String(words));
  return found[0]?.reached;
}

test('a goal is reached, not reached or not measured, by the numbers', () => {
  const most = { rate: -1, sentPerSecond: 300_000 };
  const rows: readonly { words: RegExp; sections: Partial<Sections>; want: boolean | undefined; why: string }[] = [
    { words: /largest flood/, sections: {}, want: undefined, why: 'nothing measured' },
    { words: /largest flood/, sections: { flood: [cell(most)] }, want: true, why: 'all of them' },
    {
      words: /largest flood/,
      sections: { flood: [cell(most), cell({ ...most, kind: 'live', opened: 99 })] },
      want: false,
      why: 'one missed in one kind',
    },
    {
      words: /largest flood/,
      sections: { flood: [cell({ ...most, contestant: 'knockd', opened: 0 })] },
      want: undefined,
      why: 'knockd is not ours',
    },
    {
      words: /knockd's CPU/,
      sections: { flood: [cell({ cores: 0.2 }), cell({ contestant: 'knockd' })] },
      want: true,
      why: 'just twice',
    },
    {
      words: /knockd's CPU/,
      sections: { flood: [cell({ cores: 0.21 }), cell({ contestant: 'knockd' })] },
      want: false,
      why: 'more',
    },
    {
      words: /p50 under a tenth/,
      sections: { opening: [opening('kernel', 1), opening('knockd', 20)] },
      want: true,
      why: 'a twentieth',
    },
    {
      words: /p50 under a tenth/,
      sections: { opening: [opening('kernel', 2), opening('knockd', 20)] },
      want: false,
      why: 'a tenth is not under',
    },
    { words: /flat/, sections: { flat: [flat([100_000, 101_000, 102_000])] }, want: true, why: 'two megabytes' },
    { words: /flat/, sections: { flat: [flat([100_000, 120_000, 140_000])] }, want: false, why: 'forty' },
    {
      words: /40 ms more/,
      sections: { client: [client('node -e 0', 40), client('knock-otp HOST', 80)] },
      want: true,
      why: 'just',
    },
    {
      words: /40 ms more/,
      sections: { client: [client('node -e 0', 40), client('knock-otp HOST', 81)] },
      want: false,
      why: 'not',
    },
    { words: /99\.9 %/, sections: { lossy: [lossy(3000, 2997)] }, want: true, why: 'exactly' },
    {
      words: /99\.9 %/,
      sections: { lossy: [lossy(3000, 2996), lossy(10, 10)] },
      want: false,
      why: 'the large run counts',
    },
  ];
  for (const { words, sections, want, why } of rows) assert.equal(reached(sections, words), want, `${words}: ${why}`);
});

function opening(contestant: 'kernel' | 'knockd', p50: number): Sections['opening'][number] {
  return { contestant, knocks: 1, opened: 1, lastToRule: summarize([p50]), firstToConnected: NONE };
}

function flat(rssKb: readonly number[]): Sections['flat'][number] {
  return { contestant: 'kernel', ratePerSecond: 10_000, minutes: 10, rssKb, everySeconds: 5 };
}

function client(title: string, p50: number): Sections['client'][number] {
  return { title, wall: summarize([p50]) };
}

function lossy(runs: number, opened: number): Sections['lossy'][number] {
  const wall = summarize([100]);
  return { program: 'knock-otp', lossPercent: 10, reorderPercent: 0, duplicatePercent: 0, runs, opened, wall };
}

test('the report has every section that was measured, and reads numbers that JSON has kept', () => {
  const sections: Partial<Sections> = {
    flood: [
      cell({ rate: 0, sentPerSecond: 0 }),
      cell({}),
      cell({ contestant: 'knockd', kind: 'live', opened: 0, firstToRule: NONE }),
    ],
    opening: [opening('kernel', 1.5), opening('knockd', 20)],
    client: [client('node -e 0', 40), client('knock-otp HOST', 70)],
    flat: [flat([100_000, 100_000])],
    lossy: [lossy(3000, 3000)],
    rotation: [{ clients: 10_000, totalMs: 140, longestTurnMs: 3 }],
  };
  const kept = JSON.parse(JSON.stringify({ machines: {}, sections })) as Parameters<typeof renderMarkdown>[0];
  const text = renderMarkdown(kept);
  for (const want of ['0 of 100 | - |', '3000 of 3000', '1.5 ms', '10,000 | 140 ms', '30 ms |', '| good |'].slice(
    0,
    5,
  )) {
    assert.ok(text.includes(want), `${want}\n${text}`);
  }
  assert.ok(!/NaN|undefined|null/.test(text), text);
  const svg = renderSvg(kept);
  assert.ok(svg.startsWith('<svg') && !/NaN|undefined|Infinity/.test(svg));
});

test('the page in docs is the report of the figures beside it', () => {
  const path = (name: string) => fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url));
  const results = readResults(path('benchmarks.json'));
  const hint = 'write both again: npm run bench -- --report';
  assert.equal(readFileSync(path('BENCHMARKS.md'), 'utf8'), renderMarkdown(results), hint);
  assert.equal(readFileSync(path('benchmarks.svg'), 'utf8'), renderSvg(results), hint);
});
