/**
 * Draws small charts as SVG text: horizontal bars and lines, on given scales. Escapes all text. The charts are made for a
 * white page and for the width of a README.
 */

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The text behind the bar. */
  readonly text: string;
  readonly series: number;
}

export interface Series {
  readonly label: string;
  /** An index of the palette. */
  readonly colour: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface BarChart {
  readonly kind: 'bars';
  readonly title: string;
  readonly bars: readonly Bar[];
  readonly scale: 'linear' | 'log';
}

export interface LineChart {
  readonly kind: 'lines';
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly Series[];
  /** The values on the y axis, from bottom to top. */
  readonly from: number;
  readonly to: number;
  readonly yText: (value: number) => string;
  readonly xText: (value: number) => string;
  /** The values of x in their order. They stand at equal distances. */
  readonly ordinal?: boolean;
}

export type Chart = BarChart | LineChart;

const WIDTH = 840;
const LEFT = 320;
const RIGHT = 130;
const BAR = 18;
const GAP = 5;
const HEAD = 34;
const PLOT_HEIGHT = 170;
const LEGEND = 18;
/** The width of a letter, at most, in the middle of words. */
const LETTER = 7.2;
const COLOURS = ['#1b6ca8', '#7fb2d9', '#c96f2b', '#8a8a8a', '#4a8f55'];

/** Charts one below the other, in one file. */
export function renderCharts(charts: readonly Chart[]): string {
  const parts: string[] = [];
  let at = 10;
  for (const chart of charts) {
    if (isEmpty(chart)) continue;
    const { svg, height } = chart.kind === 'bars' ? bars(chart) : lines(chart);
    parts.push(`<g transform="translate(0 ${at})">${svg}</g>`);
    at += height + 18;
  }
  const style = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" fill="#222"';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${at}" viewBox="0 0 ${WIDTH} ${at}" ${style}>` +
    `<title>${escaped(charts.map(({ title }) => title).join('; '))}</title>` +
    `<rect width="100%" height="100%" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`
  );
}

function isEmpty(chart: Chart): boolean {
  return chart.kind === 'bars' ? chart.bars.length === 0 : chart.series.every(({ points }) => points.length === 0);
}

/** How far a value reaches on a scale from 0 to 1. Logarithmic scales begin a decade below the smallest value. */
export function reach(value: number, values: readonly number[], scale: 'linear' | 'log'): number {
  const positive = values.filter((each) => each > 0);
  const most = Math.max(...positive);
  if (!(value > 0) || positive.length === 0) return 0;
  if (scale === 'linear') return value / most;
  const least = Math.min(...positive) / 10;
  return Math.log(value / least) / Math.log(most / least);
}

function bars({ title, bars: all, scale }: BarChart): { svg: string; height: number } {
  const values = all.map(({ value }) => value);
  const room = WIDTH - LEFT - RIGHT;
  const rows = all.map(({ label, value, text: said, series }, row) => {
    const y = HEAD + row * (BAR + GAP);
    const width = Math.max(1, room * reach(value, values, scale));
    return (
      text(LEFT - 8, y + 13, label, 'end') +
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour(series)}"/>` +
      text(LEFT + width + 6, y + 13, said)
    );
  });
  const note = scale === 'log' ? ' (logarithmic)' : '';
  return { svg: heading(`${title}${note}`) + rows.join(''), height: HEAD + all.length * (BAR + GAP) };
}

function lines(chart: LineChart): { svg: string; height: number } {
  const { title, xLabel, series, from, to, yText, xText, ordinal } = chart;
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const left = 70;
  const room = WIDTH - left - 30;
  const first = xs[0] ?? 0;
  const last = xs.at(-1) ?? 1;
  const share = (x: number) =>
    ordinal ? xs.indexOf(x) / Math.max(1, xs.length - 1) : (x - first) / (last - first || 1);
  const xOf = (x: number) => left + room * share(x);
  const top = HEAD + LEGEND;
  const yOf = (y: number) => top + PLOT_HEIGHT * (1 - (Math.min(Math.max(y, from), to) - from) / (to - from || 1));
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = from + (to - from) * part;
    const y = yOf(value).toFixed(1);
    return `<line x1="${left}" x2="${WIDTH - 30}" y1="${y}" y2="${y}" stroke="#ddd"/>${text(left - 6, Number(y) + 4, yText(value), 'end')}`;
  });
  const marks = xs.filter((_, at) => xs.length <= 12 || at % Math.ceil(xs.length / 12) === 0);
  // The last label ends with the plot, because a long label would leave the page.
  const ticks = marks.map((x) =>
    text(xOf(x), top + PLOT_HEIGHT + 16, xText(x), x === last && xs.length > 1 ? 'end' : 'middle'),
  );
  const drawn = series.map(({ points, colour: shade }, at) => {
    // The first line is the thickest, so that it stays visible where other lines cover it.
    const thickness = 2 + (series.length - 1 - at);
    const path = points.map(([x, y]) => `${xOf(x).toFixed(1)},${yOf(y).toFixed(1)}`).join(' ');
    const dots =
      points.length > 40
        ? ''
        : points
            .map(
              ([x, y]) => `<circle cx="${xOf(x).toFixed(1)}" cy="${yOf(y).toFixed(1)}" r="3" fill="${colour(shade)}"/>`,
            )
            .join('');
    return `<polyline points="${path}" fill="none" stroke="${colour(shade)}" stroke-width="${thickness}"/>${dots}`;
  });
  let legendAt = left;
  const legend = series.map(({ label, colour: shade }) => {
    const x = legendAt;
    legendAt += 18 + label.length * LETTER + 24;
    return `<rect x="${x.toFixed(1)}" y="${HEAD - 8}" width="12" height="12" fill="${colour(shade)}"/>${text(x + 18, HEAD + 2, label)}`;
  });
  const axis = text(left + room / 2, top + PLOT_HEIGHT + 34, xLabel, 'middle');
  const svg = heading(title) + legend.join('') + grid.join('') + ticks.join('') + drawn.join('') + axis;
  return { svg, height: top + PLOT_HEIGHT + 40 };
}

function colour(series: number): string {
  return COLOURS[series % COLOURS.length] ?? '#000';
}

function heading(title: string): string {
  return `<text x="10" y="16" font-size="14" font-weight="bold">${escaped(title)}</text>`;
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
