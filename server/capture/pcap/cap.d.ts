/** Types for the part of cap 0.2.1 that we use. It is a CommonJS module with a default export only. */
declare module 'cap' {
  import { EventEmitter } from 'node:events';

  class Cap extends EventEmitter<{ packet: [length: number, truncated: boolean] }> {
    /**
     * Opens a live capture and returns the name of its link type; throws Error with libpcap's message. Keeps a raw pointer
     * into `buffer`, not a reference to it.
     */
    open(device: string, filter: string, kernelBufferBytes: number, buffer: Buffer): string;
    close(): boolean;
  }

  const cap: { readonly Cap: typeof Cap };
  export default cap;
}
