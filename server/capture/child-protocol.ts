/**
 * What the daemon and its capture children must agree on besides the records: descriptors, times and the mark of a line
 * that is meant to be read.
 */

/** The child's end of the pipe for records. */
export const RECORDS_FD = 3;
/** How often a child says that it lives, with frames or without. */
export const HEARTBEAT_MS = 1000;
/** Other lines on a child's stderr are libraries talking. */
export const CHILD_PREFIX = 'knock-otp-capture: ';
/** A child that did nothing for so long does not trust its own stamps any more. Its daemon has given it up by then. */
export const STALL_MS = 5000;
