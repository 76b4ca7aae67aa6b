/** The report's sections on the client: the time of a run, and bad paths. */
import { ms } from './goals.ts';
import { table } from './markdown-table.ts';
import type { LossyResult, Sections } from './results.ts';

export function clientText({ client }: Partial<Sections>): string[] {
  if (client === undefined) return [];
  const floor = client[0]?.wall.p50 ?? Number.NaN;
  return [
    `## The client's time

This is the time of a whole program, from its start to its end. The programs run in turns. The port is open already, so the
times are those of the client alone. Without verification, knock-otp sends everything three times within 450 ms and waits for
that.
`,
    table(
      ['Program', 'Runs', 'p50', 'p99', 'More than Node.js alone'],
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

export function lossyText({ lossy }: Partial<Sections>): string[] {
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

Each run of a program goes over a path with 20 ms round trip. The path loses, reorders or repeats packets in both directions,
each packet independently. A run counts when the door opened:

- knock-otp: the whole program ended with 0, so it had a connection. Its times go from its start to its end, and several
  programs run at once.
- knock and fwknop: the firewall let the address in.
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
