/** The exact messages for a bad profile URI, never with its secret; and the limits of good values. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatProfileUri, type Profile, parseProfileUri } from '../../../../shared/formats/profile-uri.ts';
import { MARKER_SECRET as SECRET, testProfile } from '../../../support/client/client-deps.ts';

const TOTP = formatProfileUri(testProfile());
const HOTP = formatProfileUri(testProfile({ mode: 'hotp' }));
const BOUND = formatProfileUri(testProfile({ bindsSource: true }));
const COPY = 'copy the whole line that knock-otpd enroll printed, in quotes';
const NAMES = 'letters, digits, dots, dashes, underscores';

/** The parameter replaced, added at the end, or removed. */
function changed(uri: string, key: string, value: string | undefined): string {
  const [head = '', query = ''] = uri.split('?');
  const others = query.split('&').filter((part) => !part.startsWith(`${key}=`));
  return `${head}?${[...others, ...(value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`])].join('&')}`;
}

interface Bad {
  readonly uri?: string;
  readonly key: string;
  readonly value?: string;
  readonly says: string;
  readonly hint?: string;
}

const integers = (key: string, range: string, ...values: readonly string[]): Bad[] =>
  values.map((value) => ({ key, value, says: `parameter "${key}" is not an integer from ${range}` }));
const names = (key: string, ...values: readonly string[]): Bad[] =>
  values.map((value) => ({ key, value, says: `parameter "${key}" is missing or not a name`, hint: NAMES }));
const hosts = (...values: readonly string[]): Bad[] =>
  values.map((value) => ({ key: 'host', value, says: 'parameter "host" is not a host name or an address' }));
const sources = (...values: readonly string[]): Bad[] =>
  values.map((value) => ({ key: 'source', value, says: 'parameter "source" is not a list of addresses' }));

const bad: readonly Bad[] = [
  { key: 'secret', says: 'it is not an otpauth:// URI', hint: COPY },
  { key: 'secret', value: `${SECRET}1`, says: 'the secret is not base32 text' },
  { key: 'secret', value: SECRET.slice(0, 16), says: 'a secret has 16 to 64 bytes, found 10' },
  { key: 'v', says: 'it is an authenticator URI without knock-otp parameters' },
  ...['', '0', '3', '11', '1.0'].map((value) => ({
    key: 'v',
    value,
    says: 'its version is neither 1 nor 2',
    hint: 'update knock-otp',
  })),
  { key: 'issuer', says: 'parameter "issuer" is missing or not a name', hint: NAMES },
  { key: 'door', says: 'parameter "door" is missing or not a name', hint: NAMES },
  { key: 'client', says: 'parameter "client" is missing or not a name', hint: NAMES },
  ...names('issuer', '', '.a', 'a'.repeat(65)),
  ...names('door', '-a', 'a b', 'a/b'),
  ...names('client', '_a', 'a\n', '\u00e9'),
  { key: 'ports', says: 'fewer ports than knocks', hint: 'parameter "ports"' },
  { key: 'ports', value: '7000-7004', says: 'fewer ports than knocks', hint: 'parameter "ports"' },
  { key: 'exclude', value: '1-65530', says: 'fewer ports than knocks', hint: 'parameter "ports"' },
  { key: 'ports', value: '0-9', says: 'parameter "ports" is not a list of ports such as 1024-65535' },
  { key: 'exclude', value: 'x', says: 'parameter "exclude" is not a list of ports such as 1024-65535' },
  { key: 'knocks', says: 'parameter "knocks" is not an integer from 1 to 32' },
  ...integers('knocks', '1 to 32', '', '0', '33', '-1', '6.0', ' 6', '6 ', '6e0'),
  ...integers('timeout', '1 to 3600', '0', '3601'),
  ...integers('period', '1 to 3600', '0', '3601').map((one) =>
    // The library that reads the standard part refuses it first.
    one.value === '0' ? { ...one, says: 'it is not an otpauth:// URI', hint: COPY } : one,
  ),
  ...integers('window', '0 to 99', '-1', '100'),
  { uri: HOTP, key: 'counter', says: `parameter "counter" is not an integer from 0 to ${2 ** 53 - 1}` },
  { key: 'protocols', says: 'parameter "protocols" is not tcp or udp or both' },
  { key: 'protocols', value: 'TCP', says: 'parameter "protocols" is not tcp or udp or both' },
  { key: 'order', says: 'parameter "order" is not any or strict' },
  { key: 'order', value: 'none', says: 'parameter "order" is not any or strict' },
  ...['22', 'tcp/22,x', 'tcp/22/', 'icmp/1', ' tcp/22'].map((value) => ({
    key: 'open',
    value,
    says: 'parameter "open" is not a list such as tcp/22,tcp/443',
  })),
  { key: 'once', value: '', says: 'parameter "once" is not yes or no' },
  { key: 'bind', value: 'source', says: 'parameter "bind" needs version 2' },
  { key: 'bind', value: 'none', says: 'parameter "bind" needs version 2' },
  { uri: BOUND, key: 'bind', value: '', says: 'parameter "bind" is not source or none' },
  ...sources('192.0.2.1,x;id', 'x;id,192.0.2.1', '192.0.2.1,192.0.2.2,192.0.2.3', 'fe80::1%eth0'),
  { key: 'whoami', value: 'name', says: 'parameter "whoami" is not NAME@SERVER' },
  ...hosts('-x', '.x', '%x', ']x', 'a b', 'a;', ';a', 'a\n', 'a'.repeat(254)),
  { key: 'x', value: '1&x=2', says: 'a parameter is given twice' },
];

describe('of a bad profile URI it is said what is wrong', () => {
  for (const { uri = TOTP, key, value, says, hint } of bad) {
    const title = value === undefined ? `no ${key}` : `${key} = ${JSON.stringify(value).slice(0, 40)}`;
    test(key === 'secret' ? `${says}` : title, () => {
      const text = key === 'x' ? `${uri}&x=1&x=2` : changed(uri, key, value);
      const message = `bad profile URI: ${says}`;
      assert.throws(() => parseProfileUri(text), { name: 'KnockError', code: 'PROFILE_INVALID', message, hint });
    });
  }
});

describe('a profile URI is good', () => {
  const good: readonly { uri?: string; key: string; value: string; gives: Partial<Profile> }[] = [
    { key: 'issuer', value: 'a', gives: { server: 'a' } },
    { key: 'door', value: 'a'.repeat(64), gives: { door: 'a'.repeat(64) } },
    { key: 'client', value: '0._-', gives: { client: '0._-' } },
    { key: 'knocks', value: '1', gives: { knocks: 1 } },
    { key: 'knocks', value: '32', gives: { knocks: 32 } },
    { key: 'ports', value: '7000-7005', gives: { range: [{ from: 7000, to: 7005 }] } },
    { key: 'timeout', value: '1', gives: { seqTimeout: 1 } },
    { key: 'timeout', value: '3600', gives: { seqTimeout: 3600 } },
    { key: 'period', value: '1', gives: { step: 1, counter: 0 } },
    { key: 'period', value: '3600', gives: { step: 3600 } },
    { key: 'window', value: '0', gives: { window: 0 } },
    { key: 'window', value: '99', gives: { window: 99 } },
    { uri: HOTP, key: 'counter', value: '0', gives: { counter: 0, step: 0, window: 0 } },
    { uri: HOTP, key: 'counter', value: `${2 ** 53 - 1}`, gives: { counter: 2 ** 53 - 1 } },
    { uri: HOTP, key: 'period', value: '45', gives: { step: 0 } },
    { key: 'counter', value: '7', gives: { counter: 0 } },
    { key: 'order', value: 'strict', gives: { order: 'strict' } },
    { key: 'open', value: ',tcp/22,,', gives: { services: [{ protocol: 'tcp', port: 22 }] } },
    { key: 'open', value: '', gives: { services: [] } },
    { key: 'once', value: 'yes', gives: { opensOnce: true } },
    { uri: BOUND, key: 'bind', value: 'source', gives: { bindsSource: true } },
    { key: 'source', value: ',192.0.2.7,', gives: { sources: ['192.0.2.7'] } },
    { key: 'source', value: '192.0.2.7,::7', gives: { sources: ['192.0.2.7', '::7'] } },
    { key: 'whoami', value: 'a@b', gives: { whoami: 'a@b' } },
    { key: 'host', value: 'a'.repeat(253), gives: { host: 'a'.repeat(253) } },
    { key: 'host', value: '[::1]', gives: { host: '[::1]' } },
    { key: 'host', value: '_', gives: { host: '_' } },
  ];
  for (const { uri = TOTP, key, value, gives } of good) {
    test(`with ${key} = ${JSON.stringify(value).slice(0, 40)}`, () => {
      const { secret: _, ...profile } = parseProfileUri(changed(uri, key, value));
      assert.deepEqual(profile, { ...profile, ...gives });
    });
  }

  for (const [uri, key, value, field] of [
    [TOTP, 'host', '', 'host'],
    [TOTP, 'once', 'no', 'opensOnce'],
    [BOUND, 'bind', 'none', 'bindsSource'],
    [TOTP, 'v', '2', 'bindsSource'],
    [TOTP, 'source', '', 'sources'],
    [TOTP, 'whoami', '', 'whoami'],
  ] as const) {
    test(`with ${key} = ${JSON.stringify(value)}, which says nothing of ${field}`, () => {
      assert.equal(field in parseProfileUri(changed(uri, key, value)), false);
    });
  }
});
