/**
 * The outside world of the client as one value: streams, clocks, network, terminal, programs. A test passes its own and
 * runs the whole program. system.ts has the real one.
 */
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { WhoamiQuestion } from '../shared/formats/source-words.ts';
import type { Knock } from '../shared/knock.ts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface Clock {
  /** Unix milliseconds. */
  wallMs(): number;
  /** Milliseconds that no clock adjustment touches. */
  monotonicMs(): number;
  /** Returns early, without error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The result of one pass: a sequence that is sent once. */
export interface SendReport {
  /** Knocks that left this host, as far as the kernel reports. */
  readonly sent: number;
  /** System codes of the other knocks, such as ENETUNREACH. */
  readonly failures: readonly string[];
}

export interface SendOptions {
  /** `strict`: each knock leaves after the one before. `any`: all leave at once. */
  readonly order: 'any' | 'strict';
  /** Milliseconds between two knocks. */
  readonly gapMs: number;
  readonly signal?: AbortSignal;
  /** Sockets wait for an answer, at most a long round trip, until this aborts; without it they do not wait. */
  readonly hold?: AbortSignal;
}

/** The answers of a port while it is closed. */
export interface ProbeSeen {
  /** How often the connection was refused: a host answered, but no service listens. */
  refused: number;
  /** How often this host or a router reported the address unreachable. */
  unreachable: number;
  /** Milliseconds from the SYN to the answer of the connection that succeeded. */
  rttMs?: number;
}

/**
 * The result of one connection attempt. `unreachable`: this host, or a router on the path, reports that there is no
 * route.
 */
export type PortAnswer = 'open' | 'refused' | 'silent' | 'unreachable';

export interface Network {
  /** Addresses in the resolver's order. @throws KnockError NETWORK */
  resolve(host: string, family: 0 | 4 | 6): Promise<readonly Address[]>;
  /** For callers that can do without an answer: empty when no name server answers in time. */
  resolveInTime(host: string, timeoutMs: number): Promise<readonly Address[]>;
  /** Asks the routing table and sends nothing: a system code when there is no route, undefined when there is one. */
  routeError(address: Address): Promise<string | undefined>;
  /** This host's own address for packets to `address`, undefined when there is none. Sends nothing. */
  localAddress(address: Address): Promise<string | undefined>;
  /** This host's public address, as a name server reports it; undefined when it does not. @throws KnockError NETWORK */
  whoami(question: WhoamiQuestion, family: 4 | 6): Promise<string | undefined>;
  send(address: Address, knocks: readonly Knock[], options: SendOptions): Promise<SendReport>;
  /** Connects as soon as the port is open; undefined when the signal aborts first. Counts answers in `seen`. */
  probe(address: Address, port: number, seen: ProbeSeen, signal: AbortSignal): Promise<Socket | undefined>;
  /** Sends one datagram and returns the first answer; undefined when there is none in time. */
  exchange(address: Address, port: number, datagram: Uint8Array, timeoutMs: number): Promise<Uint8Array | undefined>;
  tryPort(address: Address, port: number, timeoutMs: number): Promise<PortAnswer>;
}

export interface TerminalStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Deps {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: TerminalStream;
  /** Closes standard output while standard input stays open: `--proxy` after the server's half-close. */
  closeStdout(): Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly network: Network;
  /** A text file of the system; undefined when it cannot be read. */
  readText(path: string): Promise<string | undefined>;
  /** Asks at the terminal without echo; undefined where there is no terminal. @throws KnockError USAGE */
  askPassphrase(prompt: string): Promise<string | undefined>;
  /** The command that starts this program. */
  readonly self: readonly string[];
  /**
   * Runs a program without a shell, with the standard streams of this process and these variables added.
   * @returns its exit status as a shell reports it: 127 when there is no such program
   */
  runProgram(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number>;
}

export interface Owner {
  readonly platform: NodeJS.Platform;
  /** The user id of this process; undefined on Windows. */
  readonly uid: number | undefined;
}
