/** What the bench and the process that knocks for it in the client's namespace say to each other. */

/** Nanoseconds of CLOCK_MONOTONIC, which all namespaces share, as text: messages are JSON. */
export type Moment = string;

export type Order =
  | {
      /** The client's own way: `client/knock/knock-run` with its repetitions, from a counter on. */
      readonly kind: 'otp';
      readonly uri: string;
      readonly counter: number;
      readonly timeoutMs: number;
    }
  | {
      /** SYNs to these ports in their order, once, as knock(1) sends them; then the port is watched. */
      readonly kind: 'ports';
      readonly ports: readonly number[];
      readonly host: string;
      readonly verifyPort: number;
      readonly timeoutMs: number;
    }
  | {
      /** Only the port is watched. */
      readonly kind: 'watch';
      readonly host: string;
      readonly verifyPort: number;
      readonly timeoutMs: number;
    };

export interface Knocked {
  /** Whether a connection to the hidden port was made. */
  readonly opened: boolean;
  /** Before the first packet, and after the last one of the first time. */
  readonly first: Moment;
  readonly last: Moment;
  /** When that connection stood. */
  readonly connected: Moment;
  /** The first counter that was not used. */
  readonly nextCounter: number;
}

export function now(): Moment {
  return `${process.hrtime.bigint()}`;
}

/** Milliseconds. */
export function between(from: Moment, to: Moment): number {
  return Number(BigInt(to) - BigInt(from)) / 1e6;
}
