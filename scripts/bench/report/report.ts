/** The report: Markdown out of results, whenever they were measured. Pure. The charts in it are report-charts'. */
import { CONTESTANTS, TITLES } from '../run/contestants.ts';
import { cores, goals, mb, ms, perSecond } from './goals.ts';
import type { FloodCell, FloodKind, LossyResult, Machine, Results, SectionName, Sections } from './results.ts';

const KINDS: Readonly<Record<FloodKind, string>> = {
  random: 'random sources, random ports',
  live: 'random sources, ports that the server listens for',
  'one-host': 'one source, random ports',
};

export function renderMarkdown({ sections, machines }: Results): string {
  const parts = [
    HEAD,
    machineText(machines),
    '## Goals\n',
    table(
      ['Goal', 'Measured', 'Reached', 'What bounds it'],
      goals(sections).map(({ goal, measured, reached, bound }) => [
        goal,
        measured,
        reached === undefined ? '-' : reached ? 'yes' : '**no**',
        bound,
      ]),
    ),
    '![Charts of the results](benchmarks.svg)\n',
    ...floodText(sections),
    ...openingText(sections),
    ...restText(sections),
    ...clientText(sections),
    ...flatText(sections),
    ...lossyText(sections),
  ];
  return `${parts.join('\n').trimEnd()}\n`;
}

const HEAD = `# Benchmarks

What \`npm run bench\` measured, beside knockd 0.8 and fwknop 2.6 from Debian in the same run: everything in network
namespaces of one machine, each daemon alone on its server, hiding tcp/22. Trust ratios more than values. \`npm run bench
-- --help\` says how to measure again; the numbers are in [benchmarks.json](benchmarks.json), this page is made from them.
\`capture = kernel\` is the default of knock-otpd.
`;

function machineText(machines: Results['machines']): string {
  const all = Object.entries(machines) as [SectionName, Machine][];
  const [first] = all;
  if (first === undefined) return '';
  const { cpu, cores: count, kernel, node } = first[1];
  const dates = all.map(([name, machine]) => `${name} ${machine.date} (load ${machine.load})`);
  return `Machine: ${count} cores of ${cpu}, Linux ${kernel}, Node ${node}. Sections: ${dates.join(', ')}.\n`;
}

function floodText({ flood }: Partial<Sections>): string[] {
  if (flood === undefined) return [];
  const text = [
    `## Floods of SYNs

Success of a legitimate knock, its time from the first packet to the rule in the firewall (p50 of those that opened), the
daemon's CPU in percent of a core while nobody knocks, and the memory of all its processes. Ours is the client's own way
with its repetitions; knock and fwknop send once, fwknop's time has the start of its program in it. fwknopd listens to one
UDP port, which a flood of SYNs does not touch. The largest rate is what the sender could send beside the daemon.
`,
  ];
  const kinds = [...new Set(flood.map(({ kind }) => kind))];
  for (const kind of kinds) {
    const cells = flood.filter((cell) => cell.kind === kind || cell.rate === 0);
    text.push(`### ${KINDS[kind]}\n`, floodTable(cells));
  }
  return text;
}

function floodTable(cells: readonly FloodCell[]): string {
  const contestants = CONTESTANTS.filter((name) => cells.some(({ contestant }) => contestant === name));
  const rates = [...new Set(cells.map(({ rate }) => rate))];
  const rows = rates.flatMap((rate) =>
    contestants.flatMap((name) => {
      const cell = cells.find((each) => each.contestant === name && each.rate === rate);
      if (cell === undefined) return [];
      return [
        [
          rate === 0 ? 'none' : perSecond(cell),
          TITLES[name],
          `${cell.opened} of ${cell.knocks}`,
          ms(cell.firstToRule.p50),
          cores(cell.cores),
          mb(cell.rssKb),
        ],
      ];
    }),
  );
  return table(['Flood', 'Daemon', 'Opened', 'First packet to rule', 'CPU', 'Memory'], rows);
}

function openingText({ opening }: Partial<Sections>): string[] {
  if (opening === undefined) return [];
  return [
    `## From the last knock to the rule

On a quiet path. The rule is seen by \`nft monitor\`. "Connected" is when a client that tries in growing pauses (20, 40, 80 ms)
has its connection, from its first packet on. fwknop's times have the start of its program in them.
`,
    table(
      ['Daemon', 'Knocks', 'p50', 'p99', 'Connected, p50'],
      opening.map(({ contestant, knocks, opened, lastToRule, firstToConnected }) => [
        TITLES[contestant],
        `${opened} of ${knocks}`,
        ms(lastToRule.p50),
        ms(lastToRule.p99),
        ms(firstToConnected.p50),
      ]),
    ),
  ];
}

function restText({ rest, rotation }: Partial<Sections>): string[] {
  const text: string[] = [];
  if (rest !== undefined) {
    text.push(
      `## At rest

CPU in percent of a core while nothing arrives, over whole time steps of 30 s, rotation included. Memory of all processes.
`,
      table(
        ['Daemon', 'CPU', 'Memory', 'Start'],
        rest.map(({ title, coresPercent, rssKb, startMs }) => [
          title,
          `${coresPercent.toFixed(3)} %`,
          mb(rssKb),
          ms(startMs),
        ]),
      ),
    );
  }
  if (rotation !== undefined) {
    text.push(
      `## Rotation

One time step: the CPU of its derivations, and the longest that packets and timers wait for their turn.
`,
      table(
        ['Clients', 'CPU of a step', 'Longest turn'],
        rotation.map(({ clients, totalMs, longestTurnMs }) => [
          clients.toLocaleString('en'),
          ms(totalMs),
          ms(longestTurnMs),
        ]),
      ),
    );
  }
  return text;
}

function clientText({ client }: Partial<Sections>): string[] {
  if (client === undefined) return [];
  const floor = client[0]?.wall.p50 ?? Number.NaN;
  return [
    `## The client's time

The whole program, from its start to its end, taking turns. The port is open already, so that what is measured is the client.
Without verification it sends everything three times within 450 ms, and waits for that.
`,
    table(
      ['Program', 'Runs', 'p50', 'p99', 'More than bare node'],
      client.map(({ title, wall }) => [
        `\`${title}\``,
        `${wall.count}`,
        ms(wall.p50),
        ms(wall.p99),
        wall.p50 > floor ? ms(wall.p50 - floor) : '-',
      ]),
    ),
  ];
}

function flatText({ flat }: Partial<Sections>): string[] {
  if (flat === undefined) return [];
  return [
    '## Memory under a long flood\n',
    table(
      ['Daemon', 'Flood', 'Minutes', 'Begin', 'End', 'Most'],
      flat.map(({ contestant, ratePerSecond, minutes, rssKb }) => [
        TITLES[contestant],
        perSecond({ sentPerSecond: ratePerSecond }),
        `${minutes}`,
        mb(rssKb[0] ?? Number.NaN),
        mb(rssKb.at(-1) ?? Number.NaN),
        mb(Math.max(...rssKb)),
      ]),
    ),
  ];
}

function lossyText({ lossy }: Partial<Sections>): string[] {
  if (lossy === undefined) return [];
  const points = [...new Map(lossy.map((each) => [pointName(each), each])).keys()];
  const rows = points.map((name) => {
    const cells = (['knock-otp', 'knock', 'fwknop'] as const).map((program) =>
      lossy.find((each) => each.program === program && pointName(each) === name),
    );
    const [ours] = cells;
    return [
      name,
      ...cells.map((cell) => (cell === undefined ? '-' : `${cell.opened} of ${cell.runs}`)),
      ms(ours?.wall.p50 ?? Number.NaN),
      ms(ours?.wall.p99 ?? Number.NaN),
    ];
  });
  return [
    `## A bad path

One run of the program, on a path of 20 ms round trip that treats packets badly both ways, each for itself. For knock-otp the
whole program: it ended with 0 and had a connection; its times are from its start to its end, several running at once. For knock
and fwknop: the firewall let the address in.
`,
    table(['Path', 'knock-otp', 'knock', 'fwknop', 'knock-otp p50', 'p99'], rows),
  ];
}

function pointName({ lossPercent, reorderPercent, duplicatePercent }: LossyResult): string {
  const parts = [
    lossPercent > 0 ? `${lossPercent} % lost` : '',
    reorderPercent > 0 ? `${reorderPercent} % reordered` : '',
    duplicatePercent > 0 ? `${duplicatePercent} % repeated` : '',
  ].filter(Boolean);
  return parts.length === 0 ? 'good' : parts.join(', ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
