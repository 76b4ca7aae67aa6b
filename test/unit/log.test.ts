import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLine } from '../../server/log.ts';
import { createLogLimit } from '../../server/log-limit.ts';
import { createLog, fileSink, type LogSink, streamSink, syslogSink } from '../../server/log-sinks.ts';

const rows = [
  {
    why: 'fields follow the sentence',
    line: formatLine('opened', { door: 'ssh', seconds: 30 }),
    want: 'opened door=ssh seconds=30',
  },
  { why: 'words with blanks are quoted', line: formatLine('x', { reason: 'no room' }), want: 'x reason="no room"' },
  { why: 'undefined fields are left out', line: formatLine('x', { reason: undefined, up: true }), want: 'x up=true' },
  { why: 'a quote cannot end a value', line: formatLine('x', { reason: 'a" b=c' }), want: 'x reason="a\\" b=c"' },
  { why: 'IPv6 needs no quotes', line: formatLine('x', { source: '2001:db8::1' }), want: 'x source=2001:db8::1' },
];

for (const { why, line, want } of rows) {
  test(`log line: ${why}`, () => assert.equal(line, want));
}

test('whatever a message and its fields hold, a line is one line without control characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, value) => {
      const line = formatLine(message, { value });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    }),
  );
});

test('debug lines are written only when asked for', () => {
  const lines: string[] = [];
  const sink: LogSink = {
    write: (level, line) => lines.push(`${level} ${line}`),
    writeKnockd: (line) => lines.push(line),
  };
  createLog({ sinks: [sink], verbose: false }).debug('hidden');
  createLog({ sinks: [sink], verbose: true }).debug('shown');
  assert.deepEqual(lines, ['debug shown']);
});

test('a stream gets the prefix, and the level where it matters', () => {
  const stream = new PassThrough();
  const sink = streamSink(stream);
  sink.write('info', 'ready');
  sink.write('error', 'deaf');
  sink.writeKnockd('192.0.2.7: openSSH: Stage 1');
  const said = 'knock-otpd: ready\nknock-otpd: error: deaf\n192.0.2.7: openSSH: Stage 1\n';
  assert.equal(stream.read().toString(), said);
});

test('a log file is made for its owner and group, appended to, and opened again after a rotation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-log-'));
  const path = join(folder, 'knock.log');
  const sink = fileSink(path);
  sink.write('info', 'one');
  renameSync(path, `${path}.1`);
  sink.write('info', 'two');
  assert.ok(!existsSync(path));
  sink.reopen?.();
  sink.write('warn', 'three');
  sink.writeKnockd('192.0.2.7: openSSH: OPEN SESAME');
  sink.close?.();
  assert.match(readFileSync(`${path}.1`, 'utf8'), /^\S+Z info one\n\S+Z info two\n$/);
  assert.match(
    readFileSync(path, 'utf8'),
    /^\S+Z warn three\n\[\d{4}-\d\d-\d\d \d\d:\d\d\] 192\.0\.2\.7: openSSH: OPEN SESAME\n$/,
  );
  assert.equal(statSync(path).mode & 0o137, 0);
  rmSync(folder, { recursive: true });
});

test('syslog gets whole lines with their priority through one logger', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-log-'));
  const [program, seen] = [join(folder, 'logger'), join(folder, 'seen')];
  // Stands in for logger(1): there is no syslog to write to here.
  writeFileSync(program, `#!/bin/sh\necho "$@" > ${seen}.new\ncat >> ${seen}.new\nmv ${seen}.new ${seen}\n`, {
    mode: 0o700,
  });
  const sink = syslogSink(program);
  sink.write('info', 'ready');
  sink.write('error', 'deaf');
  sink.close?.();
  while (!existsSync(seen)) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(readFileSync(seen, 'utf8'), '--tag knock-otpd --prio-prefix\n<30>ready\n<27>deaf\n');
  rmSync(folder, { recursive: true });
});

test('when there is no logger then lines are lost and nothing else', async () => {
  const sink = syslogSink('/nonexistent/logger');
  sink.write('info', 'lost');
  await new Promise((resolve) => setImmediate(resolve));
  sink.write('info', 'lost too');
  sink.close?.();
});

test('a full disk loses the line and nothing else', { skip: !existsSync('/dev/full') && 'no /dev/full here' }, () => {
  const sink = fileSink('/dev/full');
  sink.write('info', 'lost');
  sink.close?.();
});

test('of one kind a few lines a minute pass, and the rest is counted once the minute is over', () => {
  const limit = createLogLimit(2);
  const passed = [1, 2, 3, 4, 5].map((ms) => limit.allow('replay ssh', ms));
  assert.deepEqual(passed, [true, true, false, false, false]);
  assert.equal(limit.allow('replay web', 6), true);
  assert.deepEqual(limit.drain(100), []);
  assert.deepEqual(limit.drain(60_001), [{ key: 'replay ssh', suppressed: 3 }]);
  assert.equal(limit.allow('replay ssh', 60_002), true);
});

test('a flood of kinds is bounded: beyond the limit they share one bucket', () => {
  const limit = createLogLimit(1);
  let passed = 0;
  for (let kind = 0; kind < 100_000; kind += 1) if (limit.allow(`kind ${kind}`, 1)) passed += 1;
  assert.ok(passed <= 1_001, `${passed} lines`);
});
