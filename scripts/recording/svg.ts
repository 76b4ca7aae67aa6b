/**
 * Draws a recording as an animated SVG: a terminal window that scrolls, with lines that appear at their times. Pure: the
 * same recording gives the same picture. Without animation (prefers-reduced-motion, or a viewer that cannot animate) the
 * picture shows its last frame.
 */
import { type Row, type Span, spansOf, wrapped } from './terminal-rows.ts';
import type { TimedLine } from './timed-lines.ts';

export interface Picture {
  /** The text on the bar of the window, and the title for screen readers. */
  readonly title: string;
  readonly description: string;
  /** The command; it is visible from the start. */
  readonly command: string;
  readonly columns: number;
  /** The number of rows that are visible at once. */
  readonly height: number;
  /** Milliseconds for which the last frame stays before the recording starts again. */
  readonly hold: number;
}

interface PlacedLine {
  readonly at: number;
  readonly rows: readonly Row[];
  /** The first row of the line. */
  readonly top: number;
}

const FONT = 15;
/** The width of a letter in the widest of the fonts. */
const LETTER = FONT * 0.603;
const LINE = 21;
const BAR = 34;
const MARGIN = 18;

/** Colours of a terminal: [text, dim text, window, border, and the colours 1 to 7]. */
const LIGHT = ['#1f2328', '#57606a', '#f6f8fa', '#8c959f'];
const LIGHT_COLOURS = ['#cf222e', '#116329', '#7d4e00', '#0550ae', '#8250df', '#1b5f7c', '#1f2328'];
const DARK = ['#f0f6fc', '#a8b1bb', '#161b22', '#6e7681'];
const DARK_COLOURS = ['#ff7b72', '#56d364', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#f0f6fc'];

export function renderRecording(lines: readonly TimedLine[], picture: Picture): string {
  const placed = place([{ at: 0, text: `$ ${picture.command}` }, ...lines], picture.columns);
  const total = Math.max(1, (placed.at(-1)?.at ?? 0) + picture.hold);
  const width = Math.ceil(picture.columns * LETTER) + 2 * MARGIN;
  const inside = picture.height * LINE;
  const height = BAR + inside + MARGIN;
  const times = [...new Set(placed.map(({ at }) => at))].filter((at) => at > 0);
  const body = placed.map((line) => lineOf(line, times.indexOf(line.at)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"` +
      ` role="img" aria-labelledby="title desc" xml:space="preserve">`,
    `<title id="title">${escaped(picture.title)}</title>`,
    `<desc id="desc">${escaped(picture.description)}</desc>`,
    `<style>${styleOf(placed, times, total, picture.height)}</style>`,
    `<rect class="w" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...[0, 1, 2].map((at) => `<circle class="o" cx="${MARGIN + 6 + at * 18}" cy="${BAR / 2}" r="5.5"/>`),
    `<text class="d" x="${width / 2}" y="${BAR / 2 + 5}" text-anchor="middle">${escaped(picture.title)}</text>`,
    `<clipPath id="v"><rect x="0" y="0" width="${width - 2 * MARGIN}" height="${inside}"/></clipPath>`,
    `<g transform="translate(${MARGIN} ${BAR})" clip-path="url(#v)"><g class="s">`,
    ...body,
    '</g></g>',
    '</svg>\n',
  ].join('\n');
}

function place(lines: readonly TimedLine[], columns: number): readonly PlacedLine[] {
  let top = 0;
  return lines.map(({ at, text }) => {
    const rows = wrapped(spansOf(text), columns);
    const line = { at, rows, top };
    top += rows.length;
    return line;
  });
}

/** Each line is a group and each row a text: the texts of a group, joined, are the original line. */
function lineOf({ rows, top }: PlacedLine, time: number): string {
  const texts = rows.map(({ indent, spans }, at) => {
    const x = indent === 0 ? '' : ` x="${fixed(indent * LETTER)}"`;
    return `<text${x} y="${(top + at) * LINE + FONT}">${spans.map(spanOf).join('')}</text>`;
  });
  return `<g${time < 0 ? '' : ` class="k${time}"`}>${texts.join('')}</g>`;
}

function spanOf({ text, bold, dim, colour }: Span): string {
  const names = [...(bold ? ['b'] : []), ...(dim ? ['d'] : []), ...(colour === undefined ? [] : [`c${colour}`])];
  return names.length === 0 ? escaped(text) : `<tspan class="${names.join(' ')}">${escaped(text)}</tspan>`;
}

/** Everything is visible unless an animation hides it; only viewers that allow motion get animations. */
function styleOf(placed: readonly PlacedLine[], times: readonly number[], total: number, height: number): string {
  const scrollAt = (at: number) => {
    const used = placed.filter((line) => line.at <= at).reduce((sum, { rows }) => sum + rows.length, 0);
    return `transform:translateY(${Math.min(0, height - used) * LINE}px)`;
  };
  const share = (at: number) => `${fixed((at / total) * 100)}%`;
  const scroll = [0, ...times].map((at) => `${share(at)}{${scrollAt(at)}}`);
  const hides = times.map((at, index) => `@keyframes k${index}{0%{opacity:0}${share(at)}{opacity:1}}`);
  const runs = times.map((_, index) => `.k${index}{animation-name:k${index}}`);
  const moving = `${total}ms step-end infinite`;
  return [
    `text{font:${FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}`,
    `.b{font-weight:bold}.s{${scrollAt(total)}}`,
    coloursOf(LIGHT, LIGHT_COLOURS),
    `@media(prefers-color-scheme:dark){${coloursOf(DARK, DARK_COLOURS)}}`,
    `@media(prefers-reduced-motion:no-preference){.s{animation:s ${moving}}[class^=k]{animation:${moving}}${runs.join('')}}`,
    `@keyframes s{${scroll.join('')}}`,
    ...hides,
  ].join('\n');
}

function coloursOf([text, dim, window, border]: readonly string[], colours: readonly string[]): string {
  const fills = colours.map((colour, at) => `.c${at + 1}{fill:${colour}}`).join('');
  return `text{fill:${text}}.d{fill:${dim}}.w{fill:${window};stroke:${border}}.o{fill:${border}}${fills}`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(2)));
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
