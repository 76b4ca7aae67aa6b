/** Constants that the daemon and its capture children share: descriptors, times, and the prefix of a reason on stderr. */

/** The child's descriptor of the pipe for records. */
export const RECORDS_FD = 3;
/** Interval of heartbeats, sent with or without traffic. */
export const HEARTBEAT_MS = 1000;
/** Marks a line on stderr as the child's reason; other lines come from libraries. */
export const CHILD_PREFIX = 'knock-otp-capture: ';
/** A child suspended for longer no longer trusts its own time stamps. Its daemon has given it up by then. */
export const STALL_MS = 5000;
