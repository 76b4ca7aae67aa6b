/** The messages between the bench and the process that knocks in the client's namespace. */

/** Nanoseconds of CLOCK_MONOTONIC, which all namespaces share; as text, because messages are JSON. */
export type Moment = string;

export type Order =
  | {
      /** Knocks as the client does, by `client/knock/knock-run` with its repetitions, from a counter on. */
      readonly kind: 'otp';
      readonly uri: string;
      readonly counter: number;
      readonly timeoutMs: number;
    }
  | {
      /** Sends SYNs to these ports in their order, once, as knock(1) sends them; then watches the port. */
      readonly kind: 'ports';
      readonly ports: readonly number[];
      readonly host: string;
      readonly verifyPort: number;
      readonly timeoutMs: number;
    }
  | {
      /** Only watches the port. */
      readonly kind: 'watch';
      readonly host: string;
      readonly verifyPort: number;
      readonly timeoutMs: number;
    };

export interface Knocked {
  /** Whether the client has had a connection to the hidden port. */
  readonly opened: boolean;
  /** The times before the first packet, and after the last packet of the first attempt. */
  readonly first: Moment;
  readonly last: Moment;
  /** The time when the connection was established. */
  readonly connected: Moment;
  /** The first unused counter. */
  readonly nextCounter: number;
}

export function now(): Moment {
  return `${process.hrtime.bigint()}`;
}

/** Milliseconds. */
export function between(from: Moment, to: Moment): number {
  return Number(BigInt(to) - BigInt(from)) / 1e6;
}
