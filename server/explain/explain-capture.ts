/**
 * Explains the packets of a capture with the daemon's own decoder and engine, and with the sequences that were live at the
 * packets' times. Advances the time with the packets, and estimates the spent factors of that time from today's state.
 */
import { type AddressKey, formatAddress } from '../../shared/address.ts';
import { isUdp, pairOf } from '../../shared/knock.ts';
import type { CaptureScope } from '../capture/capture.ts';
import { captureScopeOf } from '../config/capture-scope.ts';
import type { DerivedDoor, ServerConfig } from '../config/config.ts';
import { policiesOf } from '../config/door-policies.ts';
import { type Enrolment, type FactorState, isDerived, type ListedLine, UNUSED } from '../core/door.ts';
import { Engine } from '../core/engine.ts';
import { addressAt, decodePacket } from '../core/packet/packet.ts';
import { packetView } from '../core/packet/packet-view.ts';
import { whyRefused } from '../core/packet/refused-packet.ts';
import type { CapturedPacket } from './capture-file.ts';
import type { StoredFactor } from './stored-factors.ts';
import { PacketTrace, type TracedPacket } from './trace.ts';

export interface ExplainOptions {
  readonly config: ServerConfig;
  readonly enrolments: readonly Enrolment[];
  /** Undefined when the spent factors are unknown. */
  readonly factors: readonly StoredFactor[] | undefined;
  /** Unspent lines of doors with written-down sequences. */
  readonly lines: ReadonlyMap<string, readonly ListedLine[]>;
  readonly maxStraysOf: (door: DerivedDoor, clients: number) => number;
  readonly isOwn: (address: AddressKey) => boolean;
  /** The time of the first packet in Unix milliseconds, instead of the file's time. */
  readonly firstAtMs?: number;
}

/** A packet of the file. A packet that cannot be decoded has no addresses. */
export type ExplainedPacket = { readonly number: number; readonly time: string } & (
  | TracedPacket
  | { readonly ignored: string; readonly source?: string; readonly destination?: string }
);

/** The daemon's tick. */
const TICK_MS = 1_000;
/** The most derivations between two packets, so that a file over years does not derive for every second. */
const MAX_TICKS = 60;
/** RFC 3339 ends with the year 9999. */
const LAST_MS = 253_402_300_799_999;

export class CaptureExplainer {
  readonly #options: ExplainOptions;
  readonly #engine: Engine;
  readonly #trace: PacketTrace;
  readonly #scope: CaptureScope;
  readonly #view = packetView();
  /** Clients that have knocked since the capture began, so their spent factors at that time are unknown. */
  readonly usedSince: { readonly door: string; readonly client: string }[] = [];
  #offsetMs: number | undefined;
  #nowMs = 0;
  #advancedMs = 0;
  #packets = 0;

  constructor(options: ExplainOptions) {
    this.#options = options;
    const { config, enrolments, maxStraysOf } = options;
    this.#engine = new Engine(config.serverId, policiesOf(config.doors, enrolments, maxStraysOf));
    this.#trace = new PacketTrace(this.#engine);
    this.#engine.observe(this.#trace);
    this.#scope = captureScopeOf(config.doors);
    this.#view.anyTcp = this.#scope.tcp === 'any';
  }

  explain({ linkType, frame, atMs }: CapturedPacket): ExplainedPacket {
    this.#packets += 1;
    this.#advanceTo(atMs);
    const at = { number: this.#packets, time: new Date(this.#nowMs).toISOString() };
    const view = this.#view;
    if (!decodePacket(linkType, frame, frame.length, view)) {
      const { why, known } = whyRefused(linkType, frame, frame.length, view);
      return { ...at, ignored: why, ...(known === 'nothing' ? {} : this.#addresses(frame)) };
    }
    if (isUdp(view.pair) && !this.#scope.udp) {
      return { ...at, ignored: 'UDP, and no door has UDP knocks', ...this.#addresses(frame) };
    }
    const source = addressAt(frame, view.sourceAt, view.family);
    const destination = addressAt(frame, view.destinationAt, view.family);
    const { pair, flags } = view;
    const now = { wallMs: Math.floor(this.#nowMs), monoMs: this.#nowMs };
    this.#trace.begin(this.#nowMs, source, pair);
    const isOwn = this.#options.isOwn(destination);
    const effects = this.#engine.decidePacket(this.#nowMs, source, destination, pair, flags, isOwn, now);
    // A spend makes other sequences live, as in the daemon.
    if (effects.length > 0) this.#advance(this.#nowMs);
    return { ...at, ...this.#trace.end(destination, effects) };
  }

  #addresses(frame: Uint8Array): { readonly source: string; readonly destination: string } {
    const { sourceAt, destinationAt, family } = this.#view;
    return {
      source: formatAddress(addressAt(frame, sourceAt, family)),
      destination: formatAddress(addressAt(frame, destinationAt, family)),
    };
  }

  /** Advances the time to the packet. Times in a file may jump back; here time only goes forward, like a monotonic clock. */
  #advanceTo(atMs: number): void {
    const isFirst = this.#offsetMs === undefined;
    this.#offsetMs ??= (this.#options.firstAtMs ?? atMs) - atMs;
    this.#nowMs = Math.min(Math.max(atMs + this.#offsetMs, this.#nowMs, 0), LAST_MS);
    if (isFirst) {
      this.#begin(this.#nowMs);
      this.#advance(this.#nowMs);
    }
    const first = Math.max(this.#advancedMs + TICK_MS, this.#nowMs - MAX_TICKS * TICK_MS);
    for (let tick = first; tick <= this.#nowMs; tick += TICK_MS) this.#advance(tick);
  }

  #begin(nowMs: number): void {
    const { config, enrolments, lines } = this.#options;
    for (const enrolment of enrolments) {
      const state = this.#stateOf(enrolment, nowMs);
      // Enrols one factor earlier and then spends it, so that a replay of the last spent sequence is recognized.
      this.#engine.enrol(enrolment, { ...state, spent: Math.max(state.spent - 1, -1) });
      this.#advance(nowMs);
      if (state.spent >= 0) this.#engine.noteSpent(enrolment.door, enrolment.client, state);
    }
    const now = { wallMs: nowMs, monoMs: nowMs };
    for (const door of config.doors) {
      if (door.kind !== 'derived') this.#engine.setLines(door.name, lines.get(door.name) ?? [], now);
    }
  }

  /** The spent factor when the capture began. Unknown if the client has knocked since: then no live sequence is spent. */
  #stateOf({ door: name, client, keyId }: Enrolment, nowMs: number): FactorState {
    const isSame = (owner: StoredFactor) => owner.door === name && owner.client === client && owner.keyId === keyId;
    const state = this.#options.factors?.find(isSame);
    if (state === undefined) return UNUSED;
    if (state.lastUse === undefined || state.lastUse < nowMs) return state;
    this.usedSince.push({ door: name, client });
    const door = this.#engine.door(name);
    if (door === undefined || !isDerived(door) || door.mode === 'totp') return { ...UNUSED, drift: state.drift };
    return { spent: Math.max(state.spent - 1 - door.lookAhead, -1), drift: 0 };
  }

  #advance(atMs: number): void {
    this.#advancedMs = atMs;
    this.#engine.advance({ wallMs: Math.floor(atMs), monoMs: atMs }, Number.POSITIVE_INFINITY);
  }
}

/** The sequence of each static door. */
export function staticLines({ doors }: ServerConfig): Map<string, readonly ListedLine[]> {
  const lines = new Map<string, readonly ListedLine[]>();
  for (const door of doors) {
    if (door.kind !== 'static') continue;
    lines.set(door.name, [{ id: 0, pairs: door.sequence.map(({ protocol, port }) => pairOf(protocol, port)) }]);
  }
  return lines;
}
