/**
 * Renders one frame of `knock-otpd watch`: the daemon's status as lines that fit a terminal of any size. Pure;
 * `watch-command.ts` draws the frames.
 */
import { createColors } from 'picocolors';
import type { Status } from '../daemon/status.ts';
import { describeService } from '../demand/service-text.ts';

export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

/** The counters of the frame before, for rates. */
export interface Earlier {
  readonly counters: Status['counters'];
  readonly atMs: number;
}

type Paint = (text: string) => string;
type Row = readonly [text: string, paint?: Paint];

/** At most `rows` lines of at most `columns` characters; `nowMs` is Unix milliseconds. */
export function renderFrame(status: Status, nowMs: number, size: FrameSize, earlier?: Earlier): readonly string[] {
  const { red, green, bold, dim } = createColors(size.color);
  const { counters } = status;
  const head: Row[] = [
    [
      `knock-otpd ${status.version} as ${status.server}: ${status.healthy ? 'healthy' : 'NOT HEALTHY'}`,
      status.healthy ? bold : red,
    ],
  ];
  if (!status.guardStands) head.push(['the guard is MISSING: ports may be open to everyone', red]);
  if (!status.clockTrusted) head.push(['the clock stands before a time already seen: totp doors refuse', red]);
  for (const { interface: name, state, reason, dropped } of status.interfaces) {
    const isFine = state === 'listening';
    head.push([
      `${name}: ${state}${reason === undefined ? '' : `, ${reason}`}, ${dropped} dropped`,
      isFine ? dim : red,
    ]);
  }
  const rate = (key: string): string => {
    const seconds = earlier === undefined ? 0 : (nowMs - earlier.atMs) / 1000;
    if (seconds <= 0) return '';
    return ` (${Math.round(((counters[key] ?? 0) - (earlier?.counters[key] ?? 0)) / seconds)}/s)`;
  };
  const number = (key: string): number => counters[key] ?? 0;
  head.push(
    [
      `packets ${number('packets')}${rate('packets')}  strays ${number('strays')}${rate('strays')}  attempts now ${number('attempts')}`,
    ],
    [`opened ${number('opened')}  refused ${number('refused')}${reasons(status)}  failed ${number('failed')}`],
  );
  const doors = status.doors.map(({ name, mode, clients, linesLeft, openFor }): Row => {
    const left = linesLeft === undefined ? '' : `, ${linesLeft} sequences left`;
    const who = mode === 'static' || mode === 'file' ? '' : `, ${clients} clients`;
    return [
      `  ${name}  ${mode}${who}${left}, open for ${openFor}`,
      linesLeft === 0 ? red : openFor > 0 ? green : undefined,
    ] as Row;
  });
  const services = status.services.map((service): Row => [`  ${service.door}  ${describeService(service, nowMs)}`]);
  const grants = status.grants.map(
    ({ door, source, client, remainingSeconds }): Row => [
      `  ${`${remainingSeconds} s`.padStart(7)}  ${door}  ${source}${client === '' ? '' : `  ${client}`}`,
      green,
    ],
  );
  const clients = status.clients
    .toSorted((a, b) => (b.lastUse ?? 0) - (a.lastUse ?? 0))
    .map(({ name, door, lastUse, drift }): Row => {
      const when = lastUse === undefined ? 'never' : `${span(nowMs - lastUse)} ago`;
      return [`  ${name}  ${door}  ${when}${drift === 0 ? '' : `  drift ${drift > 0 ? '+' : ''}${drift}`}`];
    });
  const sections = [
    { title: 'doors', rows: doors },
    { title: 'services', rows: services },
    { title: 'open now', rows: grants },
    { title: 'last use', rows: clients },
  ];
  const rows = fit(head, sections, Math.max(size.rows, 1), bold, dim);
  return rows.map(([text, paint = (plain: string) => plain]) => paint(cut(text, Math.max(size.columns, 1))));
}

/** The head first; the sections share the remaining rows, and each shows how many of its rows are left out. */
function fit(
  head: readonly Row[],
  sections: readonly { readonly title: string; readonly rows: readonly Row[] }[],
  limit: number,
  bold: Paint,
  dim: Paint,
): readonly Row[] {
  const fitted: Row[] = [...head];
  const filled = sections.filter(({ rows }) => rows.length > 0);
  for (const [at, { title, rows }] of filled.entries()) {
    // Keeps room for a blank line, a title and one row of each later section.
    const later = (filled.length - at - 1) * 3;
    const room = limit - fitted.length - 2 - later;
    if (room < 1) continue;
    fitted.push([''], [title, bold]);
    if (rows.length <= room) fitted.push(...rows);
    else fitted.push(...rows.slice(0, room - 1), [`  and ${rows.length - room + 1} more`, dim]);
  }
  return fitted.slice(0, limit);
}

function reasons({ refusals }: Status): string {
  const parts = Object.entries(refusals).map(([reason, count]) => `${reason} ${count}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}~`;
}

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
