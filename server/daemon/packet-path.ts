/**
 * The daemon's part of a packet's way: an arrival from the capture goes to the engine, and the engine's effects go to the
 * dispatch. Synchronous, total, and without I/O: effects are only queued.
 */
import { type AddressKey, isIpv4 } from '../../shared/address.ts';
import type { Pair } from '../../shared/knock.ts';
import type { Clock } from '../clock/clock.ts';
import type { Engine } from '../core/engine.ts';
import type { LiveTrace } from '../explain/live-trace.ts';
import type { EffectDispatch } from './effect-dispatch.ts';

export interface PacketPathDeps {
  readonly engine: Engine;
  readonly trace: LiveTrace;
  readonly dispatch: EffectDispatch;
  readonly clock: Clock;
  /** Whether an address is one of this host's own; asked for every packet. */
  readonly isOwnAddress: (address: AddressKey) => boolean;
  /** True: packets over IPv6 are ignored. */
  readonly ipv4Only?: boolean;
}

export class PacketPath {
  readonly #deps: PacketPathDeps;
  #arrivals = 0;
  #isClosed = false;

  constructor(deps: PacketPathDeps) {
    this.#deps = deps;
  }

  /** Packets that went to the engine. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** From now on arrivals are ignored: the daemon stops. */
  close(): void {
    this.#isClosed = true;
  }

  /** Takes one arrival, in the order and with the meaning of the capture's ArrivalListener. */
  readonly takeArrival = (
    atMs: number,
    source: AddressKey,
    destination: AddressKey,
    pair: Pair,
    flags: number,
  ): void => {
    const { engine, trace, dispatch, clock, isOwnAddress, ipv4Only } = this.#deps;
    if (this.#isClosed || (ipv4Only === true && !isIpv4(source))) return;
    this.#arrivals += 1;
    const now = clock.now();
    trace.begin(atMs, source, pair);
    const effects = engine.decidePacket(atMs, source, destination, pair, flags, isOwnAddress(destination), now);
    trace.end(atMs, destination, effects, now);
    for (const effect of effects) dispatch.dispatch(effect);
  };
}
