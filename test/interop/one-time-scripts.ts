/**
 * One-time sequences at both daemons: which lines open, and the exact bytes of the file afterwards. `knockd` and `ours` have
 * the differences, and `because` names the reason.
 */
import type { DifferenceName } from './intended-differences.ts';
import { door } from './packet-scripts.ts';

export interface OneTimeOutcome {
  readonly opens: readonly string[];
  readonly lines: string;
  readonly ended: boolean;
}

export interface OneTimeScript {
  readonly title: string;
  readonly doors: string;
  readonly lines: string;
  readonly send: string;
  readonly opens: readonly string[];
  /** The file after the knocks. */
  readonly struck: string;
  readonly knockd?: Partial<OneTimeOutcome>;
  readonly ours?: Partial<OneTimeOutcome>;
  readonly because?: DifferenceName;
}

const SSH = `[ssh]
  One_Time_Sequences = /var/lib/lines
  Seq_Timeout = 10
  TCPFlags = syn
  Start_Command = /var/lib/say ssh %IP%
`;
const THREE = ' 7000,8000,7500\n 7100,8100,7600\n 7200,8200,7700\n';

export const ONE_TIME_SCRIPTS: readonly OneTimeScript[] = [
  {
    title: 'each line is used once, in the order of the file',
    doors: SSH,
    lines: THREE,
    // knockd loses packets while it changes its filter.
    send: '7000 8000 7500 wait=0.3 7100 8100 7600',
    opens: ['ssh A', 'ssh A'],
    struck: '#7000,8000,7500\n#7100,8100,7600\n 7200,8200,7700\n',
  },
  {
    title: 'a used line comes again, from the same host and from another',
    doors: SSH,
    lines: THREE,
    send: '7000 8000 7500 7000 8000 7500 B>7000 B>8000 B>7500',
    opens: ['ssh A'],
    struck: '#7000,8000,7500\n 7100,8100,7600\n 7200,8200,7700\n',
  },
  {
    title: 'a line stands in the file twice',
    doors: SSH,
    lines: ' 7000,8000,7500\n 7000,8000,7500\n 7200,8200,7700\n',
    send: '7000 8000 7500 wait=0.3 7000 8000 7500',
    opens: ['ssh A', 'ssh A'],
    struck: '#7000,8000,7500\n#7000,8000,7500\n 7200,8200,7700\n',
    ours: { opens: ['ssh A'], lines: '#7000,8000,7500\n 7000,8000,7500\n 7200,8200,7700\n' },
    because: 'repeated line',
  },
  {
    title: 'the second line comes first',
    doors: SSH,
    lines: THREE,
    send: '7100 8100 7600',
    opens: [],
    struck: THREE,
  },
  {
    title: 'lines begin with comments, struck lines and blank ones',
    doors: SSH,
    lines: '# paper of May\n#6000,6100,6050\n\n 7000,8000:udp,7500\n 7100,8100,7600\n',
    send: '6000 6100 6050 7000 8000:udp 7500',
    opens: ['ssh A'],
    struck: '# paper of May\n#6000,6100,6050\n\n#7000,8000:udp,7500\n 7100,8100,7600\n',
  },
  {
    title: 'the last line of one door is used while another door stands',
    doors: SSH + door('web', '5000,5200,5100'),
    lines: ' 7000,8000,7500\n',
    send: '7000 8000 7500 wait=0.3 5000 5200 5100',
    opens: ['ssh A', 'web A'],
    struck: '#7000,8000,7500\n',
    knockd: { opens: ['ssh A'], ended: true },
    because: 'exhausted',
  },
  {
    title: 'a malformed line stands before the used one',
    doors: SSH,
    lines: ' 7000,70000,7500\n 7100,8100,7600\n 7200,8200,7700\n',
    send: '7100 8100 7600 wait=0.3 B>7100 B>8100 B>7600',
    opens: ['ssh A'],
    struck: ' 7000,70000,7500\n#7100,8100,7600\n 7200,8200,7700\n',
    knockd: { opens: ['ssh A', 'ssh B'], lines: '#7000,70000,7500\n#7100,8100,7600\n 7200,8200,7700\n' },
    because: 'strike of the used line',
  },
  {
    title: 'two lines are used over IPv6',
    doors: SSH,
    lines: THREE,
    send: 'A6>7000 A6>8000 A6>7500 wait=0.3 A6>7100 A6>8100 A6>7600',
    opens: ['ssh A6', 'ssh A6'],
    struck: '#7000,8000,7500\n#7100,8100,7600\n 7200,8200,7700\n',
    knockd: { opens: ['ssh A6'], lines: '#7000,8000,7500\n 7100,8100,7600\n 7200,8200,7700\n' },
    because: 'second one-time use over IPv6',
  },
  {
    title: 'somebody has half knocked a line that another uses',
    doors: SSH,
    lines: THREE,
    send: 'B>7000 B>8000 7000 8000 7500 wait=0.3 B>7600',
    opens: ['ssh A'],
    struck: '#7000,8000,7500\n 7100,8100,7600\n 7200,8200,7700\n',
    knockd: { opens: ['ssh A', 'ssh B'], lines: '#7000,8000,7500\n#7100,8100,7600\n 7200,8200,7700\n' },
    because: 'progress on a spent line',
  },
  {
    title: 'the next line is longer than the used one',
    doors: SSH,
    lines: ' 7000,8000,7500\n 7100,8100,7600,8600\n 7200,8200,7700\n',
    send: '7000 8000 7500 wait=0.3 8600',
    opens: ['ssh A'],
    struck: '#7000,8000,7500\n 7100,8100,7600,8600\n 7200,8200,7700\n',
    knockd: { opens: ['ssh A', 'ssh A'], lines: '#7000,8000,7500\n#7100,8100,7600,8600\n 7200,8200,7700\n' },
    because: 'progress on a spent line',
  },
  {
    title: 'the used line begins without a blank',
    doors: SSH,
    lines: '7000,8000,7500\n 7100,8100,7600\n',
    send: '7000 8000 7500',
    opens: ['ssh A'],
    struck: '#7000,8000,7500\n 7100,8100,7600\n',
    knockd: { lines: '#000,8000,7500\n 7100,8100,7600\n' },
    because: 'strike of the used line',
  },
];
