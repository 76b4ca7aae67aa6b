/**
 * The one web-standard class that the pure layers use. They compile without Node's and the DOM's types, so that they
 * cannot use anything else of a platform.
 */
declare class URLSearchParams {
  constructor(init?: string);
  get(name: string): string | null;
  set(name: string, value: string): void;
  keys(): IterableIterator<string>;
  toString(): string;
}
