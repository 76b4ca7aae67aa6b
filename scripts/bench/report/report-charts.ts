/** Chooses the charts of the report: their figures and colours. `chart.ts` draws them. Pure. */

import { CONTESTANTS, TITLES } from '../run/contestants.ts';
import { type Chart, renderCharts } from './chart.ts';
import { cores, mb, ms } from './goals.ts';
import type { FloodCell, LossyResult, Results } from './results.ts';

const PERCENT = { from: 0, to: 1, yText: (share: number) => `${Math.round(share * 100)} %` };
const AXES = {
  flood: {
    kind: 'lines',
    xLabel: 'SYNs a second',
    ...PERCENT,
    ordinal: true,
    xText: (rate: number) => (rate === Number.MAX_SAFE_INTEGER ? 'maximum' : rate.toLocaleString('en')),
  },
} as const;

export function renderSvg({ sections }: Results): string {
  const { flood, opening, client, rest, flat, lossy } = sections;
  const charts: Chart[] = [];
  if (flood !== undefined) {
    charts.push({
      ...AXES.flood,
      title: 'Knocks that open the door under a flood to the ports of valid knocks',
      series: CONTESTANTS.map((name) => ({
        label: TITLES[name],
        colour: seriesOf(name),
        points: floodPoints(flood, name),
      })).filter(hasPoints),
    });
    const cells = flood.filter(({ kind, rate }) => kind === 'random' && rate === 100_000);
    charts.push({
      kind: 'bars',
      title: 'CPU of the daemon, 100,000 SYNs/s from random sources to random ports',
      scale: 'log',
      bars: cells.map((cell) => ({
        label: TITLES[cell.contestant],
        value: cell.cores,
        text: `${cores(cell.cores)} of a core`,
        series: seriesOf(cell.contestant),
      })),
    });
  }
  if (opening !== undefined) {
    charts.push({
      kind: 'bars',
      title: 'From the last knock to the rule in the kernel, p50',
      scale: 'linear',
      bars: opening.map(({ contestant, lastToRule }) => ({
        label: TITLES[contestant],
        value: lastToRule.p50,
        text: ms(lastToRule.p50),
        series: seriesOf(contestant),
      })),
    });
  }
  if (client !== undefined) {
    charts.push({
      kind: 'bars',
      title: 'Time of the whole client program, p50',
      scale: 'linear',
      bars: client.map(({ title, wall }, at) => ({
        label: title,
        value: wall.p50,
        text: ms(wall.p50),
        series: at === 0 ? 3 : title.startsWith('knock-otp') ? 0 : 2,
      })),
    });
  }
  if (rest !== undefined) {
    charts.push({
      kind: 'bars',
      title: 'CPU at rest, percent of a core',
      scale: 'log',
      bars: rest.map(({ title, coresPercent, contestant }) => ({
        label: title,
        value: coresPercent,
        text: `${coresPercent.toFixed(3)} %`,
        series: seriesOf(contestant),
      })),
    });
  }
  if (flat !== undefined) {
    charts.push({
      kind: 'lines',
      title: 'Memory under 10,000 SYNs/s',
      xLabel: 'minutes',
      from: 0,
      to: Math.max(...flat.flatMap(({ rssKb }) => rssKb)) * 1.2,
      yText: mb,
      xText: (minutes) => minutes.toFixed(1),
      series: flat.map(({ contestant, rssKb, everySeconds }) => ({
        label: TITLES[contestant],
        colour: seriesOf(contestant),
        points: rssKb.map((kb, at) => [((at + 1) * everySeconds) / 60, kb] as const),
      })),
    });
  }
  if (lossy !== undefined) {
    const only = lossy.filter(({ reorderPercent, duplicatePercent }) => reorderPercent + duplicatePercent === 0);
    const reordered = lossy.filter(({ lossPercent, duplicatePercent }) => lossPercent + duplicatePercent === 0);
    charts.push(
      lossyChart('Doors that one run opens, by packets lost', only, ({ lossPercent }) => lossPercent),
      lossyChart('Doors that one run opens, by packets reordered', reordered, ({ reorderPercent }) => reorderPercent),
    );
  }
  return renderCharts(charts);
}

function floodPoints(flood: readonly FloodCell[], name: FloodCell['contestant']): (readonly [number, number])[] {
  return flood
    .filter(({ contestant, kind, rate }) => contestant === name && (kind === 'live' || rate === 0))
    .map(({ rate, opened, knocks }) => [rate < 0 ? Number.MAX_SAFE_INTEGER : rate, opened / knocks] as const);
}

function lossyChart(title: string, cells: readonly LossyResult[], xOf: (cell: LossyResult) => number): Chart {
  return {
    kind: 'lines',
    title,
    xLabel: 'percent of packets',
    ...PERCENT,
    xText: (percent) => `${percent} %`,
    series: (['knock-otp', 'knock', 'fwknop'] as const).map((program) => ({
      label: program,
      colour: { 'knock-otp': 0, knock: 2, fwknop: 3 }[program],
      points: cells
        .filter((each) => each.program === program)
        .map((each) => [xOf(each), each.opened / each.runs] as const)
        .toSorted(([a], [b]) => a - b),
    })),
  };
}

function hasPoints({ points }: { readonly points: readonly unknown[] }): boolean {
  return points.length > 0;
}

function seriesOf(name: FloodCell['contestant']): number {
  return CONTESTANTS.indexOf(name);
}
