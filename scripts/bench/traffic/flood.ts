/**
 * Sends a paced flood of SYNs from one namespace to another, by flood.c. The flood ends by itself after its time and
 * its number of packets, even when this process has died.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { NetworkHost } from '../../lab/namespaces.ts';
import type { RunningProcess } from '../../lab/running-process.ts';

/** The port file as flood.c maps it. */
const PORT_FILE_BYTES = 131_074;
const MAX_PACKETS = 100_000_000;

export interface FloodRequest {
  /** Packets a second; 0 for as many as this machine can send. */
  readonly rate: number;
  /** The most packets that it sends. */
  readonly seconds: number;
  /** One IPv4 address; random addresses when not given. */
  readonly source?: string;
  /** The ports that it sends to; random ports when not given. */
  readonly ports?: PortFile;
}

export class Flood {
  readonly #process: RunningProcess;

  constructor(program: string, from: NetworkHost, to: NetworkHost, { rate, seconds, source, ports }: FloodRequest) {
    const where = ['eth0', from.mac, to.mac, to.ipv4];
    const how = [rate, seconds, MAX_PACKETS, source ?? 'random', ports?.path ?? 'random'];
    this.#process = from.spawn([program, ...where, ...how.map(String)], { timeoutMs: (seconds + 10) * 1000 });
  }

  /** Packets a second that were really sent. */
  async end(): Promise<number> {
    const { stdout, stderr, code } = await this.#process.end('SIGTERM');
    if (code !== 0) throw new Error(`the flood failed: ${stderr}`);
    const { sent, seconds } = JSON.parse(stdout) as { sent: number; seconds: number };
    return sent / seconds;
  }
}

/** A list of ports that a running flood reads again. */
export class PortFile {
  readonly path: string;
  readonly #file: number;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, 'w', 0o600);
    writeSync(this.#file, Buffer.alloc(PORT_FILE_BYTES));
  }

  set(ports: readonly number[]): void {
    writeSync(this.#file, new Uint8Array(Uint16Array.from([ports.length, ...ports]).buffer), 0, undefined, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}
