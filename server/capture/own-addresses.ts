/**
 * The addresses of this host. A packet to any other address is not a knock, because the capture is promiscuous. Rereads
 * them often enough that a DHCP lease or a new interface counts within a second.
 */
import { networkInterfaces } from 'node:os';
import { type AddressKey, addressKey } from '../../shared/address.ts';

export const REREAD_MS = 1000;
/** Minimum between rereads that packets to unknown addresses cause: a flood of them costs ten rereads a second. */
export const LOOK_AGAIN_MS = 100;

/** Returns the addresses of this host as text, from the system. */
export type AddressReader = () => readonly string[];

export interface OwnAddressesOptions {
  readonly read?: AddressReader;
  /** Called after a change, not for the first reading. */
  readonly onChange?: (addresses: ReadonlySet<AddressKey>) => void;
  /** Milliseconds of a clock that never jumps; default performance.now. */
  readonly now?: () => number;
}

export class OwnAddresses {
  readonly #read: AddressReader;
  readonly #onChange: (addresses: ReadonlySet<AddressKey>) => void;
  readonly #now: () => number;
  #addresses: ReadonlySet<AddressKey>;
  /** The texts of the last reading, joined. */
  #lastTexts: string | undefined;
  #readAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** Reads the addresses once, so that {@link has} is correct from the start. */
  constructor({ read = readSystem, onChange = () => {}, now = () => performance.now() }: OwnAddressesOptions = {}) {
    this.#read = read;
    this.#onChange = onChange;
    this.#now = now;
    this.#addresses = this.#current() ?? new Set();
    this.#readAtMs = now();
  }

  /** Called for each packet. Rereads for an unknown address, at most every {@link LOOK_AGAIN_MS}. */
  has(address: AddressKey): boolean {
    if (this.#addresses.has(address)) return true;
    if (this.#now() - this.#readAtMs < LOOK_AGAIN_MS) return false;
    this.reread();
    return this.#addresses.has(address);
  }

  all(): ReadonlySet<AddressKey> {
    return this.#addresses;
  }

  /** Rereads every {@link REREAD_MS}; the timer does not keep the process alive. */
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

  /** Undefined when the system call fails (no descriptors, for example); the last addresses stay in use. */
  #current(): ReadonlySet<AddressKey> | undefined {
    try {
      const texts = this.#read();
      // Usually nothing has changed, and parsing costs ten times as much as reading.
      const joined = texts.join(' ');
      if (joined === this.#lastTexts) return this.#addresses;
      const addresses = new Set(texts.map((text) => addressKey(text)).filter((key) => key !== undefined));
      this.#lastTexts = joined;
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
