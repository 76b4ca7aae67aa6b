/**
 * Runs nft scripts through libnftables.so.1 and koffi, without starting a process. Calls run on a worker thread: while
 * another program loads a large ruleset, the kernel delays every transaction, and the daemon's timers must go on. One call
 * runs at a time, because a context is not thread-safe.
 */
import { readdirSync } from 'node:fs';
import type { KoffiFunc } from 'koffi';
import { type NftListing, type NftRunner, refusal } from './nft-runner.ts';

/** The soname of every libnftables since nftables 0.9. */
const LIBRARY = 'libnftables.so.1';

/** From nftables/libnftables.h. */
const NFT_CTX_DEFAULT = 0;
const NFT_CTX_OUTPUT_STATELESS = 1 << 2;
const NFT_CTX_OUTPUT_HANDLE = 1 << 3;
const NFT_CTX_OUTPUT_JSON = 1 << 4;
const NFT_CTX_OUTPUT_TERSE = 1 << 11;

/** From fcntl.h of Linux. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

const LISTING_FLAGS: Readonly<Record<NftListing, number>> = {
  json: NFT_CTX_OUTPUT_JSON,
  layout: NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE,
  handles: NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE | NFT_CTX_OUTPUT_HANDLE,
};

type Context = { readonly __nftContext: never };

interface Calls {
  readonly newContext: KoffiFunc<(flags: number) => Context | null>;
  readonly setDescriptorFlags: KoffiFunc<(descriptor: number, command: number, flags: number) => number>;
  readonly freeContext: KoffiFunc<(context: Context) => void>;
  readonly bufferOutput: KoffiFunc<(context: Context) => number>;
  readonly bufferError: KoffiFunc<(context: Context) => number>;
  readonly output: KoffiFunc<(context: Context) => string | null>;
  readonly error: KoffiFunc<(context: Context) => string | null>;
  readonly setOutputFlags: KoffiFunc<(context: Context, flags: number) => void>;
  readonly run: KoffiFunc<(context: Context, script: string) => number>;
}

/** Undefined if koffi is not installed or has no build for this machine, or if the library is missing. */
export async function openLibnftables(library: string = LIBRARY): Promise<NftRunner | undefined> {
  try {
    const calls = await bind(library);
    const context = calls.newContext(NFT_CTX_DEFAULT);
    if (context === null) return undefined;
    // The library's netlink socket is inheritable, unlike descriptors that Node opens. So the commands of doors would
    // inherit it, whatever user they run as. Descriptors 0 to 2 stay, because children get their own.
    for (const name of readdirSync('/proc/self/fd')) {
      if (Number(name) > 2) calls.setDescriptorFlags(Number(name), F_SETFD, FD_CLOEXEC);
    }
    if (calls.bufferOutput(context) !== 0 || calls.bufferError(context) !== 0) {
      calls.freeContext(context);
      return undefined;
    }
    return new Libnftables(calls, context);
  } catch {
    return undefined;
  }
}

async function bind(library: string): Promise<Calls> {
  const { default: koffi } = await import('koffi');
  const loaded = koffi.load(library);
  const pointer = 'void *';
  const bound: Record<keyof Calls, unknown> = {
    newContext: loaded.func('nft_ctx_new', pointer, ['uint32_t']),
    // fcntl is in libc, to which the library is linked.
    setDescriptorFlags: loaded.func('fcntl', 'int', ['int', 'int', 'int']),
    freeContext: loaded.func('nft_ctx_free', 'void', [pointer]),
    bufferOutput: loaded.func('nft_ctx_buffer_output', 'int', [pointer]),
    bufferError: loaded.func('nft_ctx_buffer_error', 'int', [pointer]),
    output: loaded.func('nft_ctx_get_output_buffer', 'str', [pointer]),
    error: loaded.func('nft_ctx_get_error_buffer', 'str', [pointer]),
    setOutputFlags: loaded.func('nft_ctx_output_set_flags', 'void', [pointer, 'unsigned int']),
    run: loaded.func('nft_run_cmd_from_buffer', 'int', [pointer, 'str']),
  };
  return bound as unknown as Calls;
}

class Libnftables implements NftRunner {
  readonly via = 'libnftables';
  readonly #calls: Calls;
  #context: Context | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(calls: Calls, context: Context) {
    this.#calls = calls;
    this.#context = context;
  }

  async run(script: string): Promise<void> {
    await this.#enqueue(script, 0);
  }

  list(script: string, listing: NftListing): Promise<string> {
    return this.#enqueue(script, LISTING_FLAGS[listing]);
  }

  close(): void {
    const context = this.#context;
    this.#context = undefined;
    if (context !== undefined) void this.#last.then(() => this.#calls.freeContext(context));
  }

  #enqueue(script: string, flags: number): Promise<string> {
    const context = this.#context;
    if (context === undefined) return Promise.reject(refusal('the connection to it is closed'));
    const result = this.#last.then(() => this.#call(context, script, flags));
    this.#last = result.catch(() => undefined);
    return result;
  }

  #call(context: Context, script: string, flags: number): Promise<string> {
    const calls = this.#calls;
    calls.setOutputFlags(context, flags);
    return new Promise((resolve, reject) => {
      calls.run.async(context, script, (failure: unknown, status: number) => {
        // Reading a buffer also empties it. So both are always read; otherwise the next script would return them.
        const output = calls.output(context) ?? '';
        const errors = calls.error(context) ?? '';
        if (failure !== null && failure !== undefined) reject(refusal('the library call failed', failure));
        else if (status !== 0) reject(refusal(errors));
        else resolve(output);
      });
    });
  }
}
