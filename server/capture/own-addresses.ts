/**
 * This host's own addresses: a packet to anyone else is no knock (the capture is promiscuous). Knows how to ask the
 * system and how often; a DHCP lease or an interface that comes later is seen within a second.
 */
import { networkInterfaces } from 'node:os';
import { type AddressKey, addressKey } from '../../shared/address.ts';

export const REREAD_MS = 1000;
/** Packets to strangers make it look again no more often than this: a flood of them costs ten readings a second. */
export const LOOK_AGAIN_MS = 100;

/** Address texts as the system has them now. */
export type AddressReader = () => readonly string[];

export interface OwnAddressesOptions {
  readonly read?: AddressReader;
  /** After a change only, not for the first reading. */
  readonly onChange?: (addresses: ReadonlySet<AddressKey>) => void;
  /** Milliseconds of a clock that never jumps; default performance.now. */
  readonly now?: () => number;
}

export class OwnAddresses {
  readonly #read: AddressReader;
  readonly #onChange: (addresses: ReadonlySet<AddressKey>) => void;
  readonly #now: () => number;
  #addresses: ReadonlySet<AddressKey>;
  /** As the system wrote them. */
  #written: string | undefined;
  #readAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** Reads once, so that {@link has} is right from the start. */
  constructor({ read = readSystem, onChange = () => {}, now = () => performance.now() }: OwnAddressesOptions = {}) {
    this.#read = read;
    this.#onChange = onChange;
    this.#now = now;
    this.#addresses = this.#current() ?? new Set();
    this.#readAtMs = now();
  }

  /** On the packet path. An address that is not known may have come a moment ago, with its interface: looks once more. */
  has(address: AddressKey): boolean {
    if (this.#addresses.has(address)) return true;
    if (this.#now() - this.#readAtMs < LOOK_AGAIN_MS) return false;
    this.reread();
    return this.#addresses.has(address);
  }

  all(): ReadonlySet<AddressKey> {
    return this.#addresses;
  }

  /** Rereads every {@link REREAD_MS}; the timer alone keeps no process alive. */
  start(): void {
    this.#timer ??= setInterval(() => this.reread(), REREAD_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  reread(): void {
    this.#readAtMs = this.#now();
    const addresses = this.#current();
    if (addresses === undefined || sameSet(addresses, this.#addresses)) return;
    this.#addresses = addresses;
    this.#onChange(addresses);
  }

  /** Undefined when the system would not say (out of descriptors, say): what was true a second ago is the better guess. */
  #current(): ReadonlySet<AddressKey> | undefined {
    try {
      const texts = this.#read();
      // Second after second they are the same: taking them apart costs ten times what it costs to read them.
      const written = texts.join(' ');
      if (written === this.#written) return this.#addresses;
      const addresses = new Set(texts.map((text) => addressKey(text)).filter((key) => key !== undefined));
      this.#written = written;
      return addresses;
    } catch {
      return undefined;
    }
  }
}

function readSystem(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
}

function sameSet(one: ReadonlySet<AddressKey>, other: ReadonlySet<AddressKey>): boolean {
  return one.size === other.size && [...one].every((address) => other.has(address));
}
