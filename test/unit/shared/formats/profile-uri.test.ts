/** SPEC section 6: written URIs read back, bad ones are rejected, and no message holds the secret. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { parse } from '@otplib/uri';
import fc from 'fast-check';
import { parsePortRanges } from '../../../../shared/allowed-ports.ts';
import { KnockError } from '../../../../shared/errors.ts';
import {
  formatProfileUri,
  formatService,
  type Profile,
  parseProfileUri,
  parseService,
  profileShape,
} from '../../../../shared/formats/profile-uri.ts';
import { Secret } from '../../../../shared/secret.ts';
import { profileArbitrary } from '../../../support/core/arbitraries.ts';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const totp: Profile = {
  server: 'bastion',
  door: 'ssh',
  client: 'laptop',
  mode: 'totp',
  secret: Secret.fromBase32(SECRET),
  host: '192.0.2.1',
  knocks: 6,
  range: parsePortRanges('1024-65535'),
  exclude: parsePortRanges('1900'),
  protocols: 'tcp',
  order: 'any',
  step: 30,
  window: 1,
  counter: 0,
  seqTimeout: 10,
  services: [{ protocol: 'tcp', port: 22 }],
};
const hotp: Profile = { ...totp, mode: 'hotp', step: 0, window: 0, counter: 0 };
const comparable = ({ secret, ...rest }: Profile) => ({ ...rest, secret: secret.toBase32() });

function rejected(uri: string): KnockError {
  try {
    parseProfileUri(uri);
  } catch (error) {
    assert.ok(error instanceof KnockError, `${error}`);
    assert.equal(error.code, 'PROFILE_INVALID');
    assert.match(error.message, /^bad profile URI: /);
    return error;
  }
  throw new assert.AssertionError({ message: 'it was accepted' });
}

describe('a profile URI', () => {
  test('reads back as the profile that it was made from', () => {
    fc.assert(
      fc.property(profileArbitrary, (profile) => {
        const uri = formatProfileUri(profile);
        assert.deepEqual(comparable(parseProfileUri(uri)), comparable(profile));
        assert.doesNotMatch(uri, /[\s'"$`\\<>|;]/, 'it is pasted into shells, in quotes and without');
      }),
      { numRuns: 200 },
    );
  });

  test('is one that otplib reads, with what an authenticator app needs', () => {
    const read = parse(formatProfileUri(totp));
    assert.deepEqual(
      [read.type, read.label, read.params.secret, read.params.issuer, read.params.period, read.params.digits],
      ['totp', 'bastion:laptop@ssh', SECRET, 'bastion', 30, 6],
    );
    assert.equal(parse(formatProfileUri(hotp)).params.counter, 0);
  });

  test('may stand between spaces, in any order of keys, and with keys that nobody knows', () => {
    const [head = '', query = ''] = formatProfileUri(totp).split('?');
    const shuffled = `  ${head}?${query.split('&').toReversed().join('&')}&image=x&extra \n`;
    assert.deepEqual(comparable(parseProfileUri(shuffled)), comparable(totp));
  });

  // In full, because people compare URIs by eye and scripts cut them.
  test('says everything, in this order', () => {
    const head = `secret=${SECRET}&issuer=bastion&algorithm=SHA1&digits=6&v=1&door=ssh&client=laptop`;
    const shape = 'knocks=6&ports=1024-65535&exclude=1900';
    assert.equal(
      formatProfileUri({ ...totp, step: 45 }),
      `otpauth://totp/bastion:laptop%40ssh?${head}&${shape}&protocols=tcp&order=any&timeout=10&period=45&window=1&open=tcp%2F22&host=192.0.2.1`,
    );
    const { host: _, ...elsewhere } = hotp;
    const two: Profile = { ...elsewhere, counter: 7, protocols: 'both', order: 'strict', services: [] };
    assert.equal(
      formatProfileUri(two),
      `otpauth://hotp/bastion:laptop%40ssh?${head}&${shape}&protocols=both&order=strict&timeout=10&counter=7`,
    );
    const services = [...totp.services, { protocol: 'udp', port: 53 } as const];
    const bound = { bindsSource: true, sources: ['192.0.2.7', '2001:db8::7'], whoami: 'a@b', opensOnce: true };
    const uri = formatProfileUri({ ...two, services, ...bound });
    assert.equal(
      uri.slice(uri.indexOf('&counter=')),
      '&counter=7&open=tcp%2F22%2Cudp%2F53&bind=source&source=192.0.2.7%2C2001%3Adb8%3A%3A7&whoami=a%40b&once=yes',
    );
    assert.ok(uri.includes('&v=2&'));
  });

  test('needs no host, no service, no exclude', () => {
    const { host: _, ...rest } = totp;
    const bare = { ...rest, services: [], exclude: [] };
    const uri = formatProfileUri(bare).replace('exclude=&', '');
    assert.deepEqual(comparable(parseProfileUri(uri)), comparable(bare));
  });

  test('gives the shape that the server derives from', () => {
    const shape = profileShape(totp);
    assert.deepEqual([shape.knocks, shape.ports.length, shape.protocols], [6, 64_511, 'tcp']);
  });
});

describe('a reader must reject', () => {
  const uri = formatProfileUri(totp);
  const set = (key: string, value: string) =>
    uri.replace(new RegExp(`([?&]${key}=)[^&]*`), (_, head: string) => `${head}${value}`);
  const without = (key: string) => uri.replace(new RegExp(`[?&]${key}=[^&]*`), (part) => (part[0] === '?' ? '?' : ''));
  const long = 'a'.repeat(65);
  const table: [string, string][] = [
    ['nothing', ''],
    ['another scheme', uri.replace('otpauth', 'https')],
    ['a scheme in upper case', uri.replace('otpauth', 'OTPAUTH')],
    ['another mode', uri.replace('totp', 'yaotp')],
    ['a mode in upper case', uri.replace('totp', 'TOTP')],
    ['a URI over 2048 characters', `${uri}&x=${'a'.repeat(2048)}`],
    ['a bad percent encoding in the label', uri.replace('bastion:', '%zz:')],
    ['a bad percent encoding in a value', set('door', '%e0%a4')],
    ['a fragment', `${uri}#x`],
    ['an authenticator URI of someone else', `otpauth://totp/a:b?secret=${SECRET}&issuer=a`],
    ['another version', set('v', '3')],
    ['a version that only looks right', set('v', '01')],
    ['a secret that is short', set('secret', 'GEZDGNBVGY3TQ')],
    ['a secret that is not base32', set('secret', `${SECRET.slice(1)}1`)],
    ['a name with a slash', set('door', '..%2Fssh')],
    ['a name with a dot first', set('client', '.ssh')],
    ['a name with a dash first', set('client', '-rf')],
    ['a name with a line feed', set('client', 'a%0Ab')],
    ['a name with a NUL', set('client', 'a%00')],
    ['a name of 65 characters', set('issuer', long)],
    ['a name that is not ASCII', set('door', 'stra%C3%9Fe')],
    ['no knocks', set('knocks', '0')],
    ['33 knocks', set('knocks', '33')],
    ['knocks in hexadecimal', set('knocks', '0x6')],
    ['knocks with a sign', set('knocks', '%2B6')],
    ['knocks with a fraction', set('knocks', '6.0')],
    ['ports that are none', set('ports', '0-65536')],
    ['ports the wrong way round', set('ports', '9-7')],
    ['fewer ports than knocks', set('ports', '7000-7004')],
    ['excludes that leave too few ports', set('exclude', '1-65530')],
    ['excludes that are none', set('exclude', 'all')],
    ['other protocols', set('protocols', 'sctp')],
    ['protocols in upper case', set('protocols', 'TCP')],
    ['another order', set('order', 'random')],
    ['no time for the sequence', set('timeout', '0')],
    ['over an hour for the sequence', set('timeout', '3601')],
    ['a step of nothing', set('period', '0')],
    ['a step over an hour', set('period', '3601')],
    ['a window of 100', set('window', '100')],
    ['a service without a protocol', set('open', '22')],
    ['a service on port 0', set('open', 'tcp%2F0')],
    ['a connection for each knock, perhaps', `${uri}&once=maybe`],
    ['a bound door in the words of version 1, which a client of that time would ignore', `${uri}&bind=source`],
    ['a door bound to something else', `${uri.replace('v=1', 'v=2')}&bind=mac`],
    ['a source that is no address', `${uri}&source=a%3Bid`],
    ['three sources', `${uri}&source=192.0.2.1,192.0.2.2,192.0.2.3`],
    ['a question without a server', `${uri}&whoami=name`],
    ['a question that is an option', `${uri}&whoami=-x@server`],
    ['a host that is an option', set('host', '-oProxyCommand%3Dx')],
    ['a host with a shell in it', set('host', 'a%3Bid')],
    ['a host with a space', set('host', 'a+b')],
    ['a host of 254 characters', set('host', 'a'.repeat(254))],
    ['a counter above 2^53 - 1', formatProfileUri(hotp).replace('counter=0', 'counter=9007199254740992')],
    ['a negative counter', formatProfileUri(hotp).replace('counter=0', 'counter=-1')],
    ['no counter', formatProfileUri(hotp).replace('&counter=0', '')],
  ];
  for (const key of [
    'secret',
    'issuer',
    'v',
    'door',
    'client',
    'knocks',
    'ports',
    'protocols',
    'order',
    'timeout',
    'period',
    'window',
  ]) {
    table.push([`a missing ${key}`, without(key)]);
  }
  for (const key of ['secret', 'v', 'knocks', 'issuer', 'host', 'x'])
    table.push([`two of ${key}`, `${uri}&${key}=1&${key}=1`]);
  table.push(['two of secret, one in percents', `${uri}&%73ecret=${SECRET}`]);

  for (const [title, bad] of table) {
    test(title, () => {
      assert.notEqual(bad, uri);
      rejected(bad);
    });
  }

  test('what a slip of the hand makes of a URI, without quoting any of the secret', () => {
    const slip = fc.record({
      profile: profileArbitrary,
      at: fc.double({ min: 0, max: 0.9999, noNaN: true }),
      cut: fc.nat({ max: 3 }),
      put: fc.oneof(fc.constant(''), fc.string({ maxLength: 3 }), fc.constantFrom('&', '=', '%', '#', '?', '+')),
    });
    fc.assert(
      fc.property(slip, ({ profile, at, cut, put }) => {
        const text = formatProfileUri(profile);
        const place = Math.floor(at * text.length);
        const damaged = text.slice(0, place) + put + text.slice(place + cut);
        try {
          parseProfileUri(damaged);
        } catch (error) {
          assert.ok(error instanceof KnockError, `${error}`);
          const said = inspect(error, { depth: null, showHidden: true }).replaceAll(/^\s+at .*$/gm, '');
          const secret = profile.secret.toBase32();
          for (let from = 0; from + 8 <= secret.length; from += 1) {
            assert.ok(!said.includes(secret.slice(from, from + 8)), 'a part of the secret is in the error');
          }
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('a URI whose & before the secret got lost, without quoting it', () => {
    for (const before of ['ports=1-9', 'door=a', 'host=a', 'open=tcp', 'exclude=', 'v=', 'period=']) {
      const error = rejected(`${without('secret')}&secret=${SECRET}`.replace(`&secret`, `&${before}secret`));
      assert.doesNotMatch(`${error.message} ${error.hint}`, /GEZDG/);
    }
  });
});

describe('a service', () => {
  test('is written as protocol and port', () => {
    assert.deepEqual(parseService('udp/51820'), { protocol: 'udp', port: 51820 });
    assert.equal(formatService({ protocol: 'tcp', port: 22 }), 'tcp/22');
  });
  for (const text of ['', 'tcp', 'tcp/', 'tcp/0', 'TCP/22', 'icmp/8', 'tcp/22/x', '22/tcp']) {
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(parseService(text), undefined));
  }
});
