/** How often and how long a run knocks: times of repetition, patience, and the number of factors. */
import { MAX_ADDRESSES } from '../address/reachable-addresses.ts';

/**
 * Milliseconds after its first packet at which the whole sequence is sent again. The server counts distinct knocks, so
 * a repetition replaces lost packets and does no harm otherwise. The first repetition comes so soon that a lost packet
 * is hardly noticed; the later pauses do not load a congested path. All are within a usual `seq_timeout`; where it is
 * shorter, each repetition is a whole sequence by itself.
 */
export const RESEND_AFTER_MS: readonly number[] = [150, 450, 1050, 2250];

/** Repetitions without verification: enough for ordinary loss. */
export const BLIND_RESEND_AFTER_MS: readonly number[] = RESEND_AFTER_MS.slice(0, 2);

/**
 * How long the client waits for one factor before it uses the next: the last repetition, a long round trip, a slow
 * command.
 */
export const PATIENCE_MS = 4000;

/**
 * Pause between the knocks of a sequence whose order matters, because paths that spread packets over links or queues
 * may swap closer ones. Sequences in any order leave at once.
 */
export const STRICT_GAP_MS = 15;

/** How long the port is watched after ports of the command line or a line of a file; the run ends after it. */
export const TYPED_PATIENCE_MS = 10_000;

/**
 * How many factors one run may spend: two for a single address (loss, or a step spent by another device), else one for
 * each address. The server's look-ahead window (10 by default) limits HOTP: a client without a network must not leave
 * it.
 */
export function factorBudget(addresses: number): number {
  return Math.max(2, Math.min(addresses, MAX_ADDRESSES));
}
