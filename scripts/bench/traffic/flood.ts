/**
 * A paced flood of SYNs from one of our namespaces at another: flood.c, compiled where it is needed. It ends by itself
 * after the time and the number of packets that it was given, whatever becomes of us.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { NetworkHost } from '../../lab/namespaces.ts';
import type { RunningProcess } from '../../lab/running-process.ts';

/** As flood.c maps it. */
const PORT_FILE_BYTES = 131_074;
const MAX_PACKETS = 100_000_000;

export interface FloodRequest {
  /** Packets a second; 0 for as many as this machine can send. */
  readonly rate: number;
  /** At most. */
  readonly seconds: number;
  /** One IPv4 address; random ones where there is none. */
  readonly source?: string;
  /** Where it goes instead of to random ports. */
  readonly ports?: PortFile;
}

export class Flood {
  readonly #process: RunningProcess;

  constructor(program: string, from: NetworkHost, to: NetworkHost, { rate, seconds, source, ports }: FloodRequest) {
    const where = ['eth0', from.mac, to.mac, to.ipv4];
    const how = [rate, seconds, MAX_PACKETS, source ?? 'random', ports?.path ?? 'random'];
    this.#process = from.spawn([program, ...where, ...how.map(String)], { timeoutMs: (seconds + 10) * 1000 });
  }

  /** Packets a second that were sent, in fact. */
  async end(): Promise<number> {
    const { stdout, stderr, code } = await this.#process.end('SIGTERM');
    if (code !== 0) throw new Error(`the flood failed: ${stderr}`);
    const { sent, seconds } = JSON.parse(stdout) as { sent: number; seconds: number };
    return sent / seconds;
  }
}

/** A list of ports that a running flood follows. */
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
