/**
 * Shared code for the comparison of captures, on both sides of the process boundary: doors whose sequences change with each
 * generation, an engine for them, and its decisions as text, source by source.
 */
import { ANY_PACKET, type ListedDoor } from '../../../server/core/door.ts';
import { type Effect, Engine } from '../../../server/core/engine.ts';
import { type AddressKey, formatAddress } from '../../../shared/address.ts';
import { type Pair, pairOf } from '../../../shared/knock.ts';

export type Variant = 'opening' | 'any';

export const KNOCKS = 5;
export const SEQ_TIMEOUT_MS = 60_000;
/** A packet from this source to one of these ports is an order to the program, executed when all captures have seen it. */
export const BARRIER_SOURCE = '10.77.0.200';
export const BARRIER_PORT = 900;
export const NEXT = 901;
export const ROTATE = 902;

/** A deterministic random generator, equal in both processes. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function door(name: string, change: Partial<ListedDoor>): ListedDoor {
  const terms = { order: 'strict', seqTimeoutMs: SEQ_TIMEOUT_MS, grantMs: 1000, maxStrays: 3 } as const;
  return { name, mode: 'static', lookAhead: 1, ...terms, ...change };
}

export class World {
  readonly doors: readonly ListedDoor[];
  readonly engine: Engine;
  readonly decisions = new Map<string, string[]>();
  generation = -1;

  constructor(variant: Variant) {
    this.doors = [
      door('strict', {}),
      door('any', { order: 'any' }),
      door('lines', { mode: 'file', lookAhead: 4 }),
      ...(variant === 'any' ? [door('flags', { tcpFlags: ANY_PACKET })] : []),
      door('barrier', {}),
    ];
    this.engine = new Engine('here', this.doors);
  }

  /** The lines of a door in a generation: a file's lines advance by one, other doors get new ones. */
  lines(name: string, generation = this.generation): readonly { id: number; pairs: readonly Pair[] }[] {
    if (name === 'barrier') return [{ id: 0, pairs: [BARRIER_PORT, 903, 904] }];
    const ids = name === 'lines' ? [0, 1, 2, 3].map((at) => generation + at) : [generation];
    return ids.map((id) => ({ id, pairs: pairsOf(name, id) }));
  }

  rotate(): void {
    this.generation += 1;
    for (const { name } of this.doors) this.engine.setLines(name, this.lines(name), now());
  }

  arrive(atMs: number, source: AddressKey, destination: AddressKey, pair: Pair, flags: number, isOwn: boolean): void {
    for (const effect of this.engine.decidePacket(atMs, source, destination, pair, flags, isOwn, now())) {
      const key = formatAddress(source);
      this.decisions.set(key, [...(this.decisions.get(key) ?? []), textOf(effect)]);
    }
  }
}

/** The clock that all processes share. */
export function now(): { readonly monoMs: number; readonly wallMs: number } {
  const [seconds, nanoseconds] = process.hrtime();
  return { monoMs: seconds * 1000 + nanoseconds / 1e6, wallMs: Date.now() };
}

function pairsOf(name: string, id: number): readonly Pair[] {
  const next = random([...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), id * 7919 + 1));
  const pairs = new Set<Pair>();
  while (pairs.size < KNOCKS) pairs.add(pairOf(next() < 0.3 ? 'udp' : 'tcp', 2000 + Math.floor(next() * 60_000)));
  return [...pairs];
}

function textOf(effect: Effect): string {
  switch (effect.kind) {
    case 'admit':
      return `admit ${effect.door} with ${effect.strays} strays`;
    case 'refuse':
      return `refuse ${effect.door} ${effect.reason}`;
    case 'stage':
      return `stage ${effect.stage} of ${effect.door}`;
    case 'contested':
      return `contested ${effect.door} by ${formatAddress(effect.other)}`;
    case 'ignored':
      return `ignored at ${effect.door}`;
    case 'scan':
      return `scan by ${formatAddress(effect.source)}`;
  }
}
