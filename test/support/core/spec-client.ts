/**
 * A second implementation of docs/SPEC.md, sections 2 to 4, written from that page alone on node:crypto: it shares no
 * code with the product, so that an error has to be made twice to go unseen. It must never import from shared/.
 */
import { createHmac } from 'node:crypto';

export interface SpecInput {
  readonly secretHex: string;
  readonly server: string;
  readonly door: string;
  readonly client: string;
  readonly mode: string;
  readonly factor: number;
  readonly boundSource?: string;
  readonly knocks: number;
  readonly ports: string;
  readonly exclude: string;
  readonly protocols: string;
}

export interface SpecDraw {
  readonly value: number;
  readonly port?: number;
  readonly protocol?: string;
  readonly rejected?: string;
}

export interface SpecResult {
  readonly prkHex: string;
  readonly infoHex: string;
  readonly okmHex: string;
  readonly allowedPorts: number;
  readonly limit: number;
  readonly draws: readonly SpecDraw[];
  readonly sequence: readonly string[];
}

const hmac = (key: Buffer, ...parts: Buffer[]): Buffer =>
  createHmac('sha256', key).update(Buffer.concat(parts)).digest();

/** SPEC 4.1. */
export function specAllowedPorts(ports: string, exclude: string): number[] {
  const member = (list: string) => {
    const set = new Set<number>();
    for (const part of list.split(',')) {
      if (part.trim() === '') continue;
      const ends = part.split('-').map((end) => Number(end));
      for (let port = ends[0] ?? 0; port <= (ends[1] ?? ends[0] ?? 0); port += 1) set.add(port);
    }
    return set;
  };
  const excluded = member(exclude);
  return [...member(ports)].filter((port) => !excluded.has(port)).sort((a, b) => a - b);
}

/** SPEC 4.2 and 4.3; undefined where 2720 draws do not complete the sequence. */
export function specSequence(input: SpecInput): SpecResult | undefined {
  const prk = hmac(Buffer.from('knock-otp/1', 'ascii'), Buffer.from(input.secretHex, 'hex'));
  const factor = Buffer.from(input.factor.toString(16).padStart(16, '0'), 'hex');
  const texts = [input.server, input.door, input.client, input.mode].map((text) => Buffer.from(text, 'ascii'));
  const info = Buffer.concat([...texts, factor, addressBytesOf(input.boundSource)].flatMap((x) => [lengthOf(x), x]));
  const allowed = specAllowedPorts(input.ports, input.exclude);
  const limit = 65536 - (65536 % allowed.length);
  const draws: SpecDraw[] = [];
  const sequence = new Map<number, string>();
  let stream: Buffer = Buffer.alloc(0);
  let block: Buffer = Buffer.alloc(0);
  for (let index = 0; sequence.size < input.knocks; index += 1) {
    if (index === 2720) return undefined;
    while (stream.length < (index + 1) * 3) {
      block = hmac(prk, block, info, Buffer.from([stream.length / 32 + 1]));
      stream = Buffer.concat([stream, block]);
    }
    const [a = 0, b = 0, c = 0] = stream.subarray(index * 3, index * 3 + 3);
    const value = 256 * a + b;
    const port = allowed[value % allowed.length] ?? 0;
    if (value >= limit) draws.push({ value, rejected: 'limit' });
    else if (sequence.has(port)) draws.push({ value, port, rejected: 'duplicate' });
    else {
      const protocol = input.protocols !== 'both' ? input.protocols : c % 2 === 0 ? 'tcp' : 'udp';
      draws.push({ value, port, protocol });
      sequence.set(port, protocol === 'udp' ? `${port}:udp` : `${port}`);
    }
  }
  return {
    prkHex: prk.toString('hex'),
    infoHex: info.toString('hex'),
    okmHex: stream.subarray(0, draws.length * 3).toString('hex'),
    allowedPorts: allowed.length,
    limit,
    draws,
    sequence: [...sequence.values()],
  };
}

/** SPEC 5.4: what a client sends at a door that binds to its source. */
export function specAttempt(input: SpecInput): readonly string[] | undefined {
  const { boundSource: _, ...unbound } = input;
  const [first, second] = [specSequence(unbound), specSequence(input)];
  return first === undefined || second === undefined ? undefined : [...first.sequence, ...second.sequence];
}

function lengthOf(field: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(field.length);
  return length;
}

/** Bytes of an address: 4 for dotted IPv4, 16 for IPv6 with at most one `::`; enough for the vectors. */
function addressBytesOf(text: string | undefined): Buffer {
  if (text === undefined) return Buffer.alloc(0);
  if (!text.includes(':')) return Buffer.from(text.split('.').map((part) => Number(part)));
  const [head = '', tail = ''] = text.split('::');
  const groups = (half: string) => half.split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => '0');
  const all = [...groups(head), ...zeros, ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
