import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { formatLine } from '../../../../server/log/log.ts';
import { createLogLimit } from '../../../../server/log/log-limit.ts';
import { createLog, fileSink, type LogSink, streamSink, syslogSink } from '../../../../server/log/log-sinks.ts';
import { memoryInUse } from '../../../support/host/memory.ts';
import { readText } from '../../../support/host/stream-text.ts';

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
  assert.equal(readText(stream), said);
});

test('a log file is made for its owner and group, appended to, and opened again after a rotation', async () => {
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
  await sink.close?.();
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
  // Replaces logger(1), because this machine may have no syslog.
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

test('a full disk loses the line and nothing else', {
  skip: !existsSync('/dev/full') && 'no /dev/full here',
}, async () => {
  const sink = fileSink('/dev/full');
  sink.write('info', 'lost');
  await sink.close?.();
});

test('when nobody reads a FIFO that is to be the log then that is an error at once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-log-'));
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  assert.throws(() => fileSink(fifo), { code: 'ENXIO' });
  rmSync(folder, { recursive: true });
});

for (const format of ['text', 'json'] as const) {
  test(`when a log takes no more for a while then nobody waits, what is kept is bounded, and what is missing is counted (${format})`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'knock-otp-log-'));
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    // A reader that does not read: the FIFO takes 64 KiB and no more.
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const sink = fileSink(fifo, format);
    const line = (at: number) =>
      format === 'json' ? `{"at":${at},"x":"${'x'.repeat(500)}"}` : `at=${at} ${'x'.repeat(500)}`;
    const from = performance.now();
    const memory = memoryInUse('heapUsed');
    for (let at = 0; at < 100_000; at += 1) sink.write('info', line(at));
    assert.ok(performance.now() - from < 5000, 'who writes must not wait');
    assert.ok(memoryInUse('heapUsed') - memory < 50_000_000, 'what waits is bounded');
    const until = Date.now() + 20_000;
    let said = '';
    const chunk = Buffer.alloc(65_536);
    const read = () => {
      try {
        said += chunk.toString('utf8', 0, readSync(reader, chunk));
      } catch {
        // EAGAIN: nothing there now
      }
    };
    // From now on the FIFO is read, and one more line brings the count.
    while (!/could not be written/.test(said)) {
      assert.ok(Date.now() < until, said.slice(-300));
      read();
      await new Promise((resolve) => setTimeout(resolve, 20));
      sink.write('info', line(-1));
    }
    const closed = sink.close?.();
    for (let isClosed = false; !isClosed; read())
      isClosed = (await Promise.race([closed?.then(() => true), sleep(5, false)])) === true;
    read();
    closeSync(reader);
    const lost = [...said.matchAll(/lines"?[=:](\d+)/g)].reduce((sum, [, lines]) => sum + Number(lines), 0);
    const whole = said
      .split('\n')
      .filter((one) => (format === 'json' ? /^\{"at":\d.*\}$/ : /^\S+Z info at=\d+ x{500}$/).test(one)).length;
    assert.ok(lost > 50_000, `${lost} lost`);
    // When a batch is refused in the middle, all its lines count as lost, though some were written.
    assert.ok(whole + lost >= 100_000, `${whole} there, ${lost} lost`);
    rmSync(folder, { recursive: true });
  });
}

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
