/** Doors that bind to the source: spending, floods of copied first parts, and the findings of `check`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicAddress } from '../../../../client/address/public-address.ts';
import { describeCheck } from '../../../../server/config/check/describe-check.ts';
import { loadServer } from '../../../../server/config/load-server.ts';
import { TCP_SYN, UNUSED } from '../../../../server/core/door.ts';
import { Engine } from '../../../../server/core/engine.ts';
import { firstPartStrays } from '../../../../server/core/matching/bound-attempt.ts';
import { Matcher } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { type AddressKey, addressBytes, addressKeyOfBytes } from '../../../../shared/address.ts';
import { deriveAttempt } from '../../../../shared/derive.ts';
import { type Pair, pairOf } from '../../../../shared/knock.ts';
import { configDirectory, doorText } from '../../../support/core/config-text.ts';
import { address, doorPolicy, enrolment, SERVER } from '../../../support/core/doors.ts';

const HERE = address('203.0.113.1');
const CLIENT = address('192.0.2.7');
const OTHER = address('198.51.100.9');
const laptop = enrolment('laptop');
const policy = doorPolicy({ mode: 'hotp', bindsSource: true });

function attempt(factor: number, source: AddressKey): readonly Pair[] {
  const identity = { server: SERVER, door: 'ssh', client: 'laptop', mode: 'hotp' } as const;
  const knocks = deriveAttempt(laptop.key, identity, factor, policy.shape, addressBytes(source));
  return knocks.map(({ protocol, port }) => pairOf(protocol, port));
}

function engineOf(): { readonly engine: Engine; send(pairs: readonly Pair[], source: AddressKey): readonly string[] } {
  const engine = new Engine(SERVER, [policy]);
  engine.enrol(laptop, UNUSED);
  engine.advance({ wallMs: 0, monoMs: 0 }, 1000);
  let at = 1;
  return {
    engine,
    send: (pairs, source) =>
      pairs.flatMap((pair) => {
        at += 1;
        const now = { wallMs: at, monoMs: at };
        return engine.decidePacket(at, source, HERE, pair, TCP_SYN, true, now).map(({ kind }) => kind);
      }),
  };
}

test('when first parts are copied, alone or with somebody else’s second part, then nothing is spent, refused or said', () => {
  const { engine, send } = engineOf();
  const whole = attempt(0, CLIENT);
  assert.deepEqual(send(whole.slice(0, 6), OTHER), []);
  assert.deepEqual(send(whole, OTHER), []);
  assert.deepEqual(send(whole.slice(0, 11), CLIENT), []);
  assert.equal(engine.enrolments()[0]?.state.spent, -1);
  assert.deepEqual(send(whole.slice(11), CLIENT), ['admit']);
  assert.equal(engine.enrolments()[0]?.state.spent, 0);
  // Now it is a replay, from the one address that can repeat it.
  assert.deepEqual(send(whole, OTHER), []);
  assert.deepEqual(
    send(whole, CLIENT).filter((kind) => kind === 'admit'),
    [],
  );
});

test('when the client is revoked between the parts then the second one opens nothing', () => {
  const { engine, send } = engineOf();
  const whole = attempt(0, CLIENT);
  send(whole.slice(0, 8), CLIENT);
  engine.revoke('ssh', 'laptop');
  assert.deepEqual(send(whole.slice(8), CLIENT), []);
});

test('when copies of a first part come from thousands of invented sources then memory is bounded and the client gets in', () => {
  const limits = { sources: 1_000, promisingSources: 50, boundSources: 20 };
  const index = new SequenceIndex();
  const first = [7001, 9002, 8003];
  const secondOf = (source: AddressKey) => (source === CLIENT ? [6001, 6002, 6003] : [5001, 5002, 5003]);
  let derived = 0;
  index.add({
    id: 1,
    door: 'ssh',
    client: 'laptop',
    keyId: 'key',
    factor: 1,
    pairs: first,
    order: 'any',
    seqTimeoutMs: 10_000,
    maxStrays: firstPartStrays(3, 8),
    enteredAtMs: 0,
    secondPart: (source) => {
      derived += 1;
      return secondOf(source);
    },
  });
  const matcher = new Matcher(index, limits);
  let invented = 0;
  const flood = (sources: number): void => {
    for (let i = 0; i < sources; i += 1) {
      invented += 1;
      const source = addressKeyOfBytes(
        Uint8Array.of(11, (invented >> 16) & 255, (invented >> 8) & 255, invented & 255),
      );
      // Twice: repeating the first part costs no second derivation.
      for (const pair of [...first, ...first]) assert.deepEqual(matcher.matchPacket(100, source, pair), []);
    }
  };
  for (const pair of first) matcher.matchPacket(1, CLIENT, pair);
  flood(20);
  matcher.matchPacket(101, CLIENT, 6001);
  matcher.matchPacket(102, CLIENT, 6002);
  // Two knocks of its own second part: from here on no copy evicts the client.
  flood(20_000);
  assert.ok(matcher.trackedSources <= limits.sources + limits.promisingSources + limits.boundSources);
  assert.equal(derived, 20_021);
  const [completion] = matcher.matchPacket(103, CLIENT, 6003);
  assert.equal(completion?.source, CLIENT);
  assert.equal(completion?.strays, 0);
});

test('when a door binds then the check says what is left to who copies the first part', async () => {
  const directory = await configDirectory(doorText('ssh', 'bind = source', 'contested = refuse'));
  try {
    await directory.putClient('laptop.client', '[ssh]\nsecret = GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n');
    const text = describeCheck(await loadServer(directory.file));
    assert.match(text, /knocks +6 and 6 bound to the source \(tcp, any order, within 10 s\)/);
    assert.match(text, /strays +200 forgiven within a knock/);
    assert.match(text, /odds +a random opening: 10\^-\d\d\.\d a day, at 10\^5 random packets\/s, 1\d\d\.\d bits/);
    assert.match(text, /racer +knows the first part: a random opening: 1 in 1,\d{3},000 a day/);
    assert.match(text, /contested: the key has no effect with bind = source/);
  } finally {
    await directory.remove();
  }
});

test('the address that is said counts before the one that is asked for, and that before the profile’s and this machine’s', async () => {
  const to = { address: '203.0.113.1', family: 4 } as const;
  const to6 = { address: '2001:db8::1', family: 6 } as const;
  const network = {
    localAddress: async ({ family }: { readonly family: 4 | 6 }) => (family === 4 ? '10.0.0.2' : 'fe80::2'),
    whoami: async (_: unknown, family: 4 | 6) => (family === 4 ? '192.0.2.44' : undefined),
  };
  const known = { sources: ['2001:DB8:0::7', '192.0.2.33'], whoami: 'me@dns.example' };
  const found = async (...[where, profile, options]: [typeof to | typeof to6, object, object]) => {
    const { text, how } = await publicAddress(where, profile, options, network);
    return `${text} ${how}`;
  };
  assert.equal(await found(to, known, { source: '192.0.2.11' }), '192.0.2.11 given');
  assert.equal(await found(to, known, { whoami: 'me@other.example' }), '192.0.2.44 asked');
  assert.equal(await found(to, known, {}), '192.0.2.33 given');
  assert.equal(await found(to6, known, {}), '2001:db8::7 given');
  assert.equal(await found(to, { whoami: 'me@dns.example' }, {}), '192.0.2.44 asked');
  assert.equal(await found(to, {}, {}), '10.0.0.2 local');
  await assert.rejects(found(to6, {}, { source: '192.0.2.11' }), { code: 'USAGE' });
  await assert.rejects(found(to, {}, { source: '192.0.2.999' }), { code: 'USAGE' });
  await assert.rejects(found(to6, { whoami: 'me@dns.example' }, {}), { code: 'NETWORK' });
});
