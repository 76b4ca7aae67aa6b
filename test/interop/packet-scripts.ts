/**
 * Packet scripts, with the expected openings at knockd and knock-otpd; test/support/core/packet-script.ts has the syntax.
 * `opens` is the output of the doors' commands in order, with the letter of the source: `ssh A`, `-ssh A` for a close.
 * Scripts pause between two openings, because knockd starts both commands at once, and either may be first.
 * If knock-otpd differs on purpose, `ours` has its openings and `because` names the row of the list of differences.
 */
import type { DifferenceName } from './intended-differences.ts';

export interface PacketScript {
  readonly title: string;
  readonly send: string;
  readonly opens: readonly string[];
  readonly ours?: readonly string[];
  readonly because?: DifferenceName;
}

export interface ScriptGroup {
  readonly title: string;
  readonly doors: string;
  readonly scripts: readonly PacketScript[];
}

interface DoorText {
  readonly timeout?: number;
  /** Undefined: the door has no such key. */
  readonly flags?: string | undefined;
  readonly more?: string;
}

/** A door in knockd's syntax whose command writes its name and the source. */
export function door(name: string, sequence: string, { timeout = 3, more = '', ...rest }: DoorText = {}): string {
  const flags = 'flags' in rest ? rest.flags : 'syn';
  return `[${name}]
  Sequence    = ${sequence}
  Seq_Timeout = ${timeout}
${flags === undefined ? '' : `  TCPFlags    = ${flags}\n`}  Start_Command = /var/lib/say ${name} %IP%
${more}
`;
}

const closing = (name: string, seconds: number): string =>
  `  Cmd_Timeout = ${seconds}\n  Stop_Command = /var/lib/say -${name} %IP%\n`;

const NONE: readonly string[] = [];

export const SCRIPT_GROUPS: readonly ScriptGroup[] = [
  {
    title: 'doors of three ports, open, close and another',
    doors: door('open', '7000,8000,9000') + door('close', '9000,8000,7000') + door('web', '7100,8100:tcp,9100'),
    scripts: [
      { title: 'in order', send: '7000 8000 9000', opens: ['open A'] },
      { title: 'in order over IPv6', send: 'A6>7000 A6>8000 A6>9000', opens: ['open A6'] },
      { title: 'the close sequence', send: '9000 8000 7000', opens: ['close A'] },
      { title: 'open, then close', send: '7000 8000 9000 wait=0.2 9000 8000 7000', opens: ['open A', 'close A'] },
      {
        title: 'open, a second, close',
        send: '7000 8000 9000 wait=0.2 7100 8100 9100 wait=0.2 9000 8000 7000',
        opens: ['open A', 'web A', 'close A'],
      },
      { title: 'twice in a row', send: '7000 8000 9000 7000 8000 9000', opens: ['open A', 'open A'] },
      { title: 'the first two swapped', send: '8000 7000 9000', opens: NONE },
      { title: 'the last two swapped', send: '7000 9000 8000', opens: NONE },
      { title: 'swapped over IPv6', send: 'A6>8000 A6>7000 A6>9000', opens: NONE },
      { title: 'one missing', send: '7000 9000', opens: NONE },
      { title: 'the last one missing', send: '7000 8000', opens: NONE },
      { title: 'the last ones after the end again', send: '7000 8000 9000 8000 9000', opens: ['open A'] },
      { title: 'the first twice', send: '7000 7000 8000 9000', opens: NONE, ours: ['open A'], because: 'repeated' },
      { title: 'the middle twice', send: '7000 8000 8000 9000', opens: NONE, ours: ['open A'], because: 'repeated' },
      { title: 'the last twice', send: '7000 8000 9000 9000', opens: ['open A'] },
      {
        title: 'all three times, by turns',
        send: '7000 7000 7000 8000 8000 8000 9000 9000 9000',
        opens: NONE,
        ours: ['open A'],
        because: 'repeated',
      },
      {
        title: 'a wrong one, then everything from the start',
        send: '7000 9000 7000 8000 9000',
        opens: ['open A'],
      },
      {
        title: 'two right ones, then everything from the start',
        send: '7000 8000 7000 8000 9000',
        opens: NONE,
        ours: ['open A'],
        because: 'restart',
      },
      { title: 'a port of another door in between', send: '7000 8100 8000 9000', opens: NONE },
      {
        title: 'a port of no door in between',
        send: '7000 1234 8000 9000',
        opens: ['open A'],
        ours: NONE,
        because: 'strays',
      },
      { title: 'ports of no door before and behind', send: '1234 7000 8000 9000 4321', opens: ['open A'] },
      { title: 'a port of another door before', send: '8100 7000 8000 9000', opens: ['open A'] },
      { title: 'too late', send: '7000 8000 wait=4.1 9000', opens: NONE },
      { title: 'slow, but in time', send: 'at=100 7000 wait=0.7 8000 wait=0.7 9000', opens: ['open A'] },
      { title: 'too late, and everything again', send: '7000 wait=4.1 7000 8000 9000', opens: ['open A'] },
      {
        title: 'in 2.6 of 3 seconds, of which the clock counts 3',
        send: 'at=500 7000 8000 wait=2.5 9000',
        opens: NONE,
        ours: ['open A'],
        because: 'whole seconds',
      },
      { title: 'to another address of the server', send: '7000@other 8000@other 9000@other', opens: ['open A'] },
      { title: 'to two addresses of the server by turns', send: '7000 8000@other 9000', opens: ['open A'] },
      { title: 'to a third host', send: '7000@third 8000@third 9000@third', opens: NONE },
      { title: 'one of them to a third host', send: '7000 8000@third 9000', opens: NONE },
      { title: 'one to a third host in between', send: '7000 8100@third 8000 9000', opens: ['open A'] },
      { title: 'UDP to the ports of TCP', send: '7000:udp 8000:udp 9000:udp', opens: NONE },
      { title: 'UDP to the same ports in between', send: '7000 8000:udp 8000 9000:udp 9000', opens: ['open A'] },
      { title: 'FIN', send: '7000/fin 8000/fin 9000/fin', opens: NONE },
      { title: 'ACK to the same ports in between', send: '7000 7000/ack 8000 7000/ack 9000', opens: ['open A'] },
      {
        title: 'SYN with ACK',
        send: '7000/syn,ack 8000/syn,ack 9000/syn,ack',
        opens: ['open A'],
        ours: NONE,
        because: 'syn with ack',
      },
      { title: 'SYN with ECN and PSH', send: '7000/syn,psh 8000/syn,psh 9000/syn,psh', opens: ['open A'] },
      { title: 'each from another host', send: '7000 B>8000 C>9000', opens: NONE },
      { title: 'the middle one from another host', send: '7000 B>8000 9000', opens: NONE },
      { title: 'another host at a wrong port in between', send: '7000 B>8000 8000 B>9100 9000', opens: ['open A'] },
      { title: 'the same host over IPv4 and IPv6 by turns', send: '7000 A6>8000 9000', opens: NONE },
      {
        title: 'two hosts by turns',
        send: '7000 B>7000 8000 B>8000 9000 wait=0.2 B>9000',
        opens: ['open A'],
        ours: ['open A', 'open B'],
        because: 'other attempts',
      },
      {
        title: 'another host fails in between',
        send: 'B>7000 7000 B>9000 8000 9000',
        opens: NONE,
        ours: ['open A'],
        because: 'other attempts',
      },
      { title: 'inside of a VLAN without a device', send: '7000~5 8000~5 9000~5', opens: NONE },
    ],
  },
  {
    title: 'an open and a close sequence alone',
    doors: door('open', '7000,8000,9000') + door('close', '9000,8000,7000'),
    scripts: [
      { title: 'an ascending sweep', send: '6990-9010', opens: ['open A'], ours: NONE, because: 'sweep' },
      { title: 'a descending sweep', send: '9010-6990', opens: ['close A'], ours: NONE, because: 'sweep' },
      { title: 'an ascending sweep over IPv6', send: 'A6>6990-9010', opens: ['open A6'], ours: NONE, because: 'sweep' },
      { title: 'the same sweep by UDP', send: '6990-9010:udp', opens: NONE },
    ],
  },
  {
    title: 'doors that share their first ports',
    doors: door('first', '7000,8000,9000') + door('second', '7000,8500,9500') + door('third', '7000,8000,9700'),
    scripts: [
      { title: 'the first of them', send: '7000 8000 9000', opens: ['first A'] },
      { title: 'the second', send: '7000 8500 9500', opens: NONE, ours: ['second A'], because: 'other attempts' },
      { title: 'the third', send: '7000 8000 9700', opens: ['third A'] },
    ],
  },
  {
    title: 'a door whose sequence begins the sequence of another',
    doors: door('short', '7000,8000,7500') + door('long', '7000,8000,7500,6500'),
    scripts: [
      { title: 'the short one', send: '7000 8000 7500', opens: ['short A'] },
      {
        title: 'the long one',
        send: '7000 8000 7500 wait=0.2 6500',
        opens: ['short A'],
        ours: ['short A', 'long A'],
        because: 'other attempts',
      },
    ],
  },
  {
    title: 'sequences of UDP and TCP',
    doors: door('mix', '7000:tcp,8000:udp,9000') + door('udp', '7200:udp,8200:udp,9200:udp', { flags: undefined }),
    scripts: [
      { title: 'as written', send: '7000 8000:udp 9000', opens: ['mix A'] },
      { title: 'as written, over IPv6', send: 'A6>7000 A6>8000:udp A6>9000', opens: ['mix A6'] },
      { title: 'all by TCP', send: '7000 8000 9000', opens: NONE },
      { title: 'the TCP ones by UDP', send: '7000:udp 8000:udp 9000:udp', opens: NONE },
      { title: 'all by UDP where that is written', send: '7200:udp 8200:udp 9200:udp', opens: ['udp A'] },
      { title: 'TCP where UDP is written', send: '7200 8200 9200', opens: NONE },
      {
        title: 'the middle one by TCP first',
        send: '7000 8000 8000:udp 9000',
        opens: ['mix A'],
        ours: NONE,
        because: 'strays',
      },
    ],
  },
  {
    title: 'no TCPFlags',
    doors: door('any', '7000,8000,9000', { flags: undefined }),
    scripts: [
      { title: 'SYN', send: '7000 8000 9000', opens: ['any A'] },
      { title: 'FIN, RST and no flag at all', send: '7000/fin 8000/rst 9000/', opens: ['any A'] },
      { title: 'ACK over IPv6', send: 'A6>7000/ack A6>8000/ack A6>9000/ack', opens: ['any A6'] },
    ],
  },
  {
    title: 'other TCPFlags',
    doors:
      door('fin', '7000,8000,9000', { flags: 'fin,!ack' }) +
      door('plain', '7100,8100,9100', { flags: 'syn,!ack' }) +
      door('answers', '7200,8200,9200', { flags: 'syn,ack' }) +
      door('urgent', '7300,8300,9300', { flags: 'URG,PSH' }),
    scripts: [
      { title: 'FIN where it is asked for', send: '7000/fin 8000/fin 9000/fin', opens: ['fin A'] },
      { title: 'FIN with a flag that does not matter', send: '7000/fin,psh 8000/fin,urg 9000/fin', opens: ['fin A'] },
      { title: 'FIN with the flag that must not be', send: '7000/fin,ack 8000/fin,ack 9000/fin,ack', opens: NONE },
      {
        title: 'other packets in between are nothing',
        send: '7000/fin 8000/ack 8000 8000/fin 9000/fin,ack 9000/fin',
        opens: ['fin A'],
      },
      { title: 'SYN and not ACK', send: '7100/syn 8100/syn 9100/syn', opens: ['plain A'] },
      { title: 'SYN with ACK where it must not be', send: '7100/syn,ack 8100/syn,ack 9100/syn,ack', opens: NONE },
      {
        title: 'SYN with ACK where that is asked for',
        send: '7200/syn,ack 8200/syn,ack 9200/syn,ack',
        opens: ['answers A'],
      },
      { title: 'SYN alone where both are asked for', send: '7200 8200 9200', opens: NONE },
      { title: 'two flags, in capitals', send: '7300/urg,psh 8300/urg,psh 9300/urg,psh', opens: ['urgent A'] },
    ],
  },
  {
    title: 'Target',
    doors: door('here', '7000,8000,9000') + door('there', '7100,8100,9100', { more: '  Target = 10.77.0.240\n' }),
    scripts: [
      { title: 'to the target', send: '7100@third 8100@third 9100@third', opens: ['there A'] },
      { title: 'to the server itself', send: '7100 8100 9100', opens: NONE },
      { title: 'a door of the server at the target', send: '7000@third 8000@third 9000@third', opens: NONE },
      {
        title: 'both by turns',
        send: '7000 7100@third 8000 8100@third 9000 wait=0.2 9100@third',
        opens: ['here A'],
        ours: ['here A', 'there A'],
        because: 'other attempts',
      },
    ],
  },
  {
    title: 'longer and repeating sequences',
    doors:
      door('five', '7300,7100,7500,7200,7400') +
      door('again', '6000,6000,6500') +
      door('one', '6900') +
      door('other', '5100,5300,5200'),
    scripts: [
      { title: 'five in order', send: '7300 7100 7500 7200 7400', opens: ['five A'] },
      { title: 'five, one of them swapped', send: '7300 7500 7100 7200 7400', opens: NONE },
      { title: 'five with ports of no door in between', send: '7300 1111 7100 2222 7500 7200 7400', opens: ['five A'] },
      {
        title: 'five with a port of another door in between',
        send: '7300 5300 7100 7500 7200 7400',
        opens: NONE,
        ours: ['five A'],
        because: 'strays of longer sequences',
      },
      { title: 'a port that stands twice', send: '6000 6000 6500', opens: ['again A'] },
      { title: 'a port that stands twice, once', send: '6000 6500', opens: NONE },
      {
        title: 'a port that stands twice, three times',
        send: '6000 6000 6000 6500',
        opens: NONE,
        ours: ['again A'],
        because: 'repeated',
      },
      { title: 'one single port', send: '6900', opens: ['one A'] },
      { title: 'one single port twice', send: '6900 6900', opens: ['one A', 'one A'] },
    ],
  },
  {
    title: 'Stop_Command and Cmd_Timeout',
    doors: door('ssh', '7000,8000,7500', { more: closing('ssh', 2) }) + door('web', '7100,8100,7600'),
    scripts: [
      { title: 'open and closed after its time', send: '7000 8000 7500 wait=2.5', opens: ['ssh A', '-ssh A'] },
      {
        title: 'another door meanwhile',
        send: '7000 8000 7500 wait=0.2 7100 8100 7600 wait=2.5',
        opens: ['ssh A', 'web A', '-ssh A'],
      },
      {
        title: 'again while it is open',
        send: '7000 8000 7500 wait=1 7000 8000 7500 wait=2.5',
        opens: ['ssh A', 'ssh A', '-ssh A', '-ssh A'],
        ours: ['ssh A', '-ssh A'],
        because: 'grant extended',
      },
      {
        title: 'again after it has closed',
        send: '7000 8000 7500 wait=2.5 7000 8000 7500 wait=2.5',
        opens: ['ssh A', '-ssh A', 'ssh A', '-ssh A'],
      },
    ],
  },
  {
    title: 'commands for IPv6',
    doors:
      door('both', '7000,8000,7500', {
        more: `  Start_Command_6 = /var/lib/say both6 %IP%\n  Cmd_Timeout = 1\n  Stop_Command = /var/lib/say -both %IP%\n  Stop_Command_6 = /var/lib/say -both6 %IP%\n`,
      }) +
      door('four', '7100,8100,7600', { more: '  Start_Command_6 =\n' }) +
      door('same', '7200,8200,7700', { more: closing('same', 1) }),
    scripts: [
      { title: 'IPv4 has its own', send: '7000 8000 7500 wait=1.5', opens: ['both A', '-both A'] },
      { title: 'IPv6 has its own', send: 'A6>7000 A6>8000 A6>7500 wait=1.5', opens: ['both6 A6', '-both6 A6'] },
      { title: 'an empty one does nothing', send: 'A6>7100 A6>8100 A6>7600', opens: NONE },
      { title: 'an empty one is not for IPv4', send: '7100 8100 7600', opens: ['four A'] },
      {
        title: 'without one IPv6 has that of IPv4',
        send: 'A6>7200 A6>8200 A6>7700 wait=1.5',
        opens: ['same A6', '-same A6'],
      },
    ],
  },
];
