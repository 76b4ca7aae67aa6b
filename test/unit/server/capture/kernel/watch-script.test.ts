/** The nft scripts for the kernel, as text; test/e2e/capture/kernel-capture shows their effect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FEW_LIVE_PAIRS,
  MAX_LIVE_PAIRS,
  nextMode,
  nextTag,
  setChanges,
  type WatchMode,
} from '../../../../../server/capture/kernel/watch-plan.ts';
import {
  hasWatchRules,
  saysOverflow,
  type WatchLayout,
  watchChanges,
  watchRules,
  watchTable,
} from '../../../../../server/capture/kernel/watch-script.ts';
import { LivePairs } from '../../../../../server/core/matching/live-pairs.ts';
import { addressKey } from '../../../../../shared/address.ts';
import { pairOf } from '../../../../../shared/knock.ts';

const target = (text: string) => addressKey(text) ?? assert.fail(text);
const layout: WatchLayout = {
  udp: true,
  tcp: 'opening',
  interfaces: ['eth0', 'wg0'],
  ownAddresses: true,
  targets: [],
  group: 7077,
  suspectSeconds: 20,
  suspects: 65_536,
};
const LIVE = { sees: 'live', tag: 7 } as const;
const ALL = { sees: 'all', tag: 7 } as const;

const layouts: readonly { change: Partial<WatchLayout>; has?: RegExp; hasNot?: RegExp; why: string }[] = [
  { change: {}, has: /iifname != \{ "eth0", "wg0" \} return/, why: 'packets of other interfaces are not ours' },
  { change: { interfaces: ['any'] }, hasNot: /iifname/, why: 'any is all of them' },
  { change: {}, has: /tcp flags & \(syn\|ack\) == syn jump/, why: 'only a SYN without ACK can be a knock' },
  { change: { tcp: 'any' }, has: /tcp dport != 0 jump/, why: 'a door with other flags' },
  { change: { udp: false }, hasNot: /udp dport/, why: 'no door uses UDP' },
  { change: { ownAddresses: false }, hasNot: /fib/, why: 'every door has a target' },
  {
    change: { targets: [target('192.0.2.9'), target('2001:db8::9')] },
    has: /ip daddr \{ 192\.0\.2\.9 \} goto take\nip6 daddr \{ 2001:db8::9 \} goto take/,
    why: 'targets of both families',
  },
  { change: {}, has: /priority -450;/, why: 'before conntrack puts fragments together, at -400' },
  {
    change: {},
    has: /suspects4 \{ type ipv4_addr; flags dynamic,timeout; timeout 20s; size 65536; \}/,
    why: 'bounded',
  },
];

for (const { change, has, hasNot, why } of layouts) {
  test(`when the layout is ${JSON.stringify(change)} then the table follows (${why})`, () => {
    const text = watchTable({ ...layout, ...change }, LIVE, []);
    if (has !== undefined) assert.match(text, has);
    if (hasNot !== undefined) assert.doesNotMatch(text, hasNot);
  });
}

test('when a packet is handed over then its source became a suspect in the same rule, or all packets are', () => {
  const rulesThatLog = (text: string) => text.split('\n').filter((line) => line.includes(' log '));
  const filtered = rulesThatLog(watchRules(layout, LIVE));
  assert.equal(filtered.length, 2);
  for (const rule of filtered) assert.match(rule, / take update @suspects[46] \{ ip6? saddr \} log /);
  assert.equal(rulesThatLog(watchRules(layout, ALL)).length, 4);
});

test('when the rules are read then no verdict is anything but the end of our own chain', () => {
  for (const state of [LIVE, ALL]) {
    const text = watchTable({ ...layout, targets: [target('192.0.2.9')] }, state, [pairOf('tcp', 5)]);
    assert.doesNotMatch(text, /\b(drop|reject|queue to|mark set|notrack|dnat|snat|redirect)\b/);
  }
});

test('when ports are live at the start then each protocol has its own', () => {
  const text = watchTable(layout, LIVE, [pairOf('tcp', 2000), pairOf('udp', 3000), pairOf('tcp', 2001)]);
  assert.match(text, /set live_tcp \{ type inet_service; elements = \{ 2000, 2001 \}; \}/);
  assert.match(text, /set live_udp \{ type inet_service; elements = \{ 3000 \}; \}/);
});

test('when sets change by much then what must be seen goes first, in pieces', () => {
  const added = Array.from({ length: 300 }, (_, at) => 1000 + at);
  const scripts = watchChanges(added, [5, 0x10005]);
  assert.equal(scripts.length, 2);
  assert.match(scripts[0] ?? '', /^add element inet knock_otp_watch live_tcp \{ 1000, [^\n]+\}\n$/);
  assert.match(
    scripts[1] ?? '',
    /^add element [^\n]+\ndelete element [^\n]+ live_tcp \{ 5 \}\ndelete [^\n]+ live_udp \{ 5 \}\n$/,
  );
  assert.deepEqual(watchChanges([], []), []);
});

test('when somebody emptied the chains, or rules of another tag are there, then the listing shows it', () => {
  const listing = watchTable(layout, LIVE, []);
  assert.equal(hasWatchRules(listing, layout, LIVE), true);
  assert.equal(hasWatchRules(listing, layout, { ...LIVE, tag: 8 }), false);
  assert.equal(hasWatchRules(listing.replace(/^.*jump eligible$/m, ''), layout, LIVE), false);
  assert.equal(hasWatchRules('table inet knock_otp_watch {\n}', layout, LIVE), false);
});

test('when the overflow set holds something then its JSON says so', () => {
  const set = '{"set": {"family": "inet", "name": "overflow", "table": "knock_otp_watch", "type": "inet_proto"';
  assert.equal(saysOverflow(`{"nftables": [${set}}}]}`), false);
  assert.equal(saysOverflow(`{"nftables": [${set}, "elem": [{"elem": {"val": "tcp", "expires": 3}}]}}]}`), true);
});

const modes: readonly { mode: WatchMode; live: number; overflowing: boolean; next: WatchMode; why: string }[] = [
  { mode: 'filtered', live: 18, overflowing: false, next: 'filtered', why: 'the usual day' },
  { mode: 'filtered', live: 18, overflowing: true, next: 'overflowing', why: 'sources may have been overlooked' },
  { mode: 'overflowing', live: 18, overflowing: false, next: 'filtered', why: 'long enough without' },
  { mode: 'filtered', live: MAX_LIVE_PAIRS, overflowing: false, next: 'filtered', why: 'as many as it takes' },
  { mode: 'filtered', live: MAX_LIVE_PAIRS + 1, overflowing: true, next: 'crowded', why: 'too many' },
  { mode: 'crowded', live: FEW_LIVE_PAIRS + 1, overflowing: false, next: 'crowded', why: 'not back and forth' },
  { mode: 'crowded', live: FEW_LIVE_PAIRS, overflowing: true, next: 'overflowing', why: 'few again, but a flood' },
];

for (const { mode, live, overflowing, next, why } of modes) {
  test(`when ${mode} with ${live} live pairs${overflowing ? ' overflows' : ''} then it is ${next} (${why})`, () => {
    assert.equal(nextMode(mode, live, overflowing), next);
  });
}

test('when tags follow each other then they are one byte, never 0, and never the same twice in a row', () => {
  for (let tag = 0; tag < 256; tag += 1) {
    assert.ok(nextTag(tag) >= 1 && nextTag(tag) <= 255);
    assert.notEqual(nextTag(tag), tag);
  }
});

test('when pairs come and go in any order then the changes bring the kernel to exactly what is live', () => {
  const pair = fc.integer({ min: 1, max: 12 }).map((port) => (port > 6 ? port + 0x10000 : port));
  const steps = fc.array(
    fc.oneof(
      pair.map((on) => ({ on })),
      pair.map((off) => ({ off })),
      fc.constant({ flush: true }),
    ),
  );
  fc.assert(
    fc.property(steps, (script) => {
      const live = new LivePairs();
      const counts = new Map<number, number>();
      const kernel = new Set<number>();
      const flush = (): void => {
        const { added, removed } = setChanges(live.takeTouched(), live, kernel);
        for (const one of added) assert.equal(kernel.size < kernel.add(one).size, true, 'nft refuses what is there');
        for (const one of removed) assert.equal(kernel.delete(one), true, 'nft refuses what is not there');
        assert.deepEqual([...kernel].sort(), [...counts.keys()].sort());
      };
      for (const step of script) {
        if ('on' in step) {
          live.add(step.on);
          counts.set(step.on, (counts.get(step.on) ?? 0) + 1);
        } else if ('off' in step) {
          const count = counts.get(step.off) ?? 0;
          if (count === 0) continue;
          live.remove(step.off);
          if (count === 1) counts.delete(step.off);
          else counts.set(step.off, count - 1);
        } else flush();
      }
      flush();
      assert.equal(live.size, counts.size);
      assert.deepEqual([...live.all()].sort(), [...counts.keys()].sort());
    }),
  );
});
