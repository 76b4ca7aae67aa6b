/** Random values in the protocol's terms, for property tests. */
import fc from 'fast-check';
import type { LiveSequence } from '../../../server/core/matching/live-sequence.ts';
import { allowedPorts, parsePortRanges } from '../../../shared/allowed-ports.ts';
import { NAME_PATTERN, type Profile } from '../../../shared/formats/profile-uri.ts';
import { Secret } from '../../../shared/secret.ts';

export const nameArbitrary = fc.stringMatching(NAME_PATTERN);
export const secretBytesArbitrary = fc.uint8Array({ minLength: 16, maxLength: 64 });
export const portArbitrary = fc.integer({ min: 1, max: 65535 });
export const factorArbitrary = fc.oneof(
  fc.nat(),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);

/** `7000-7100,80`: one to four ranges, in any order, overlapping or not. */
export const portListArbitrary = fc
  .array(fc.tuple(portArbitrary, fc.nat({ max: 3000 })), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map(([from, more]) => `${from}-${Math.min(from + more, 65535)}`).join(','));

/** Shapes with few or many ports, and n from 1 up to half of them, which can always be filled. */
export const shapeArbitrary = fc
  .record({
    ports: portListArbitrary,
    exclude: fc.oneof(fc.constant(''), portListArbitrary),
    protocols: fc.constantFrom('tcp' as const, 'udp' as const, 'both' as const),
    share: fc.nat({ max: 31 }),
  })
  .map((shape) => ({
    ...shape,
    count: allowedPorts(parsePortRanges(shape.ports), parsePortRanges(shape.exclude)).length,
  }))
  .filter(({ count }) => count >= 2)
  .map(({ ports, exclude, protocols, share, count }) => ({
    ports,
    exclude,
    protocols,
    knocks: 1 + (share % Math.min(32, Math.floor(count / 2))),
  }));

const hostArbitrary = fc.oneof(
  fc.constantFrom('192.0.2.1', '2001:db8::1', 'fe80::1%eth0', 'bastion.example.org', 'host_1'),
  fc.domain(),
);

export const profileArbitrary: fc.Arbitrary<Profile> = fc
  .record({
    server: nameArbitrary,
    door: nameArbitrary,
    client: nameArbitrary,
    mode: fc.constantFrom('totp' as const, 'hotp' as const),
    secret: secretBytesArbitrary.map((bytes) => Secret.fromBytes(bytes)),
    host: fc.option(hostArbitrary, { nil: undefined }),
    shape: shapeArbitrary,
    order: fc.constantFrom('any' as const, 'strict' as const),
    step: fc.integer({ min: 1, max: 3600 }),
    window: fc.integer({ min: 0, max: 99 }),
    counter: factorArbitrary,
    seqTimeout: fc.integer({ min: 1, max: 3600 }),
    opensOnce: fc.boolean(),
    bindsSource: fc.boolean(),
    sources: fc.option(fc.constantFrom(['192.0.2.7'], ['2001:db8::7', '192.0.2.7']), { nil: undefined }),
    whoami: fc.option(fc.constant('whoami.example@[2001:db8::53]'), { nil: undefined }),
    services: fc.array(
      fc.record(
        { protocol: fc.constantFrom('tcp' as const, 'udp' as const), port: portArbitrary },
        { noNullPrototype: true },
      ),
      {
        maxLength: 4,
      },
    ),
  })
  .map(({ shape, host, opensOnce, bindsSource, sources, whoami, step, window, counter, ...rest }) => ({
    ...rest,
    ...(host === undefined ? {} : { host }),
    ...(opensOnce ? { opensOnce } : {}),
    ...(bindsSource ? { bindsSource } : {}),
    ...(sources === undefined ? {} : { sources }),
    ...(whoami === undefined ? {} : { whoami }),
    knocks: shape.knocks,
    protocols: shape.protocols,
    range: parsePortRanges(shape.ports),
    exclude: parsePortRanges(shape.exclude),
    step: rest.mode === 'totp' ? step : 0,
    window: rest.mode === 'totp' ? window : 0,
    counter: rest.mode === 'hotp' ? counter : 0,
  }));

/** Few of them, so that collisions and repeats are the rule, not the exception. */
export function pairArbitrary(pairs: number): fc.Arbitrary<number> {
  return fc.integer({ min: 1, max: pairs });
}

/** A door's terms for its sequences, for `fc.record`, with small budgets that are often exceeded. */
export function doorRules({ timeoutMs, enteredMs }: { readonly timeoutMs: number; readonly enteredMs: number }) {
  return {
    order: fc.constantFrom('any' as const, 'strict' as const),
    maxStrays: fc.integer({ min: 0, max: 3 }),
    seqTimeoutMs: fc.integer({ min: 1, max: timeoutMs }),
    enteredAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: enteredMs })),
  };
}

type LiveFields = Pick<LiveSequence, 'order' | 'pairs' | 'maxStrays' | 'seqTimeoutMs' | 'enteredAtMs'>;

export interface LiveBounds {
  readonly pairs: number;
  readonly knocks: number;
  readonly timeoutMs: number;
}

/** A sequence for an index, without its id. */
export function liveArbitrary({ pairs, knocks, timeoutMs }: LiveBounds): fc.Arbitrary<LiveFields> {
  const list = fc.array(pairArbitrary(pairs), { minLength: 1, maxLength: knocks });
  return fc.record({ ...doorRules({ timeoutMs, enteredMs: 60 }), pairs: list });
}

/** Sequences in any order have distinct pairs; strict ones may repeat one. */
export function asLive(fields: LiveFields, id: number): LiveSequence {
  const pairs = fields.order === 'any' ? [...new Set(fields.pairs)] : fields.pairs;
  return { ...fields, id, pairs, door: `door${id}`, client: 'client', keyId: 'key', factor: id };
}

/** A packet of one of `sources` sources, some milliseconds after the previous one. */
export function arrivalArbitrary(sources: number, pairs: number) {
  return fc.record({
    source: fc.integer({ min: 0, max: sources - 1 }),
    pair: pairArbitrary(pairs),
    gapMs: fc.integer({ min: 0, max: 6 }),
  });
}
