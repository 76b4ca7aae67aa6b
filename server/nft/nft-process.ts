/**
 * Runs nft scripts through the nft program, when the library is not available: without a shell, with limits on output and
 * time.
 *
 * A script is one argument (it holds no secret), because `-f -` is not reliable. nft opens /dev/stdin by name, but Node's
 * pipes are sockets, which Linux does not open by name. Versions that read standard input instead still fail with -j. Only a
 * script too long for an argument (some thousand openings) uses `-f -`.
 */
import { spawn } from 'node:child_process';
import { SYSTEM_PATH } from '../process/program-search-path.ts';
import { type NftListing, type NftRunner, refusal } from './nft-runner.ts';

/** Maximum size of a listing: 100,000 elements are about 6 MB of JSON. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;

/** Linux accepts at most 128 KiB for one argument (MAX_ARG_STRLEN). */
const MAX_ARGUMENT_BYTES = 96 * 1024;

const LISTING_ARGUMENTS: Readonly<Record<NftListing, readonly string[]>> = {
  json: ['-j'],
  layout: ['-s', '-t'],
  handles: ['-s', '-t', '-a'],
};

export interface NftProcessOptions {
  /** Name or path of the program. */
  readonly program?: string;
  /** Milliseconds after which it is killed; default 10,000. */
  readonly timeoutMs?: number;
}

export class NftProcess implements NftRunner {
  readonly via = 'nft';
  readonly #program: string;
  readonly #timeoutMs: number;

  constructor(options: NftProcessOptions = {}) {
    this.#program = options.program ?? 'nft';
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  async run(script: string): Promise<void> {
    await this.#spawn(script, []);
  }

  list(script: string, listing: NftListing): Promise<string> {
    return this.#spawn(script, LISTING_ARGUMENTS[listing]);
  }

  close(): void {}

  #spawn(script: string, listing: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const long = Buffer.byteLength(script) > MAX_ARGUMENT_BYTES;
      const child = spawn(this.#program, [...listing, ...(long ? ['-f', '-'] : ['--', script])], {
        // Nothing of the daemon's own environment: it would choose the program and change its behaviour.
        env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
        cwd: '/',
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: this.#timeoutMs,
        killSignal: 'SIGKILL',
      });
      const output: Buffer[] = [];
      const words: Buffer[] = [];
      let outputBytes = 0;
      let wordBytes = 0;
      child.stdout.on('data', (chunk: Buffer) => {
        outputBytes += chunk.length;
        if (outputBytes > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
        else output.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        wordBytes += chunk.length;
        if (wordBytes <= MAX_ERROR_BYTES) words.push(chunk);
      });
      // EPIPE from a program that ended without reading; its exit status tells the result.
      child.stdin.on('error', () => undefined);
      child.on('error', (error: NodeJS.ErrnoException) => {
        const missing = error.code === 'ENOENT';
        reject(refusal(missing ? `${this.#program} is not installed in ${SYSTEM_PATH}` : error.message, error));
      });
      child.on('close', (status, signal) => {
        if (status === 0) resolve(Buffer.concat(output).toString('utf8'));
        else if (signal === null) reject(refusal(Buffer.concat(words).toString('utf8')));
        else if (outputBytes > MAX_OUTPUT_BYTES) reject(refusal('its listing is too long'));
        else reject(refusal(`${this.#program} was ended by ${signal} (time limit ${this.#timeoutMs} ms)`));
      });
      child.stdin.end(long ? script : '');
    });
  }
}
