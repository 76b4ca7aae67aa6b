/**
 * The web-standard classes that the pure layers use. They are compiled without Node's and the DOM's types, so that
 * nothing else of a platform can slip in.
 */
declare class URLSearchParams {
  constructor(init?: string);
  get(name: string): string | null;
  set(name: string, value: string): void;
  keys(): IterableIterator<string>;
  toString(): string;
}

declare class TextDecoder {
  constructor(label: string, options: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes: Uint8Array): string;
}
