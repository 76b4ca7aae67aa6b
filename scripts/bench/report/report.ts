/** Writes the report: Markdown from stored results. `report-charts.ts` makes its charts. Pure. */
import { CONTESTANTS, TITLES } from '../run/contestants.ts';
import { clientText, lossyText } from './client-sections.ts';
import { cores, type Goal, goals, KINDS, mb, ms, perSecond } from './goals.ts';
import { table } from './markdown-table.ts';
import type { FloodCell, Machine, Results, SectionName, Sections } from './results.ts';

export function renderMarkdown({ sections, machines }: Results): string {
  const parts = [
    HEAD,
    ...goalsText(goals(sections), sections),
    '![Charts of the results](benchmarks.svg)\n',
    METHOD,
    ...machineText(machines),
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

This page compares knock-otp with knockd 0.8 and fwknop 2.6 from Debian. It shows how many knocks open the door under floods
and on lossy paths, and how much CPU, memory and time each program needs.
`;

const METHOD = `## How the figures were measured

\`npm run bench\` measured all programs of a section in the same run:

- Everything runs in network namespaces of one machine. Each daemon is alone on its server and hides tcp/22.
- Trust the ratios more than the absolute values.
- \`capture = kernel\` is the default of knock-otpd. A row of knock-otpd that names no other mode uses it.
- p50 is the median; p99 is the value that 99 % of the measurements do not exceed.
- Memory is the resident memory of all processes of a daemon. Pages that two of them share count twice.

The figures are in [benchmarks.json](benchmarks.json). The benchmark program makes this page and its charts from that file:

    npm run bench                      # measures the sections flood, opening, rest, rotation and client
    npm run bench -- --only rest       # measures one section; its new figures replace the old ones
    npm run bench -- --lossy --flat    # measures the two long sections
    npm run bench -- --report          # measures nothing: writes this page and its charts again
    npm run bench -- --help            # all options
`;

function goalsText(all: readonly Goal[], { flood }: Partial<Sections>): string[] {
  const measured = all.filter(({ reached }) => reached !== undefined);
  const reached = measured.filter((goal) => goal.reached === true);
  return [
    `## Goals

knock-otp reaches ${reached.length} of its ${measured.length} measured goals:
`,
    table(
      ['Goal', 'Measured', 'Reached', 'What limits it'],
      all.map((goal) => [
        goal.goal,
        goal.measured,
        goal.reached === undefined ? '-' : goal.reached ? 'yes' : '**no**',
        goal.bound,
      ]),
    ),
    `- The CPU goal compares CPU per packet at the largest rate, because the daemons receive different rates there. A packet
  here is one that the sender sent; most of them never reach the daemon.
- Each CPU figure of a flood is one measurement of three seconds, so small figures vary from row to row. A smaller figure at
  a higher rate does not mean that a larger flood costs less.
- CPU without a flood stands in two tables. The flood section measures three seconds of a daemon that has just let a client
  in. The section [At rest](#at-rest) measures whole time steps, a minute after the start.
- Memory was measured for ten minutes at 10,000 packets a second only.${largestMemory(flood)}
- Drift is the median of the last third of the samples minus the median of the first third. Memory is flat when its drift
  is less than 8 MB or less than a tenth of the memory at the start.
`,
  ];
}

/** The largest memory of ours in the flood section, which no goal is about. */
function largestMemory(flood: readonly FloodCell[] | undefined): string {
  const ours = flood?.filter(({ contestant }) => contestant === 'kernel' || contestant === 'pcap') ?? [];
  const [most] = ours.toSorted((a, b) => b.rssKb - a.rssKb);
  if (most === undefined) return '';
  const last = ours.findLast(({ contestant }) => contestant === most.contestant) ?? most;
  return ` Larger floods took up to
  ${mb(most.rssKb)} (${KINDS[most.kind]}, ${perSecond(most)}); the last flood of the same daemon took ${mb(last.rssKb)}.
  Whether memory stays flat under a long flood of such a rate was not measured.`;
}

function machineText(machines: Results['machines']): string[] {
  const all = Object.entries(machines) as [SectionName, Machine][];
  const [first] = all;
  if (first === undefined) return [];
  const { cpu, cores: count, kernel, node } = first[1];
  return [
    `The machine has ${count} cores of ${cpu}, Linux ${kernel} and Node.js ${node}. Load is the machine's load average when the
measurement of a section began.
`,
    table(
      ['Section', 'Measured at', 'Load'],
      all.map(([name, machine]) => [name, machine.date, `${machine.load}`]),
    ),
  ];
}

function floodText({ flood }: Partial<Sections>): string[] {
  if (flood === undefined) return [];
  const text = [
    `## Floods of SYNs

While a flood of SYNs runs, a legitimate client knocks. The columns mean:

| Column | Meaning |
| --- | --- |
| Flood | packets a second that the sender really sent; the last rate is the largest that it could send beside the daemon |
| Opened | knocks that opened the door |
| First packet to rule | time from the first packet of a knock to the rule in the firewall, p50 of the knocks that opened |
| CPU | percent of a core that the daemon uses while nobody knocks |
| Memory | resident memory of all processes of the daemon |

- knock-otp knocks as its client does and repeats lost packets. knock and fwknop send once.
- The times of fwknop include the start of its program.
- fwknopd listens to one UDP port, so a flood of SYNs does not affect it.
- The ports of valid knocks are those that a daemon accepts knocks at now: for knock-otpd all live ports, for knockd its three
  ports.
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

This is the time that a daemon needs to open the door on a quiet path. \`nft monitor\` reports the moment of the rule.
"Connected" is the time from the client's first packet to its connection. That client tries to connect after growing pauses
(20, 40, 80 ms). The times of fwknop include the start of its program.
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

CPU is the percentage of a core that a daemon uses while no packet arrives. It is measured over whole time steps of 30 s, so
it includes the rotation of sequences. Memory is that of all processes. Start is the time until the daemon is ready.
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

At each time step the daemon derives the new sequences. The table shows the CPU time of these derivations, and the longest time
for which packets and timers wait because of them.
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

function flatText({ flat }: Partial<Sections>): string[] {
  if (flat === undefined) return [];
  return [
    `## Memory under a long flood

The memory of all processes of a daemon while a flood from random sources to random ports runs. The client knocks at every
sample.
`,
    table(
      ['Daemon', 'Flood', 'Minutes', 'At start', 'At end', 'Maximum'],
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
