/** The JSON log, and the levels for systemd's journal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatJson, type LogFields, type LogLevel } from '../../../../server/log/log.ts';
import { createLog, isJournalStream, type LogSink, streamSink, syslogSink } from '../../../../server/log/log-sinks.ts';
import { readText } from '../../../support/host/stream-text.ts';

const AT = new Date('2026-11-21T07:40:00.123Z');

const rows: readonly { why: string; level: LogLevel; message: string; fields: LogFields; want: object }[] = [
  {
    why: 'fields stand beside the event',
    level: 'info',
    message: 'opened',
    fields: { door: 'ssh', source: '192.0.2.7', client: 'laptop', seconds: 30 },
    want: { event: 'opened', door: 'ssh', source: '192.0.2.7', client: 'laptop', seconds: 30 },
  },
  {
    why: 'what follows the colon is the reason',
    level: 'warn',
    message: 'refused: replay',
    fields: { door: 'ssh' },
    want: { event: 'refused', reason: 'replay', door: 'ssh' },
  },
  {
    why: 'a reason of its own stays, and what follows the colon is the detail',
    level: 'error',
    message: 'not opened: the door did not move',
    fields: { reason: 'exit status 1' },
    want: { event: 'not opened', detail: 'the door did not move', reason: 'exit status 1' },
  },
  {
    why: 'a warning about the configuration is not taken apart',
    level: 'warn',
    message: '[ssh] sequence (line 3): anyone who sees one knock can repeat it',
    fields: {},
    want: { event: '[ssh] sequence (line 3): anyone who sees one knock can repeat it' },
  },
  { why: 'undefined fields are left out', level: 'info', message: 'x', fields: { y: undefined }, want: { event: 'x' } },
];

for (const { why, level, message, fields, want } of rows) {
  test(`log object: ${why}`, () => {
    const entry: unknown = JSON.parse(formatJson(level, message, fields, AT));
    assert.deepEqual(entry, { time: '2026-11-21T07:40:00.123Z', level, ...want });
  });
}

test('whatever a message and its fields hold, an object is one line of JSON without control characters', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, (message, value) => {
      const line = formatJson('info', message, { value }, AT);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      const entry = JSON.parse(line) as Record<string, unknown>;
      assert.equal(typeof entry['event'], 'string');
      assert.equal(typeof entry['value'], 'string');
    }),
  );
});

test("what is said in knockd's words is an object where the log is for programs", () => {
  const lines: string[] = [];
  const sink: LogSink = { write: (_level, line) => lines.push(line), writeKnockd: (line) => lines.push(line) };
  const said = { message: 'opened', fields: { door: 'old', source: '192.0.2.7' } };
  createLog({ sinks: [sink], verbose: false, format: 'json' }).knockd('192.0.2.7: old: OPEN SESAME', said);
  createLog({ sinks: [sink], verbose: false }).knockd('192.0.2.7: old: OPEN SESAME', said);
  const { time, ...entry } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-.*Z$/);
  assert.deepEqual(entry, { level: 'info', event: 'opened', door: 'old', source: '192.0.2.7' });
  assert.equal(lines[1], '192.0.2.7: old: OPEN SESAME');
});

test('the journal gets levels in front, and a stream of objects gets nothing', () => {
  const [journal, objects] = [new PassThrough(), new PassThrough()];
  const sink = streamSink(journal, { isJournal: true });
  sink.write('info', 'ready');
  sink.write('error', 'deaf');
  sink.writeKnockd('192.0.2.7: old: OPEN SESAME');
  assert.equal(readText(journal), '<6>ready\n<3>deaf\n<6>192.0.2.7: old: OPEN SESAME\n');
  streamSink(objects, { format: 'json' }).write('warn', '{"event":"deaf"}');
  assert.equal(readText(objects), '{"event":"deaf"}\n');
});

test('the journal is what JOURNAL_STREAM names, by device and inode, and nothing else', () => {
  const file = openSync('/dev/null', 'r');
  const { dev, ino } = fstatSync(file, { bigint: true });
  assert.equal(isJournalStream(file, `${dev}:${ino}`), true);
  for (const other of [undefined, '', `${dev}:${ino}0`, `${dev}0:${ino}`, `${dev}`, 'a:b', `${dev}:${ino}:1`]) {
    assert.equal(isJournalStream(file, other), false, other);
  }
  closeSync(file);
  assert.equal(isJournalStream(file, `${dev}:${ino}`), false);
});

test('syslog gets a datagram with facility, level and tag, by logger(1) on a real socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-log-'));
  const [socket, program] = [join(folder, 'log'), join(folder, 'logger')];
  t.after(() => rmSync(folder, { recursive: true }));
  // By default logger writes to /dev/log, which is this machine's.
  writeFileSync(program, `#!/bin/sh\nexec logger --socket ${socket} "$@"\n`, { mode: 0o700 });
  // Node has no Unix datagram sockets.
  const listen = `
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("${socket}"); s.settimeout(20)
print("bound", flush=True)
print(s.recv(1000).decode(), flush=True)`;
  const listener = spawn('python3', ['-c', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'bound');
  const sink = syslogSink(program);
  sink.write('warn', 'refused: replay');
  assert.match(String((await lines.next()).value), /^<28>.*\bknock-otpd: refused: replay$/);
  sink.close?.();
});
