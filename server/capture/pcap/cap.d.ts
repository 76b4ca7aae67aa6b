/** The part of cap 0.2.1 that we use; it comes without types. A CommonJS module: only its default export is there. */
declare module 'cap' {
  import { EventEmitter } from 'node:events';

  class Cap extends EventEmitter<{ packet: [length: number, truncated: boolean] }> {
    /**
     * Opens a live capture and returns a name of its link type; throws Error with libpcap's words. Keeps a bare pointer
     * into `buffer`, not a reference to it.
     */
    open(device: string, filter: string, kernelBufferBytes: number, buffer: Buffer): string;
    close(): boolean;
  }

  const cap: { readonly Cap: typeof Cap };
  export default cap;
}
