/** Reads a door with written-down sequences, as in knockd: one fixed sequence, or the lines of a file. */
import { ANY_PACKET, OPENING_PACKETS, TCP_ACK, TCP_SYN, type TcpFlagRule } from '../../core/door.ts';
import type { DoorAction } from '../../firewall/firewall.ts';
import type { WrittenDoor } from '../config.ts';
import type { DoorReader } from './read-action.ts';
import { readContested, readPenalty } from './read-defences.ts';

/** Keys that only otp doors use. */
const OTP_KEYS = [
  'clients',
  'knocks',
  'port_range',
  'exclude_ports',
  'protocols',
  'order',
  'bind',
  'step',
  'window',
  'allow_low_entropy',
] as const;

/** The key that makes a door a written door. */
export type WrittenKey = 'sequence' | 'one_time_sequences';

/** Undefined without a usable action or sequence; a problem then says why. */
export function readWrittenDoor(
  reader: DoorReader,
  name: string,
  key: WrittenKey,
  action: DoorAction | undefined,
): WrittenDoor | undefined {
  const sequence = reader.sequence('sequence');
  const file = reader.path('one_time_sequences');
  const tcpFlags = readFlags(reader, sequence?.every(({ protocol }) => protocol === 'udp') === true);
  const target = reader.address('target');
  const lookAhead = reader.integer('look_ahead');
  const maxStraysLimit = reader.integer('max_strays');
  const penaltyMs = readPenalty(reader);
  const common = {
    name,
    order: 'strict',
    seqTimeoutMs: reader.integer('seq_timeout') * 1000,
    grantMs: reader.integer('cmd_timeout') * 1000,
    ...(key === 'sequence' ? {} : { contested: readContested(reader) }),
    ...(penaltyMs === undefined ? {} : { penaltyMs }),
    ...(target === undefined ? {} : { target }),
    ...(tcpFlags === OPENING_PACKETS ? {} : { tcpFlags }),
  } as const;
  const idle = key === 'sequence' ? ([...OTP_KEYS, 'look_ahead', 'contested'] as const) : OTP_KEYS;
  for (const other of idle) if (reader.has(other)) reader.warn(other, `the key has no effect with ${key}`);
  if (key === 'one_time_sequences' && lookAhead < 1) {
    reader.problem('look_ahead', 'no line would be live', 'write 1 or more; 1 means only the next line');
  }
  if (action === undefined) return undefined;
  const rest = { name, action, ...(maxStraysLimit === undefined ? {} : { maxStraysLimit }) };
  if (key === 'sequence') {
    if (sequence === undefined) return undefined;
    return { ...rest, kind: 'static', policy: { ...common, mode: 'static', lookAhead: 1 }, sequence };
  }
  if (file === undefined) return undefined;
  return { ...rest, kind: 'file', policy: { ...common, mode: 'file', lookAhead }, file };
}

function readFlags(reader: DoorReader, onlyUdp: boolean): TcpFlagRule {
  const rule = reader.flags('tcpflags');
  if (rule === undefined) {
    if (!reader.has('tcpflags')) {
      reader.warn(
        'tcpflags',
        'every TCP packet counts, also of established connections, and the capture must read them all',
        'tcpflags = syn',
      );
    }
    return ANY_PACKET;
  }
  if (!onlyUdp && ((rule.set & ~TCP_SYN) !== 0 || (rule.clear & TCP_SYN) !== 0)) {
    reader.warn(
      'tcpflags',
      'no client knocks so: knock-otp and knock send SYNs without further flags',
      'write syn, unless you make the packets yourself',
    );
  }
  // knockd's `syn` also matches SYN-ACKs, the answers to this host's own connections. Those would only be strays.
  if (rule.set === TCP_SYN && (rule.clear & ~TCP_ACK) === 0) return OPENING_PACKETS;
  return rule;
}
