/** The form of a client's own address: only necessary characters reach a resolver or a log. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSourceWord, parseWhoami } from '../../../../shared/formats/source-words.ts';

describe('an address that the server sees', () => {
  const rows: readonly { text: string; is: boolean; why: string }[] = [
    { text: '192.0.2.7', is: true, why: 'IPv4' },
    { text: '2001:DB8::7', is: true, why: 'IPv6, in either case' },
    { text: '::', is: true, why: 'the shortest' },
    { text: 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255', is: true, why: 'the longest, 45 characters' },
    { text: 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555', is: false, why: 'one character more' },
    { text: ':', is: false, why: 'too short for any' },
    { text: '', is: false, why: 'nothing' },
    { text: 'fe80::1%eth0', is: false, why: 'the server does not know our zones' },
    { text: 'g::1', is: false, why: 'no such digit at its beginning' },
    { text: '::1g', is: false, why: 'no such digit at its end' },
    { text: '[::1]', is: false, why: 'brackets are for hosts' },
  ];
  for (const { text, is, why } of rows) {
    test(`${is ? 'may be' : 'is never'} ${JSON.stringify(text)} (${why})`, () => assert.equal(isSourceWord(text), is));
  }
});

describe('a question for it', () => {
  const long = 'a'.repeat(253);
  const good: readonly (readonly [string, string])[] = [
    ['whoami.example', '192.0.2.53'],
    ['_x-y', '[2001:db8::53]'],
    ['A0', ':53'],
    ['a', 'b%eth0'],
    [long, long],
  ];
  for (const [name, server] of good) {
    test(`may be ${name.slice(0, 20)} at ${server.slice(0, 20)}`, () => {
      assert.deepEqual(parseWhoami(`${name}@${server}`), { name, server });
    });
  }

  for (const [text, why] of [
    ['', 'nothing'],
    ['name', 'no server'],
    ['name@', 'an empty server'],
    ['@server', 'an empty name'],
    ['a@b@c', 'two servers'],
    ['a@b@', 'an end that means nothing'],
    ['-a@b', 'a name that is an option'],
    ['a@-b', 'a server that is an option'],
    ['.a@b', 'no name begins with a dot'],
    ['a b@c', 'a blank in the name'],
    ['a@b;id', 'a shell in the server'],
    ['a@;b', 'a shell at its beginning'],
    ['a@b\n', 'a line of its own'],
    [`${long}a@b`, 'a name of 254 characters'],
  ] as const) {
    test(`is not ${JSON.stringify(text).slice(0, 20)} (${why})`, () => assert.equal(parseWhoami(text), undefined));
  }
});
