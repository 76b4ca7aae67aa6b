/**
 * Everything of the outside world that the client touches, as one value, so that the whole program runs inside a test.
 * The real one is made in system.ts.
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

/** What came of sending one pass of a sequence. */
export interface SendReport {
  /** Knocks that left this host, as far as it can tell. */
  readonly sent: number;
  /** System codes of those that did not, such as ENETUNREACH. */
  readonly failures: readonly string[];
}

export interface SendOptions {
  /** `strict`: each knock leaves after the one before has left. `any`: all leave as they can. */
  readonly order: 'any' | 'strict';
  /** Milliseconds between two knocks. */
  readonly gapMs: number;
  readonly signal?: AbortSignal;
  /** Sockets wait for an answer, within the time of a round trip, until this aborts; without it they wait for none. */
  readonly hold?: AbortSignal;
}

/** What the port said while it was not open. */
export interface ProbeSeen {
  /** How often the connection was refused: something answered, but does not listen there. */
  refused: number;
  /** How often the path said that there is no way. */
  unreachable: number;
  /** Milliseconds from the SYN to the answer of the connection that succeeded. */
  rttMs?: number;
}

/** What one attempt at a connection becomes. `unreachable`: this host, or somebody on the way, said that there is no way. */
export type PortAnswer = 'open' | 'refused' | 'silent' | 'unreachable';

export interface Network {
  /** Addresses in the resolver's order. @throws KnockError NETWORK */
  resolve(host: string, family: 0 | 4 | 6): Promise<readonly Address[]>;
  /** For whoever may go without: nothing when nobody answers in time. */
  resolveInTime(host: string, timeoutMs: number): Promise<readonly Address[]>;
  /** Asks the routing table without sending anything: a system code when there is no way, undefined when there is. */
  routeError(address: Address): Promise<string | undefined>;
  /** The address from which packets to there leave, undefined when there is none. Sends nothing. */
  localAddress(address: Address): Promise<string | undefined>;
  /** Our address as a name server tells it, undefined when it does not. @throws KnockError NETWORK */
  whoami(question: WhoamiQuestion, family: 4 | 6): Promise<string | undefined>;
  send(address: Address, knocks: readonly Knock[], options: SendOptions): Promise<SendReport>;
  /** Connects as soon as the port is open; undefined when the signal aborts first. `seen` is filled in meanwhile. */
  probe(address: Address, port: number, seen: ProbeSeen, signal: AbortSignal): Promise<Socket | undefined>;
  /** One datagram, and the first that comes back from there; undefined when none does in time. */
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
  /** Lets whoever reads our output see its end while we go on reading: `--proxy` after the server's half-close. */
  closeStdout(): Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly network: Network;
  /** A text file of the system's; undefined when it cannot be read. */
  readText(path: string): Promise<string | undefined>;
  /** What is typed at the terminal after `prompt`, unseen; undefined where there is no terminal. @throws KnockError USAGE */
  askPassphrase(prompt: string): Promise<string | undefined>;
  /** The command that starts this program. */
  readonly self: readonly string[];
  /**
   * Runs a program with our standard streams and these variables added, without a shell.
   * @returns its exit status as a shell has it: 127 when there is no such program
   */
  runProgram(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number>;
}

export interface Owner {
  readonly platform: NodeJS.Platform;
  /** The user we run as; undefined on Windows. */
  readonly uid: number | undefined;
}
