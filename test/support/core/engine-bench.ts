/** An engine with a clock that a test moves, and derived doors. Reports its effects as words. */
import { type DoorPolicy, type Enrolment, TCP_SYN, UNUSED } from '../../../server/core/door.ts';
import { type Effect, Engine } from '../../../server/core/engine.ts';
import { type AddressKey, formatAddress } from '../../../shared/address.ts';
import type { Pair } from '../../../shared/knock.ts';
import { address, SERVER } from './doors.ts';

export const SOURCE = address('192.0.2.7');
export const OTHER = address('198.51.100.9');
export const HERE = address('203.0.113.1');
export const STEP_MS = 30_000;

/** Time step 1000 at the beginning; knocks take a millisecond each. */
export class EngineBench {
  readonly engine: Engine;
  wallMs = 1000 * STEP_MS + 12_000;
  monoMs = 50_000;

  constructor(doors: readonly DoorPolicy[], clients: readonly Enrolment[], engine: Engine = new Engine(SERVER, doors)) {
    this.engine = engine;
    for (const client of clients) this.engine.enrol(client, UNUSED);
    this.settle();
  }

  get now() {
    return { wallMs: this.wallMs, monoMs: this.monoMs };
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.monoMs += ms;
  }

  settle(): void {
    while (!this.engine.advance(this.now, 50));
  }

  packet(pair: Pair, source: AddressKey = SOURCE, destination: AddressKey = HERE): readonly Effect[] {
    this.pass(1);
    return this.engine.decidePacket(this.monoMs, source, destination, pair, TCP_SYN, destination === HERE, this.now);
  }

  knock(pairs: readonly Pair[], source: AddressKey = SOURCE, destination: AddressKey = HERE): readonly Effect[] {
    return pairs.flatMap((pair) => this.packet(pair, source, destination));
  }
}

/** `admit laptop`, `replay`, `contested, spent`, `rival 198.51.100.9, closes`, ... */
export function kinds(effects: readonly Effect[]): string[] {
  return effects.map(wordsOf);
}

function wordsOf(effect: Effect): string {
  switch (effect.kind) {
    case 'stage':
      return `stage ${effect.stage}`;
    case 'admit':
      return `admit ${effect.client}`;
    case 'refuse':
      return effect.spend === undefined ? effect.reason : `${effect.reason}, spent`;
    case 'ignored':
      return `ignored ${effect.forMs}`;
    case 'scan':
      return `scan ${formatAddress(effect.source)}${effect.isHeldBack ? ', held back' : ''}`;
    case 'contested': {
      const what = effect.closes !== undefined ? ', closes' : effect.spend !== undefined ? ', spent' : '';
      return `rival ${formatAddress(effect.source)}${what}`;
    }
  }
}
