import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNftTable } from '../../../../../server/firewall/strangers/nft-listing.ts';
import { findPassage } from '../../../../../server/firewall/strangers/passage.ts';

const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const meta = (key: string) => ({ meta: { key } });
const ct = (key: string) => ({ ct: { key } });
const prefix = (addr: string, len: number) => ({ prefix: { addr, len } });
const ACCEPT = { accept: null };
const DPORT = payload('tcp', 'dport');
const SADDR = payload('ip', 'saddr');

const OWN = ['10.0.0.1', '2001:db8::1'];

/** A chain of the input hook that drops in the end; `inner` is a chain that it can call. */
function tableOf(rules: readonly unknown[][], { type = 'filter', inner = [] as readonly unknown[][] } = {}): string {
  const hook = type === 'nat' ? 'prerouting' : 'input';
  return JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { set: { family: 'inet', table: 't', name: 'office', elem: [prefix('192.0.2.0', 24), '198.51.100.7'] } },
      {
        set: { family: 'inet', table: 't', name: 'world', elem: [{ elem: { val: prefix('0.0.0.0', 1), timeout: 9 } }] },
      },
      { set: { family: 'inet', table: 't', name: 'empty' } },
      { chain: { table: 't', name: 'base', type, hook, prio: 0, policy: 'drop' } },
      { chain: { table: 't', name: 'inner' } },
      ...rules.map((expr) => ({ rule: { table: 't', chain: 'base', expr } })),
      ...inner.map((expr) => ({ rule: { table: 't', chain: 'inner', expr } })),
    ],
  });
}

function fate(json: string, leadingTo?: number): string {
  const table = readNftTable(json);
  const ruleset = leadingTo === undefined ? table.filter : table.leadingTo(leadingTo, OWN);
  const port = leadingTo === undefined ? 22 : undefined;
  const passage = findPassage(ruleset, 'base', { family: 4, protocol: 'tcp', port, own: OWN });
  if (passage === undefined) return 'shut';
  return passage.certain ? 'open' : 'unclear';
}

for (const [what, expected, ...rule] of [
  ['accept', 'open', ACCEPT],
  ['a port', 'open', match(DPORT, 22), ACCEPT],
  ['another port', 'shut', match(DPORT, 23), ACCEPT],
  ['all but another port', 'open', match(DPORT, 23, '!='), ACCEPT],
  ['all but a port of UDP', 'shut', match(payload('udp', 'dport'), 23, '!='), ACCEPT],
  ['a range of ports', 'open', match(DPORT, { range: [20, 30] }), ACCEPT],
  ['a set of ports', 'open', match(payload('th', 'dport'), { set: [{ range: [1, 9] }, 22] }), ACCEPT],
  ['a source port', 'open', match(payload('tcp', 'sport'), 443), ACCEPT],
  ['a limit', 'open', match(DPORT, 22), { limit: { rate: 3, per: 'minute' } }, ACCEPT],
  ['ICMP', 'shut', match(payload('icmpv6', 'type'), 'nd-redirect'), ACCEPT],
  ['a protocol', 'open', match(meta('l4proto'), { set: ['tcp', 'udp'] }), ACCEPT],
  ['another protocol', 'shut', match(meta('l4proto'), { set: ['icmp', 'ipv6-icmp'] }), ACCEPT],
  ['the other family', 'shut', match(meta('nfproto'), 'ipv6'), ACCEPT],
  ['lo', 'shut', match(meta('iifname'), 'lo'), ACCEPT],
  ['an interface', 'open', match(meta('iifname'), 'eth0'), ACCEPT],
  ['interfaces that begin so', 'open', match(meta('iifname'), 'eth*'), ACCEPT],
  ['an own address', 'open', match(payload('ip', 'daddr'), '10.0.0.1'), ACCEPT],
  ['a group', 'shut', match(payload('ip', 'daddr'), '224.0.0.251'), ACCEPT],
  ['a network', 'shut', match(SADDR, prefix('192.0.2.0', 24)), ACCEPT],
  ['all but a network', 'open', match(SADDR, prefix('192.0.2.0', 24), '!='), ACCEPT],
  ['everyone', 'open', match(SADDR, prefix('0.0.0.0', 0)), ACCEPT],
  ['a range of sources', 'shut', match(SADDR, { range: ['192.0.2.1', '192.0.2.9'] }), ACCEPT],
  ['a set of networks', 'shut', match(SADDR, '@office'), ACCEPT],
  ['an empty set', 'shut', match(SADDR, '@empty'), ACCEPT],
  ['a set with half of the internet', 'open', match(SADDR, '@world'), ACCEPT],
  ['a set that is not listed', 'unclear', match(SADDR, '@nowhere'), ACCEPT],
  ['established sessions', 'shut', match(ct('state'), { set: ['established', 'related'] }), ACCEPT],
  ['new sessions', 'open', match(ct('state'), ['new', 'untracked'], 'in'), ACCEPT],
  ['what a translation leads here', 'shut', match(ct('status'), 'dnat', 'in'), ACCEPT],
  ['packets to this host', 'open', match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'), ACCEPT],
  ['a mark', 'unclear', match(meta('mark'), 7), ACCEPT],
  ['a sender', 'unclear', match(payload('ether', 'saddr'), '00:11:22:33:44:55'), ACCEPT],
  ['a queue', 'unclear', { queue: { num: 1 } }],
  ['a statement of tomorrow', 'unclear', { wormhole: null }],
  ['a note', 'shut', match(DPORT, 22), { log: { prefix: 'accept' } }],
  ['a jump', 'open', { jump: { target: 'inner' } }],
  ['a jump for one source', 'shut', match(SADDR, '192.0.2.7'), { jump: { target: 'inner' } }],
  ['a jump for a mark', 'unclear', match(meta('mark'), 7), { goto: { target: 'inner' } }],
  [
    'a map that leads on',
    'open',
    {
      vmap: {
        key: DPORT,
        data: {
          set: [
            [23, { drop: null }],
            [22, { goto: { target: 'inner' } }],
          ],
        },
      },
    },
  ],
  [
    'a map that drops',
    'shut',
    {
      vmap: {
        key: DPORT,
        data: {
          set: [
            [22, { drop: null }],
            [23, ACCEPT],
          ],
        },
      },
    },
  ],
  ['a named map', 'unclear', { vmap: { key: DPORT, data: '@ports' } }],
] as const) {
  test(`a stranger meets ${expected} at ${what}`, () => {
    assert.equal(fate(tableOf([[...rule]], { inner: [[match(DPORT, 22), ACCEPT]] })), expected);
  });
}

for (const [what, expected, statement] of [
  ['to the port', 'open', { redirect: { port: 22 } }],
  ['to another port', 'shut', { redirect: { port: 23 } }],
  ['to the same port', 'open', { redirect: null }],
  ['to the port of this host', 'open', { dnat: { addr: '10.0.0.1', port: 22 } }],
  ['to the port of another host', 'shut', { dnat: { addr: '10.0.0.2', port: 22 } }],
  ['nowhere', 'shut', ACCEPT],
] as const) {
  test(`when a translation leads everyone ${what} then the port is ${expected}`, () => {
    assert.equal(fate(tableOf([[match(DPORT, 8022), statement]], { type: 'nat' }), 22), expected);
  });
}

test('when a translation is for one network then it leads no stranger to the port', () => {
  const rule = [match(SADDR, '@office'), { redirect: { port: 22 } }];
  assert.equal(fate(tableOf([rule], { type: 'nat' }), 22), 'shut');
});
