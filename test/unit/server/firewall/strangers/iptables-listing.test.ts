import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acceptsTranslated,
  leadingRule,
  readIptables,
} from '../../../../../server/firewall/strangers/iptables-listing.ts';
import { findPassage } from '../../../../../server/firewall/strangers/passage.ts';

/** `open`, `unclear` or `shut`: what a stranger meets at tcp/22 of 10.0.0.1 or 2001:db8::1. */
function fate(rules: string | readonly string[], { family = 4, protocol = 'tcp' } = {}): string {
  const lines = typeof rules === 'string' ? [rules] : rules;
  const listing = ['-P INPUT DROP', ...lines.map((line) => (/^-[PNA] /.test(line) ? line : `-A INPUT ${line}`))];
  const own = ['127.0.0.1', '10.0.0.1', '::1', '2001:db8::1'];
  const ofFamily = family === 4 ? 4 : 6;
  const passage = findPassage(readIptables(listing.join('\n'), ofFamily), 'INPUT', {
    family: ofFamily,
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    port: 22,
    own,
  });
  if (passage === undefined) return 'shut';
  return passage.certain ? 'open' : 'unclear';
}

const A = ' -j ACCEPT';
for (const [rule, expected] of [
  ['-j ACCEPT', 'open'],
  ['-j DROP', 'shut'],
  ['-p tcp -m tcp --dport 22', 'shut'],
  [`-p tcp -m tcp --dport 22${A}`, 'open'],
  [`-p tcp -m tcp --dport 20:30${A}`, 'open'],
  [`-p tcp -m tcp --dport :30${A}`, 'open'],
  [`-p tcp -m tcp --dport 23${A}`, 'shut'],
  [`-p tcp -m tcp ! --dport 23${A}`, 'open'],
  [`-p udp -m udp --dport 22${A}`, 'shut'],
  [`! -p udp${A}`, 'open'],
  [`-p icmp -m icmp --icmp-type 8${A}`, 'shut'],
  [`-p tcp -m multiport --dports 21,23,40:50${A}`, 'shut'],
  [`-p tcp -m multiport --dports 21:23,80${A}`, 'open'],
  [`-p tcp -m tcp --sport 443${A}`, 'open'],
  [`-i lo${A}`, 'shut'],
  [`! -i lo${A}`, 'open'],
  [`-i eth0${A}`, 'open'],
  [`-i eth+${A}`, 'open'],
  [`! -i eth+${A}`, 'open'],
  [`-d 10.0.0.1/32${A}`, 'open'],
  [`-d 10.9.9.9/32${A}`, 'open'],
  [`-d 224.0.0.251/32 -p tcp${A}`, 'shut'],
  [`-s 203.0.113.0/24${A}`, 'shut'],
  [`! -s 203.0.113.0/24${A}`, 'open'],
  [`-s 10.0.0.0/8${A}`, 'shut'],
  [`-s 128.0.0.0/1${A}`, 'open'],
  [`-m iprange --src-range 10.0.0.1-10.0.0.9${A}`, 'shut'],
  [`-m iprange --src-range 1.0.0.0-99.0.0.0${A}`, 'open'],
  [`-m conntrack --ctstate RELATED,ESTABLISHED${A}`, 'shut'],
  [`-m conntrack --ctstate NEW,ESTABLISHED${A}`, 'open'],
  [`-m conntrack ! --ctstate INVALID${A}`, 'open'],
  [`-m state --state NEW${A}`, 'open'],
  [`-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN${A}`, 'open'],
  [`-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN${A}`, 'shut'],
  [`-m addrtype --dst-type LOCAL${A}`, 'open'],
  [`-m addrtype --dst-type MULTICAST${A}`, 'shut'],
  [`-m limit --limit 3/min --limit-burst 5${A}`, 'open'],
  [`-m comment --comment "\\"-j DROP\\""${A}`, 'open'],
  [`-m comment --comment -jDROP${A}`, 'open'],
  // What nobody here understands.
  [`-m mark --mark 0x1${A}`, 'unclear'],
  [`-m set --match-set office src${A}`, 'unclear'],
  [`-m set ! --match-set banned src${A}`, 'unclear'],
  [`-m socket${A}`, 'unclear'],
  [`-m recent --rcheck --name KNOCKED --mask 255.255.255.255 --rsource${A}`, 'unclear'],
  ['-j NFQUEUE --queue-num 1', 'unclear'],
  ['-g nowhere', 'unclear'],
] as const) {
  test(`a stranger meets ${expected} at ${rule}`, () => assert.equal(fate(rule), expected));
}

for (const [what, expected, rules] of [
  ['a drop comes first', 'shut', ['-j DROP', '-j ACCEPT']],
  ['a drop for one interface comes first', 'open', ['-i eth0 -j DROP', '-j ACCEPT']],
  ['drop and accept name one interface', 'shut', ['-i eth0 -j DROP', '-i eth0 -j ACCEPT']],
  ['a narrower target is dropped', 'open', ['-d 10.0.0.0/24 -j DROP', '-d 10.0.0.0/8 -j ACCEPT']],
  ['only some packets are dropped', 'open', ['-m limit --limit 1/s -j DROP', '-j ACCEPT']],
  ['a drop has a condition that is not understood', 'open', ['-m mark --mark 1 -j DROP', '-j ACCEPT']],
  ['half of the internet is dropped', 'open', ['-s 0.0.0.0/1 -j DROP', '-j ACCEPT']],
  ['a packet is logged', 'open', ['-j LOG --log-prefix "x -j DROP "', '-j ACCEPT']],
  ['a chain accepts', 'open', ['-j inner', '-N inner', '-A inner -p tcp -j ACCEPT']],
  ['a chain is for one source', 'shut', ['-s 192.0.2.1/32 -j inner', '-N inner', '-A inner -j ACCEPT']],
  [
    'a chain returns',
    'shut',
    ['-j inner', '-j DROP', '-j ACCEPT', '-N inner', '-A inner -j RETURN', '-A inner -j ACCEPT'],
  ],
  ['a chain that is gone to returns', 'shut', ['-g inner', '-j ACCEPT', '-N inner', '-A inner -j RETURN']],
  ['a chain drops', 'shut', ['-j inner', '-j ACCEPT', '-N inner', '-A inner -p tcp -j REJECT']],
  ['a chain may be entered', 'unclear', ['-m mark --mark 1 -j inner', '-N inner', '-A inner -j ACCEPT']],
  ['the policy accepts', 'open', ['-P INPUT ACCEPT', '-s 192.0.2.1/32 -j DROP']],
] as const) {
  test(`when ${what} then the port is ${expected}`, () => assert.equal(fate(rules), expected));
}

test('when the rules are of IPv6 then private networks are nobody, and parts of the internet are everyone', () => {
  assert.equal(fate('-s 2000::/3 -j ACCEPT', { family: 6 }), 'open');
  for (const network of ['fc00::/7', 'fd00::/8', 'fe80::/10', '2001:db8::/32', '2001:db8::7/128'])
    assert.equal(fate(`-s ${network} -j ACCEPT`, { family: 6 }), 'shut', network);
});

test('when a datagram may go to a group then the rule counts', () => {
  assert.equal(fate('-d 224.0.0.251/32 -p udp -m udp --dport 22 -j ACCEPT', { protocol: 'udp' }), 'open');
});

test('when rules let in what a translation leads here then that is noticed', () => {
  assert.equal(acceptsTranslated('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT'), true);
  assert.equal(acceptsTranslated('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'), false);
});

for (const [rule, leads] of [
  ['-j REDIRECT --to-ports 22', true],
  ['-j REDIRECT --to-ports 20-30', true],
  ['-j REDIRECT --to-ports 23', false],
  ['-j REDIRECT', true],
  ['-j DNAT --to-destination 10.0.0.1:22', true],
  ['-j DNAT --to-destination 10.0.0.1', true],
  ['-j DNAT --to-destination :22', true],
  ['-j DNAT --to-destination 172.17.0.2:22', false],
  ['-j DNAT --to-destination [2001:db8::1]:22', true],
  ['-j DNAT --to-destination [2001:db8::2]:22', false],
  ['-j MASQUERADE', false],
] as const) {
  test(`a translation ${leads ? 'leads' : 'does not lead'} to the port by ${rule}`, () => {
    const line = `-A PREROUTING -p tcp -m tcp --dport 8022 ${rule}`;
    assert.equal(
      leadingRule(`-P PREROUTING ACCEPT\n${line}`, 22, ['10.0.0.1', '2001:db8::1']),
      leads ? line : undefined,
    );
  });
}
