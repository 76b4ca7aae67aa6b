/** Changes inputs by chance. The seed makes the changes repeatable. */

/** sfc32: a small generator that passes PractRand; 32 bits a call. */
export class Chance {
  #a = 0x9e3779b9;
  #b = 0x243f6a88;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#c = seed | 0;
    for (let i = 0; i < 20; i += 1) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** 0 to `limit` - 1; `limit` from 1 to 2^32. */
  below(limit: number): number {
    return this.next() % limit;
  }
}

const EDGES = [0, 1, 2, 4, 8, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xf0, 0xfe, 0xff];

/** Changes inputs in one buffer, in place. Copy the result if you store it. */
export class Mutator {
  readonly #chance: Chance;
  readonly #words: readonly Uint8Array[];
  readonly #bytes: Uint8Array;
  readonly #spare: Uint8Array;
  #length = 0;

  constructor(chance: Chance, words: readonly Uint8Array[], maxLength: number) {
    this.#chance = chance;
    this.#words = words.filter(({ length }) => length <= maxLength);
    this.#bytes = new Uint8Array(maxLength);
    this.#spare = new Uint8Array(maxLength);
  }

  /** `input` after one to sixteen changes; some changes copy parts of `other`. */
  mutated(input: Uint8Array, other: Uint8Array): Uint8Array {
    const chance = this.#chance;
    this.#length = Math.min(input.length, this.#bytes.length);
    this.#bytes.set(input.subarray(0, this.#length));
    for (let left = 1 << chance.below(5); left > 0; left -= 1) this.#change(other);
    return this.#bytes.subarray(0, this.#length);
  }

  #change(other: Uint8Array): void {
    const chance = this.#chance;
    const at = this.#length === 0 ? 0 : chance.below(this.#length);
    if (this.#length === 0) {
      this.#insert(0, Uint8Array.of(chance.below(256)));
      return;
    }
    const byte = this.#bytes[at] ?? 0;
    switch (chance.below(11)) {
      case 0:
        this.#bytes[at] = byte ^ (1 << chance.below(8));
        break;
      case 1:
        this.#bytes[at] = chance.below(256);
        break;
      case 2:
        this.#bytes[at] = EDGES[chance.below(EDGES.length)] ?? 0;
        break;
      case 3:
        this.#bytes[at] = byte + chance.below(17) - 8;
        break;
      case 4:
        this.#remove(at, 1 + chance.below(1 << chance.below(6)));
        break;
      case 5:
        this.#insert(at, this.#part(this.#bytes.subarray(0, this.#length)));
        break;
      case 6:
        this.#insert(at, this.#part(other));
        break;
      case 7:
        this.#overwrite(at, this.#part(other));
        break;
      case 8:
        this.#overwrite(at, this.#word());
        break;
      case 9:
        this.#insert(at, this.#word());
        break;
      default:
        this.#length = at + 1;
    }
  }

  #word(): Uint8Array {
    return this.#words[this.#chance.below(Math.max(1, this.#words.length))] ?? Uint8Array.of(0);
  }

  #part(from: Uint8Array): Uint8Array {
    if (from.length === 0) return from;
    const at = this.#chance.below(from.length);
    const end = Math.min(from.length, at + 1 + this.#chance.below(1 << this.#chance.below(7)));
    const part = this.#spare.subarray(0, end - at);
    part.set(from.subarray(at, end));
    return part;
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.#length, at + count);
    this.#bytes.copyWithin(at, end, this.#length);
    this.#length -= end - at;
  }

  #insert(at: number, part: Uint8Array): void {
    const room = Math.min(part.length, this.#bytes.length - this.#length);
    this.#bytes.copyWithin(at + room, at, this.#length);
    this.#bytes.set(part.subarray(0, room), at);
    this.#length += room;
  }

  #overwrite(at: number, part: Uint8Array): void {
    this.#bytes.set(part.subarray(0, this.#length - at), at);
  }
}
