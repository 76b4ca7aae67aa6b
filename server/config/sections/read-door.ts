/** Reads one door's section: the source of its sequences, its action, and for an otp door its shape and entropy. */
import { allowedPorts, formatPortRanges, type PortRanges, parsePortRanges } from '../../../shared/allowed-ports.ts';
import type { Shape } from '../../../shared/derive.ts';
import type { IniSection } from '../../../shared/formats/ini-document.ts';
import { NAME_PATTERN } from '../../../shared/formats/profile-uri.ts';
import { MIN_ENTROPY_BITS } from '../../../shared/odds.ts';
import { TCP_ACK, TCP_SYN } from '../../core/door.ts';
import { type DoorAction, servicesOf } from '../../firewall/firewall.ts';
import type { ConfiguredDoor, DerivedDoor } from '../config.ts';
import type { Findings } from '../findings.ts';
import { shapeBits } from '../stray-budget.ts';
import { type DoorReader, readAction } from './read-action.ts';
import { readContested, readPenalty } from './read-defences.ts';
import { readService } from './read-service.ts';
import { readWrittenDoor } from './read-written-door.ts';
import { doorKeys } from './schema.ts';
import { shorten } from './section-keys.ts';
import { NAME_HINT, SectionReader } from './section-reader.ts';

/** The source of a door's sequences: a door has exactly one of these keys. */
const SOURCES = ['otp', 'sequence', 'one_time_sequences'] as const;
/** knockd accepts any name. These are safe in a log line and in a command's environment. */
const WRITTEN_NAME_PATTERN = /^[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** Undefined without a usable source or action; a problem then says why. */
export function readDoor(section: IniSection, findings: Findings): ConfiguredDoor | undefined {
  const { name, line } = section;
  const [source, ...further] = SOURCES.filter((key) => section.entries.some((entry) => entry.key === key));
  const written = source !== undefined && source !== 'otp' && further.length === 0;
  const reader: DoorReader = new SectionReader(doorKeys, section, findings, { written });
  const action = readAction(reader);
  // Names of otp doors are in profile URIs, names of firewall doors in set names and comments.
  const pattern = written && action?.kind === 'command' ? WRITTEN_NAME_PATTERN : NAME_PATTERN;
  if (!pattern.test(name)) {
    findings.problem({ section: shorten(name), line, message: 'this is not a door name', hint: NAME_HINT });
  }
  for (const key of further) {
    reader.problem(key, `the door already has ${source}`, 'a door has one of otp, sequence and one_time_sequences');
  }
  if (source === undefined) {
    reader.problem('otp', 'the key is missing', 'write otp = totp (time-based) or otp = hotp (counter-based)');
  }
  const service = readService(reader, action);
  const door = written ? readWrittenDoor(reader, name, source, action) : readDerivedDoor(reader, name, action);
  return door === undefined || service === undefined ? door : { ...door, service };
}

function readDerivedDoor(reader: DoorReader, name: string, action: DoorAction | undefined): DerivedDoor | undefined {
  const mode = reader.choice('otp');
  const clients = reader.names('clients');
  const range = reader.ports('port_range');
  const exclude = withServices(reader.ports('exclude_ports'), action);
  const shape: Shape = {
    knocks: reader.integer('knocks'),
    ports: allowedPorts(range, exclude),
    protocols: reader.choice('protocols'),
  };
  const order = reader.choice('order');
  const allowLowEntropy = reader.switch('allow_low_entropy');
  checkShape(reader, shape, order, allowLowEntropy);
  checkFlags(reader);
  const maxStraysLimit = reader.integer('max_strays');
  const target = reader.address('target');
  const penaltyMs = readPenalty(reader);
  const policy = {
    name,
    order,
    shape,
    stepSeconds: reader.integer('step'),
    window: reader.integer('window'),
    lookAhead: reader.integer('look_ahead'),
    ...(reader.choice('bind') === 'source' ? { bindsSource: true } : {}),
    seqTimeoutMs: reader.integer('seq_timeout') * 1000,
    grantMs: reader.integer('cmd_timeout') * 1000,
    contested: readContested(reader),
    ...(penaltyMs === undefined ? {} : { penaltyMs }),
    ...(target === undefined ? {} : { target }),
  };
  if (mode === undefined || action === undefined) return undefined;
  warnOfIdleKeys(reader, mode);
  if (policy.bindsSource === true && reader.has('contested')) {
    reader.warn('contested', 'the key has no effect with bind = source: a copied knock cannot open the door');
  }
  return {
    kind: 'derived',
    name,
    policy: { ...policy, mode },
    range,
    exclude,
    action,
    ...(clients === undefined ? {} : { clients }),
    allowLowEntropy,
    ...(maxStraysLimit === undefined ? {} : { maxStraysLimit }),
  };
}

/** Allows `tcpflags = syn`, which otp doors use anyway: it may remain after `sequence` became `otp`. */
function checkFlags(reader: DoorReader): void {
  const rule = reader.flags('tcpflags');
  if (rule === undefined || ((rule.set & ~TCP_SYN) === 0 && (rule.clear & ~TCP_ACK) === 0)) return;
  reader.problem('tcpflags', 'knocks at an otp door are SYNs without ACK', 'write syn, or remove the line');
}

function checkShape(reader: DoorReader, shape: Shape, order: 'any' | 'strict', allowLowEntropy: boolean): void {
  const { knocks, ports } = shape;
  if (knocks > ports.length) {
    const message = `${knocks} knocks need as many ports, and port_range without exclude_ports has ${ports.length}`;
    reader.problem(reader.has('port_range') ? 'port_range' : 'knocks', message, 'allow more ports');
    return;
  }
  const bits = shapeBits(shape, order);
  if (bits >= MIN_ENTROPY_BITS) return;
  // Rounded down, so that 47.97 does not read as 48.
  const rounded = (Math.floor(bits * 10) / 10).toFixed(1);
  const message = `the sequences of this door have ${rounded} bits of entropy, fewer than ${MIN_ENTROPY_BITS}`;
  if (allowLowEntropy) reader.warn('allow_low_entropy', message);
  else reader.problem('knocks', message, 'more knocks, a wider port_range, or allow_low_entropy = yes');
}

function warnOfIdleKeys(reader: DoorReader, mode: 'totp' | 'hotp'): void {
  const idle = mode === 'totp' ? (['look_ahead'] as const) : (['step', 'window'] as const);
  for (const key of idle) if (reader.has(key)) reader.warn(key, `the key has no effect with otp = ${mode}`);
}

/** Excludes the ports that the door opens: while it is open, a knock there would be a connection to the service. */
function withServices(exclude: PortRanges, action: DoorAction | undefined): PortRanges {
  const services = action === undefined ? [] : servicesOf(action);
  if (services.length === 0) return exclude;
  return parsePortRanges([formatPortRanges(exclude), ...services.map(({ port }) => port)].join(','));
}
