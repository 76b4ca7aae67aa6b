import { MAX_ADDRESSES } from '../address/reachable-addresses.ts';
/**
 * Milliseconds after its first packet at which the whole sequence is sent again. The server counts distinct pairs, so a
 * repetition fills in what the path lost and costs nothing where nothing was lost. The first one comes soon enough that
 * a lost packet is hardly noticed, later ones leave a congested path room; all are within any sensible `seq_timeout`,
 * and each is a whole sequence of its own where that is shorter.
 */
export const RESEND_AFTER_MS: readonly number[] = [150, 450, 1050, 2250];

/** Repetitions when nothing can be verified: enough for ordinary loss. */
export const BLIND_RESEND_AFTER_MS: readonly number[] = RESEND_AFTER_MS.slice(0, 2);

/** How long one factor is given before the next one is used: the last repetition, a long round trip, a slow command. */
export const PATIENCE_MS = 4000;

/**
 * Pause between the knocks of a sequence whose order matters, so that paths which spread packets over links or queues
 * rarely swap them. Sequences in any order leave at once.
 */
export const STRICT_GAP_MS = 15;

/** How long the port is watched after ports of the command line or a line of a file; nothing else is tried after it. */
export const TYPED_PATIENCE_MS = 10_000;

/**
 * How many factors one run may spend: two for a single address (loss, or a step spent by another device), else one for
 * each address. HOTP's bound is the server's look-ahead, 10 by default: a client without a network must not run past it.
 */
export function factorBudget(addresses: number): number {
  return Math.max(2, Math.min(addresses, MAX_ADDRESSES));
}
