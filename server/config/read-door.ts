/** One door's section: what must be there, what excludes what, and whether its shape is worth anything. */
import { allowedPorts, formatPortRanges, type PortRanges, parsePortRanges } from '../../shared/allowed-ports.ts';
import type { Shape } from '../../shared/derive.ts';
import type { IniSection } from '../../shared/ini-document.ts';
import { MIN_ENTROPY_BITS } from '../../shared/odds.ts';
import { NAME_PATTERN } from '../../shared/profile-uri.ts';
import type { DoorAction } from '../firewall/firewall.ts';
import { shellWords } from './command-words.ts';
import type { ConfiguredDoor } from './config.ts';
import type { Findings } from './findings.ts';
import { doorKeys, unsupportedDoorKeys } from './schema.ts';
import { NAME_HINT, SectionReader, shorten } from './section-reader.ts';
import { shapeBits } from './stray-budget.ts';

type DoorReader = SectionReader<typeof doorKeys>;

/** Without a usable mode or action the door is undefined, and a problem says why. */
export function readDoor(section: IniSection, findings: Findings): ConfiguredDoor | undefined {
  const { name, line } = section;
  if (!NAME_PATTERN.test(name)) {
    findings.problem({ section: shorten(name), line, message: 'this is no name for a door', hint: NAME_HINT });
  }
  const reader: DoorReader = new SectionReader(doorKeys, section, findings, (key) =>
    Object.hasOwn(unsupportedDoorKeys, key) ? unsupportedDoorKeys[key] : undefined,
  );
  const mode = reader.choice('otp');
  if (!reader.has('otp')) {
    reader.problem('otp', 'the key is missing', 'write otp = totp (by the time) or otp = hotp (by a counter)');
  }
  const action = readAction(reader);
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
  const maxStraysLimit = reader.integer('max_strays');
  const target = reader.address('target');
  const policy = {
    name,
    order,
    shape,
    stepSeconds: reader.integer('step'),
    window: reader.integer('window'),
    lookAhead: reader.integer('look_ahead'),
    seqTimeoutMs: reader.integer('seq_timeout') * 1000,
    grantMs: reader.integer('cmd_timeout') * 1000,
    ...(target === undefined ? {} : { target }),
  };
  if (mode === undefined || action === undefined) return undefined;
  warnOfIdleKeys(reader, mode);
  return {
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

function readAction(reader: DoorReader): DoorAction | undefined {
  const services = reader.services('open');
  const start = reader.command('start_command');
  const stop = reader.command('stop_command');
  const hint = 'write open = nftables tcp/22, or a start_command';
  for (const key of ['start_command', 'stop_command'] as const) {
    if (reader.has('open') && reader.has(key)) {
      reader.problem(key, 'a door opens by nftables or by commands, not by both', 'take out open, or the commands');
    }
  }
  if (!reader.has('open') && !reader.has('start_command')) {
    const orphan = reader.has('stop_command') ? ' (stop_command alone opens nothing)' : '';
    reader.problem('open', `the door opens nothing${orphan}`, hint);
  }
  if (services !== undefined) return { kind: 'nftables', services };
  if (start === undefined) return undefined;
  checkCommand(reader, 'start_command', start);
  if (stop !== undefined) checkCommand(reader, 'stop_command', stop);
  return { kind: 'command', start, ...(stop === undefined ? {} : { stop }) };
}

function checkCommand(reader: DoorReader, key: 'start_command' | 'stop_command', command: string): void {
  if (!command.includes('%IP%')) {
    reader.warn(key, 'the command does not name %IP%: it does the same for everyone who knocks');
  }
  // Said, not refused: a program may well take such a word.
  const words = shellWords(command);
  if (words.length > 0) {
    reader.warn(
      key,
      `commands run without a shell: ${words.join(' ')} means nothing there`,
      'put such a line in a script',
    );
  }
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
  // Rounded down: 47.97 must not read as the 48 that it is not.
  const shown = (Math.floor(bits * 10) / 10).toFixed(1);
  const message = `the sequences of this door have ${shown} bits of entropy, fewer than ${MIN_ENTROPY_BITS}`;
  if (allowLowEntropy) reader.warn('allow_low_entropy', message);
  else reader.problem('knocks', message, 'more knocks, a wider port_range, or allow_low_entropy = yes');
}

function warnOfIdleKeys(reader: DoorReader, mode: 'totp' | 'hotp'): void {
  const idle = mode === 'totp' ? (['look_ahead'] as const) : (['step', 'window'] as const);
  for (const key of idle) if (reader.has(key)) reader.warn(key, `the key means nothing where otp = ${mode}`);
}

/** A knock at a port that the door opens would be a connection while it stands open, and a stray's place when not. */
function withServices(exclude: PortRanges, action: DoorAction | undefined): PortRanges {
  if (action?.kind !== 'nftables') return exclude;
  return parsePortRanges([formatPortRanges(exclude), ...action.services.map(({ port }) => port)].join(','));
}
