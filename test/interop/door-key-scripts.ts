/** Packet scripts about the other keys of a door: TCPFlags, Target, Stop_Command with Cmd_Timeout, commands for IPv6. */
import { door, type ScriptGroup } from './packet-scripts.ts';

const closing = (name: string, seconds: number): string =>
  `  Cmd_Timeout = ${seconds}\n  Stop_Command = /var/lib/say -${name} %IP%\n`;

const NONE: readonly string[] = [];

export const DOOR_KEY_SCRIPTS: readonly ScriptGroup[] = [
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
