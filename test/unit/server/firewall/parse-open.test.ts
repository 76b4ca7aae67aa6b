/** Parsing the value of `open = ...`, for every firewall. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isOpenProblem, parseOpen } from '../../../../server/firewall/parse-open.ts';

const ssh = [{ protocol: 'tcp', port: 22 }];

describe('what a door opens', () => {
  for (const [text, expected] of [
    ['nftables tcp/22', { kind: 'nftables', services: ssh }],
    ['IPTables TCP/22 , udp/53', { kind: 'iptables', services: [...ssh, { protocol: 'udp', port: 53 }] }],
    ['ufw tcp/22', { kind: 'ufw', services: ssh }],
    ['firewalld tcp/22', { kind: 'firewalld', services: ssh }],
    ['ipfw tcp/22', { kind: 'ipfw', services: ssh }],
    ['pf tcp/22', { kind: 'pf', services: ssh }],
    ['hosts.allow sshd', { kind: 'hosts.allow', service: 'sshd' }],
    [
      'hosts.allow in.telnetd /srv/hosts.allow',
      { kind: 'hosts.allow', service: 'in.telnetd', file: '/srv/hosts.allow' },
    ],
  ] as const) {
    test(`when it is "${text}" then that is understood`, () => assert.deepEqual(parseOpen(text), expected));
  }

  for (const text of [
    '',
    'nftables',
    'nftables tcp/22, tcp/22',
    'nftables tcp/0',
    'nftables 22',
    'ipchains tcp/22',
    'toString tcp/22',
    'hosts.allow',
    'hosts.allow ALL',
    'hosts.allow sshd: 1.2.3.4',
    'hosts.allow sshd, vsftpd',
    'hosts.allow sshd hosts.allow',
    'hosts.allow sshd /a /b',
  ]) {
    test(`when it is "${text}" then that is a problem with a hint`, () => {
      const parsed = parseOpen(text);
      assert(isOpenProblem(parsed) && parsed.message !== '' && parsed.hint !== '', JSON.stringify(parsed));
    });
  }

  test('whatever the text, reading it does not throw, and the problem is short', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const parsed = parseOpen(text);
        assert(isOpenProblem(parsed) && parsed.message.length < 200);
      }),
    );
  });
});
