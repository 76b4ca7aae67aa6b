/**
 * Derives sequences: (secret, identity, moving factor, shape) -> knocks, exactly as in SPEC section 4. The vectors are
 * in test/vectors/sequence.json. Pure; client and server run the same code.
 *
 * HKDF instead of the truncated codes of RFC 4226: six digits are 20 bits and could be searched within a time step. The
 * derivation includes every identity field, so a capture at one server, door or client reveals nothing about another.
 */
import { extract } from '@noble/hashes/hkdf.js';
import { type _HMAC as HmacState, hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { KnockError } from './errors.ts';
import { type Knock, knockOf, type Pair, type Protocol, pairOf } from './knock.ts';
import { factorBytes, type OtpMode } from './moving-factor.ts';
import type { Secret } from './secret.ts';

/** HKDF salt: names the protocol and its version, so that no other use of the secret can yield the same keys. */
export const DERIVATION_LABEL = 'knock-otp/1';

const HASH_BYTES = 32;
const ONE = Uint8Array.of(1);
/** Bytes of one draw: two for the port, one for the protocol (used only if both are allowed). */
const DRAW_BYTES = 3;
/** RFC 5869 section 2.3: at most 255 hash lengths of output. */
const MAX_OUTPUT_BYTES = 255 * HASH_BYTES;

/** The maximum of a two-byte length. Beyond it, two identities could encode to the same bytes. */
const MAX_FIELD_BYTES = 0xffff;

export const MIN_KNOCKS = 1;
export const MAX_KNOCKS = 32;

export interface Identity {
  readonly server: string;
  readonly door: string;
  readonly client: string;
  readonly mode: OtpMode;
  /** The client's address as the server sees it, 4 or 16 bytes, if the door binds sequences to it. */
  readonly boundSource?: Uint8Array | undefined;
}

export interface Shape {
  /** Number of knocks: 1 to 32, and at most the number of allowed ports. */
  readonly knocks: number;
  /** Ascending and distinct, see `allowedPorts`. */
  readonly ports: readonly number[];
  readonly protocols: 'tcp' | 'udp' | 'both';
}

type Keyed = HmacState<ReturnType<typeof sha256.create>>;

/**
 * HMAC states by key. Keying is half the work of an HKDF-Expand, and a server does one for each client at each step. An
 * entry lives as long as its key.
 */
const keyed = new WeakMap<DerivationKey, Keyed>();
let scratch: Keyed | undefined;

/** The result of HKDF-Extract, made once for each secret. Opaque, and as confidential as the secret. */
export type DerivationKey = Uint8Array & { readonly __derivationKey?: never };

export function derivationKey(secret: Secret): DerivationKey {
  return extract(sha256, secret.bytes(), utf8ToBytes(DERIVATION_LABEL));
}

/**
 * The sequence for one moving factor: `shape.knocks` knocks on distinct ports.
 * @throws KnockError CONFIG_INVALID when the shape cannot be filled
 */
export function deriveSequence(key: DerivationKey, identity: Identity, factor: number, shape: Shape): Knock[] {
  return derivePairs(key, identity, factor, shape).map(knockOf);
}

/** {@link deriveSequence} as pairs for the server's tables. @throws KnockError as {@link deriveSequence} */
export function derivePairs(key: DerivationKey, identity: Identity, factor: number, shape: Shape): Pair[] {
  const { knocks, ports, protocols } = shape;
  if (!Number.isInteger(knocks) || knocks < MIN_KNOCKS || knocks > MAX_KNOCKS || knocks > ports.length) {
    throw new KnockError('CONFIG_INVALID', `cannot derive ${knocks} knocks from ${ports.length} allowed ports`, {
      hint: `1 to ${MAX_KNOCKS} knocks, and at least as many ports`,
    });
  }
  const info = derivationInfo(identity, factor);
  // Rejects 16-bit draws at or above the largest multiple of R, so that all ports are equally likely.
  const limit = Math.floor(0x10000 / ports.length) * ports.length;
  for (let bytes = firstOutputBytes(knocks); ; bytes = Math.min(bytes * 4, MAX_OUTPUT_BYTES)) {
    const drawn = draw(expand(key, info, bytes), limit, knocks, ports, protocols);
    if (drawn !== undefined) return drawn;
    if (bytes === MAX_OUTPUT_BYTES) {
      throw new KnockError('CONFIG_INVALID', `no sequence of ${knocks} knocks from ${ports.length} allowed ports`, {
        hint: 'allow more ports',
      });
    }
  }
}

/**
 * All knocks of an attempt: one sequence, and then a second one if the door binds to the client's address.
 * @throws KnockError CONFIG_INVALID as {@link deriveSequence}
 */
export function deriveAttempt(
  key: DerivationKey,
  identity: Identity,
  factor: number,
  shape: Shape,
  boundSource: Uint8Array | undefined,
): Knock[] {
  const first = deriveSequence(key, identity, factor, shape);
  if (boundSource === undefined) return first;
  return [...first, ...deriveSequence(key, { ...identity, boundSource }, factor, shape)];
}

/**
 * HKDF info: every field after its length as two bytes big-endian, so that no two identities encode to the same bytes.
 * @throws KnockError CONFIG_INVALID when a field is longer than 65535 bytes
 */
export function derivationInfo(identity: Identity, factor: number): Uint8Array {
  const fields = [
    nameBytes(identity.server),
    nameBytes(identity.door),
    nameBytes(identity.client),
    nameBytes(identity.mode),
    fieldOf(factor),
    identity.boundSource ?? new Uint8Array(0),
  ];
  const info = new Uint8Array(fields.reduce((sum, field) => sum + 2 + field.length, 0));
  let at = 0;
  for (const field of fields) {
    if (field.length > MAX_FIELD_BYTES) {
      throw new KnockError(
        'CONFIG_INVALID',
        `an identity field has ${field.length} bytes, at most ${MAX_FIELD_BYTES} fit`,
      );
    }
    info[at] = field.length >> 8;
    info[at + 1] = field.length & 0xff;
    info.set(field, at + 2);
    at += 2 + field.length;
  }
  return info;
}

/** Cache of one factor: at a step a server derives with the same factor for all its clients. */
let latest = { factor: Number.NaN, field: new Uint8Array(0) };

function fieldOf(factor: number): Uint8Array {
  if (latest.factor !== factor) latest = { factor, field: Uint8Array.from(factorBytes(factor)) };
  return latest.field;
}

/** HKDF-Expand, RFC 5869 section 2.3. @param bytes whole hash lengths, at most 255 */
function expand(key: DerivationKey, info: Uint8Array, bytes: number): Uint8Array {
  let start = keyed.get(key);
  if (start === undefined) {
    start = hmac.create(sha256, key);
    keyed.set(key, start);
  }
  const output = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += HASH_BYTES) {
    const state = start._cloneInto(scratch);
    scratch = state;
    // T(n) is the HMAC of T(n-1), info and n; T(0) is empty. Mostly T(1) is enough.
    if (at > 0) state.update(output.subarray(at - HASH_BYTES, at));
    state.update(info).update(at === 0 ? ONE : Uint8Array.of(at / HASH_BYTES + 1));
    state.digestInto(bytes === HASH_BYTES ? output : output.subarray(at, at + HASH_BYTES));
  }
  return output;
}

/** UTF-8 bytes. Almost all names are ASCII, and encoding them by a library costs as much as hashing them. */
function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    if (code > 0x7f) return utf8ToBytes(name);
    bytes[at] = code;
  }
  return bytes;
}

function draw(
  output: Uint8Array,
  limit: number,
  knocks: number,
  ports: readonly number[],
  protocols: Shape['protocols'],
): Pair[] | undefined {
  const sequence: Pair[] = [];
  for (let at = 0; at + DRAW_BYTES <= output.length; at += DRAW_BYTES) {
    const value = ((output[at] ?? 0) << 8) | (output[at + 1] ?? 0);
    if (value >= limit) continue;
    const port = ports[value % ports.length];
    // Ports are distinct over both protocols. They are few, so a linear search costs less than a set.
    if (port === undefined || sequence.includes(port) || sequence.includes(pairOf('udp', port))) continue;
    sequence.push(pairOf(protocolOf(protocols, output[at + 2] ?? 0), port));
    if (sequence.length === knocks) return sequence;
  }
  return undefined;
}

function protocolOf(protocols: Shape['protocols'], byte: number): Protocol {
  if (protocols !== 'both') return protocols;
  return (byte & 1) === 0 ? 'tcp' : 'udp';
}

/**
 * Bytes for 1.5 draws a knock, in whole hash blocks. A longer HKDF output begins with the shorter one, so growing is
 * safe.
 */
function firstOutputBytes(knocks: number): number {
  return Math.ceil((knocks * DRAW_BYTES * 1.5) / HASH_BYTES) * HASH_BYTES;
}
