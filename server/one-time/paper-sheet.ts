/**
 * Sequences on paper, for users who knock from a machine that is not theirs: numbered, with a box to tick, as plain
 * text and as HTML to print. Pure; the HTML page loads no other files.
 */
import { formatKnock, type Knock } from '../../shared/knock.ts';

export interface Sheet {
  /** The host to knock at and the door that opens; each may be empty. */
  readonly host: string;
  readonly door: string;
  readonly sequences: readonly (readonly Knock[])[];
  /** Lines on a page if the knocks of each line fit into one row; a page has fewer lines if they do not. */
  readonly linesPerPage: number;
}

const BOX = '[ ]';
const FORM_FEED = '\f';
/** Knocks in one row, after the box and the number. */
const TCP_COLUMNS = 9;
const MIXED_COLUMNS = 6;

interface Page {
  readonly number: number;
  readonly of: number;
  readonly lines: readonly { readonly number: number; readonly rows: readonly (readonly string[])[] }[];
}

/** Plain text of at most 80 columns, with a form feed between pages. */
export function textSheet(sheet: Sheet): string {
  const width = Math.max(...sheet.sequences.flat().map((knock) => formatKnock(knock).length), 1);
  const digits = String(sheet.sequences.length).length;
  const indent = ' '.repeat(BOX.length + digits + 4);
  return pagesOf(sheet)
    .map(({ number, of, lines }) => {
      const head = [`${titleOf(sheet)}    page ${number} of ${of}`, ...RULES.map((rule) => `  ${rule}`), ''];
      const body = lines.map(({ number: line, rows }) => {
        const start = `${BOX}  ${String(line).padStart(digits)}  `;
        return rows
          .map(
            (row, at) =>
              (at === 0 ? start : indent) +
              row
                .map((knock) => knock.padEnd(width))
                .join(' ')
                .trimEnd(),
          )
          .join('\n');
      });
      return `${[...head, ...body].join('\n')}\n`;
    })
    .join(FORM_FEED);
}

/** One HTML document that prints each page of lines on one sheet (A4 or Letter). */
export function htmlSheet(sheet: Sheet): string {
  const title = escapeHtml(titleOf(sheet));
  const pages = pagesOf(sheet).map(({ number, of, lines }) => {
    const rows = lines.map(({ number: line, rows: knocks }) => {
      const cells = knocks.flat().map((knock) => `<b>${knock.replace(':udp', '<i>:udp</i>')}</b>`);
      return `<li><span class="box"></span><span class="no">${line}</span><span class="knocks">${cells.join('')}</span></li>`;
    });
    return `<section>
<header><h1>${title}</h1><p class="page">${number} / ${of}</p></header>
<p class="rules">${RULES.join(' ')}</p>
<ol>
${rows.join('\n')}
</ol>
</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${style(columnsOf(sheet))}</style>
</head>
<body>
${pages.join('\n')}
</body>
</html>
`;
}

const RULES = [
  'Knock from left to right; :udp is a UDP packet, the rest are TCP.',
  'Use the lines from the top. Tick one off before you knock: each opens once.',
  'Keep this sheet like a key.',
];

function titleOf({ host, door }: Sheet): string {
  const what = [host, door].filter((part) => part !== '').join(' \u00b7 ');
  return what === '' ? 'One-time knocks' : what;
}

function columnsOf({ sequences }: Sheet): number {
  return sequences.flat().some(({ protocol }) => protocol === 'udp') ? MIXED_COLUMNS : TCP_COLUMNS;
}

function pagesOf(sheet: Sheet): Page[] {
  const columns = columnsOf(sheet);
  const longest = Math.max(...sheet.sequences.map((sequence) => sequence.length), 1);
  const perPage = Math.max(1, Math.floor(sheet.linesPerPage / Math.ceil(longest / columns)));
  const lines = sheet.sequences.map((sequence, at) => ({ number: at + 1, rows: rowsOf(sequence, columns) }));
  const of = Math.max(1, Math.ceil(lines.length / perPage));
  return Array.from({ length: of }, (_, at) => ({
    number: at + 1,
    of,
    lines: lines.slice(at * perPage, (at + 1) * perPage),
  }));
}

function rowsOf(sequence: readonly Knock[], columns: number): string[][] {
  const rows: string[][] = [];
  for (let at = 0; at < sequence.length; at += columns) {
    rows.push(sequence.slice(at, at + columns).map(formatKnock));
  }
  return rows;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** The style sheet. A rule below every fifth line guides the eye from the box to the last knock. */
function style(columns: number): string {
  return `
@page { margin: 14mm 15mm; }
* { box-sizing: border-box; margin: 0; padding: 0; }
body { color: #111; font: 9.5pt/1.35 system-ui, "Helvetica Neue", Arial, sans-serif; max-width: 180mm; margin: 0 auto; }
section { break-after: page; }
section:last-child { break-after: auto; }
header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 0.6mm solid #111; }
h1 { font-size: 17pt; font-weight: 650; overflow-wrap: anywhere; }
.page { font-size: 11pt; white-space: nowrap; padding-left: 6mm; }
.rules { color: #444; padding: 1.6mm 0 3mm; }
ol { list-style: none; }
li { display: flex; align-items: flex-start; padding: 0.5mm 0; break-inside: avoid; }
li:nth-child(5n) { border-bottom: 0.2mm solid #999; }
.box { flex: none; width: 3.6mm; height: 3.6mm; border: 0.3mm solid #111; margin: 0.5mm 4mm 0 1mm; }
.no { flex: none; width: 12mm; color: #555; text-align: right; padding-right: 5mm; font-variant-numeric: tabular-nums; }
.knocks { flex: 1; display: grid; grid-template-columns: repeat(${columns}, 1fr); }
.knocks b { font: 600 11pt/4.4mm ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.knocks i { font: 400 8pt/1 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
@media screen { body { padding: 10mm; } section { margin-bottom: 14mm; } }
`;
}
