/**
 * Writes test/vectors/sequence.json: the frozen vectors of SPEC section 9. It computes the trace of draws with
 * node:crypto, and compares the result with shared/derive before it writes. Vectors are a contract: run this program to
 * add vectors, never to make a failing test pass.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { addressBytes, addressKey } from '../shared/address.ts';
import { allowedPorts, DEFAULT_EXCLUDE_PORTS, parsePortRanges } from '../shared/allowed-ports.ts';
import {
  DERIVATION_LABEL,
  derivationInfo,
  derivationKey,
  deriveSequence,
  type Identity,
  type Shape,
} from '../shared/derive.ts';
import { formatKnock, formatSequence } from '../shared/knock.ts';
import type { OtpMode } from '../shared/moving-factor.ts';
import { Secret } from '../shared/secret.ts';

interface Input {
  readonly name: string;
  readonly secretHex: string;
  readonly server: string;
  readonly door: string;
  readonly client: string;
  readonly mode: OtpMode;
  readonly factor: number;
  readonly boundSource?: string;
  readonly knocks: number;
  readonly ports: string;
  readonly exclude: string;
  readonly protocols: Shape['protocols'];
}

const RFC_SECRET = Buffer.from('12345678901234567890').toString('hex');
const base = {
  secretHex: RFC_SECRET,
  server: 'bastion',
  door: 'ssh',
  client: 'laptop',
  mode: 'totp',
  factor: 60_000_000,
  knocks: 6,
  ports: '1024-65535',
  exclude: '',
  protocols: 'tcp',
} as const;
const ascending = (bytes: number) => Buffer.from(Array.from({ length: bytes }, (_, at) => at)).toString('hex');

const inputs: readonly Input[] = [
  { ...base, name: 'totp, tcp, the default ports', exclude: DEFAULT_EXCLUDE_PORTS },
  { ...base, name: 'totp, the step after', exclude: DEFAULT_EXCLUDE_PORTS, factor: 60_000_001 },
  { ...base, name: 'hotp, first counter, udp', mode: 'hotp', factor: 0, protocols: 'udp' },
  { ...base, name: 'hotp, tcp and udp mixed', mode: 'hotp', factor: 1, knocks: 8, protocols: 'both' },
  { ...base, name: 'R = 16 with n = 12: many duplicates', ports: '7000-7015', knocks: 12 },
  { ...base, name: 'R = n = 8: every port, a permutation', ports: '40001-40008', knocks: 8, protocols: 'both' },
  { ...base, name: 'R = 2^12: no draw is ever above the limit', ports: '4096-8191', knocks: 8 },
  { ...base, name: 'R = 2^15 + 1: half of the draws are above the limit', ports: '32767-65535', knocks: 10 },
  { ...base, name: 'R = 40000: rejection bites', ports: '10000-49999', knocks: 8, protocols: 'both' },
  { ...base, name: 'R = 65535, the largest', ports: '1-65535', knocks: 4 },
  { ...base, name: 'R = 1, n = 1', ports: '22', knocks: 1 },
  {
    ...base,
    name: 'several ranges out of order and overlapping, excludes inside and outside',
    ports: '9000-9100,2000-2050,2040-2100,80',
    exclude: '1-79,2010-2020,9050,50000',
  },
  { ...base, name: 'bound to an IPv4 source', boundSource: '192.0.2.7' },
  { ...base, name: 'bound to an IPv6 source', boundSource: '2001:db8::7', protocols: 'both' },
  { ...base, name: 'counter above 2^32', mode: 'hotp', factor: 2 ** 32 + 5 },
  { ...base, name: 'the largest counter, 2^53 - 1', mode: 'hotp', factor: Number.MAX_SAFE_INTEGER },
  {
    ...base,
    name: 'secret of 16 bytes, names of one character',
    secretHex: ascending(16),
    server: 'a',
    door: 'b',
    client: 'c',
  },
  {
    ...base,
    name: 'secret of 64 bytes, names of 64 characters',
    secretHex: ascending(64),
    server: `S${'s'.repeat(63)}`,
    door: `9${'._-'.repeat(21)}`,
    client: `C${'0'.repeat(63)}`,
  },
  { ...base, name: 'names that differ only in where they are cut (1)', server: 'ab', door: 'c' },
  { ...base, name: 'names that differ only in where they are cut (2)', server: 'a', door: 'bc' },
  { ...base, name: '32 knocks from 36 ports: the stream grows', ports: '60000-60035', knocks: 32, protocols: 'both' },
];

/** Whole attempts at doors that bind to the source: the first part, then the second part. */
const attempts: readonly Input[] = [
  { ...base, name: 'attempt from an IPv4 source', boundSource: '192.0.2.7', exclude: DEFAULT_EXCLUDE_PORTS },
  {
    ...base,
    name: 'attempt of the same client from another source',
    boundSource: '198.51.100.7',
    exclude: DEFAULT_EXCLUDE_PORTS,
  },
  {
    ...base,
    name: 'attempt from an IPv6 source, hotp',
    mode: 'hotp',
    factor: 1,
    boundSource: '2001:db8::7',
    protocols: 'both',
  },
  { ...base, name: 'attempt whose parts share ports', boundSource: '192.0.2.7', ports: '7000-7007', knocks: 6 },
];

function trace(okm: Buffer, ports: readonly number[], shape: Shape) {
  const limit = Math.floor(0x10000 / ports.length) * ports.length;
  const sequence: string[] = [];
  const taken = new Set<number>();
  const draws: object[] = [];
  let at = 0;
  for (; sequence.length < shape.knocks; at += 3) {
    const value = okm.readUInt16BE(at);
    const port = ports[value % ports.length];
    if (port === undefined) throw new Error('no ports');
    if (value >= limit) draws.push({ value, rejected: 'limit' });
    else if (taken.has(port)) draws.push({ value, port, rejected: 'duplicate' });
    else {
      taken.add(port);
      const mixed = (okm.readUInt8(at + 2) & 1) === 0 ? 'tcp' : 'udp';
      const protocol = shape.protocols === 'both' ? mixed : shape.protocols;
      draws.push({ value, port, protocol });
      sequence.push(formatKnock({ protocol, port }));
    }
  }
  return { limit, draws, sequence, consumed: at };
}

function vectorOf(input: Input) {
  const { boundSource, secretHex, factor, knocks, protocols } = input;
  const secret = Buffer.from(secretHex, 'hex');
  const ports = allowedPorts(parsePortRanges(input.ports), parsePortRanges(input.exclude));
  const source = boundSource === undefined ? undefined : addressKey(boundSource);
  const identity: Identity = {
    server: input.server,
    door: input.door,
    client: input.client,
    mode: input.mode,
    ...(source === undefined ? {} : { boundSource: addressBytes(source) }),
  };
  const shape: Shape = { knocks, ports, protocols };
  const info = derivationInfo(identity, factor);
  const okm = Buffer.from(hkdfSync('sha256', secret, DERIVATION_LABEL, info, 8160));
  const { limit, draws, sequence, consumed } = trace(okm, ports, shape);
  const product = formatSequence(deriveSequence(derivationKey(Secret.fromBytes(secret)), identity, factor, shape));
  if (product !== sequence.join(' ')) throw new Error(`${input.name}: shared/derive says ${product}`);
  return {
    ...input,
    prkHex: createHmac('sha256', DERIVATION_LABEL).update(secret).digest('hex'),
    infoHex: Buffer.from(info).toString('hex'),
    allowedPorts: ports.length,
    limit,
    okmHex: okm.subarray(0, consumed).toString('hex'),
    draws,
    sequence,
  };
}

function attemptOf(input: Input) {
  const { boundSource: _, ...unbound } = input;
  const [first, second] = [vectorOf(unbound), vectorOf(input)];
  return { ...input, knocking: [...first.sequence, ...second.sequence] };
}

const file = fileURLToPath(new URL('../test/vectors/sequence.json', import.meta.url));
const vectors = inputs.map(vectorOf);
const made = { label: DERIVATION_LABEL, vectors, attempts: attempts.map(attemptOf) };
if (process.argv.includes('--check')) {
  if (!isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(made)))) {
    process.stderr.write('gen-vectors: test/vectors/sequence.json is not what this program makes\n');
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`);
  process.stdout.write(`${vectors.length} vectors\n`);
}
