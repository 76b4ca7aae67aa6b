/**
 * The intended differences between knock-otpd and knockd, with their reasons. `phrase` is verbatim in the row of this
 * difference in docs/MIGRATING-FROM-KNOCKD.md.
 */
export interface IntendedDifference {
  readonly phrase: string;
  readonly reason: string;
}

export const INTENDED_DIFFERENCES = {
  repeated: {
    phrase: 'a duplicate or retransmitted knock ends the attempt',
    reason: 'the network repeats packets (a SYN after a second): a repetition is no wrong port',
  },
  restart: {
    phrase: 'the packet that breaks the attempt can be the first knock of the next one',
    reason: 'the packet that breaks an attempt may be the first knock of the next',
  },
  strays: {
    phrase: 'a packet to a port of no door is not seen',
    reason: 'knockd does not hear those, so that any scan in order opens its doors',
  },
  sweep: {
    phrase: 'a scan of ports in order opens',
    reason: 'a scanner is not somebody who knows the sequence',
  },
  'strays of longer sequences': {
    phrase: 'How many strays a sequence forgives follows from the odds',
    reason: 'a sequence that is long enough affords strays without being easier to hit by chance',
  },
  'syn with ack': {
    phrase: '`syn` means SYN without ACK, unless `ack` is listed too',
    reason: "those are answers to this host's own connections, which anybody can provoke",
  },
  'other attempts': {
    phrase: 'an attempt that ends can take all others with it',
    reason: 'knockd loses the rest of its list with the head: other hosts, and other doors of the same host',
  },
  'whole seconds': {
    phrase: 'exact to the millisecond',
    reason: 'knockd subtracts whole seconds, and so cuts up to one off',
  },
  'grant extended': {
    phrase: 'a second knock before the stop command runs the start command again, and later the stop command twice',
    reason: "the first stop ends the second knock's time early, and the second finds nothing to undo",
  },
  'strike of the used line': {
    phrase: 'a malformed line is struck in place of the used one',
    reason: 'the used sequence could be replayed',
  },
  'repeated line': {
    phrase: 'a sequence that stands in the file twice opens twice',
    reason: 'whoever saw the first use could repeat it',
  },
  'second one-time use over IPv6': {
    phrase: 'over IPv6 the second sequence does not work',
    reason: 'knockd does not renew its IPv6 filter, and is deaf to the second line',
  },
  exhausted: {
    phrase: 'when the last line is used, the daemon crashes',
    reason: 'a door without lines is no reason to shut the others',
  },
  'progress on a spent line': {
    phrase: 'progress on the old line counts for the new one',
    reason: 'nobody has begun the new one',
  },
} as const satisfies Readonly<Record<string, IntendedDifference>>;

export type DifferenceName = keyof typeof INTENDED_DIFFERENCES;
