/** The notify_command: runs for the configured events, with plain words, at a limited rate, and without delaying the daemon. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '../../../../server/log/log-sinks.ts';
import { Notifier, type NotifierOptions, notifyEvents } from '../../../../server/log/notify-command.ts';
import { doorText, readText } from '../../../support/core/config-text.ts';

async function notified(
  use: (notifier: Notifier, told: (count: number) => Promise<string[]>) => Promise<void>,
  options: Partial<NotifierOptions> = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'knock-otp-notify-'));
  const [program, seen] = [join(folder, 'tell'), join(folder, 'seen')];
  writeFileSync(seen, '');
  writeFileSync(program, `#!/bin/sh\ncase $2 in hang) sleep 60;; fail) exit 3;; esac\necho "$# $*" >> ${seen}\n`);
  chmodSync(program, 0o700);
  const notifier = new Notifier({
    ...{ command: `${program} %EVENT% %DOOR% %IP% %CLIENT% %REASON%`, shell: false },
    ...{ events: notifyEvents, onFailure: (error) => assert.fail(String(error)), onSuppressed: () => undefined },
    ...options,
  });
  const told = async (count: number) => {
    for (;;) {
      const lines = readFileSync(seen, 'utf8').split('\n').slice(0, -1);
      if (lines.length >= count) return lines;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  try {
    await use(notifier, told);
  } finally {
    notifier.stop();
    rmSync(folder, { recursive: true });
  }
}

const opened = { message: 'opened', fields: { door: 'ssh', source: '192.0.2.7', client: 'laptop', seconds: 30 } };

test('what is logged of doors and trouble is told in words, in its order, and other entries are not', async () => {
  await notified(async ({ tell }, told) => {
    tell(opened);
    tell({ message: 'ready', fields: {} });
    tell({ message: 'refused: replay', fields: { door: 'ssh', source: '2001:db8::7', client: 'laptop' } });
    tell({ message: 'contested: two sources know one sequence', fields: { door: 'ssh' } });
    tell({ message: 'the one-time sequences are used up: this door stays shut', fields: { door: 'old', left: 0 } });
    tell({ message: 'deaf', fields: { interface: 'eth0', reason: 'the interface is down' } });
    assert.deepEqual(await told(5), [
      '5 open ssh 192.0.2.7 laptop -',
      '5 refuse ssh 2001:db8::7 laptop replay',
      '5 contested ssh - - two_sources_know_one_sequence',
      '5 exhausted old - - this_door_stays_shut',
      '5 capture-down eth0 - - the_interface_is_down',
    ]);
  });
});

test('only what is asked for is told', async () => {
  await notified(
    async ({ tell }, told) => {
      tell({ message: 'refused: replay', fields: { door: 'ssh' } });
      tell(opened);
      assert.deepEqual(await told(1), ['5 open ssh 192.0.2.7 laptop -']);
    },
    { events: ['open'] },
  );
});

test('no value is more than a word, to a program or to a shell', async () => {
  const nasty = { door: '$(id); rm -rf / &', source: '-n', client: 'a\'b"c`d\u001b[2J\n', reason: '| mail' };
  for (const shell of [false, true]) {
    await notified(
      async ({ tell }, told) => {
        tell({ message: 'refused: replay', fields: nasty });
        const [line] = await told(1);
        assert.equal(line, '5 refuse __id___rm_-rf_/__ _n a_b_c_d__2J_ __mail');
      },
      { shell },
    );
  }
});

test('so many are told a minute, few wait, and the rest is counted', async () => {
  let suppressed = 0;
  await notified(
    async (notifier, told) => {
      for (let at = 0; at < 1_000; at += 1) notifier.tell(opened);
      assert.equal((await told(5)).length, 5);
      notifier.stop();
      assert.equal(suppressed, 995);
    },
    {
      perMinute: 5,
      onSuppressed: (count) => {
        suppressed += count;
      },
    },
  );
});

test('a command that hangs is killed, and neither it nor one that fails keeps what comes after from being told', async () => {
  const failures: string[] = [];
  await notified(
    async ({ tell }, told) => {
      tell({ message: 'closed', fields: { door: 'hang' } });
      tell({ message: 'closed', fields: { door: 'fail' } });
      tell({ message: 'closed', fields: { door: 'ssh' } });
      assert.deepEqual(await told(1), ['5 close ssh - - -']);
      assert.match(failures[0] ?? '', /did not end within 200 ms and was killed/);
      assert.match(failures[1] ?? '', /ended with status 3/);
    },
    { timeoutMs: 200, onFailure: (error) => failures.push(String(error)) },
  );
});

test('the log tells it, and what the log holds back is not told', () => {
  const told: string[] = [];
  const log = createLog({ sinks: [], verbose: false, onEntry: ({ message }) => told.push(message) });
  log.debug('hidden');
  log.warn('refused: replay', { door: 'ssh' });
  log.knockd('192.0.2.7: old: OPEN SESAME', { message: 'opened', fields: { door: 'old' } });
  assert.deepEqual(told, ['refused: replay', 'opened']);
});

const problems: readonly { why: string; lines: string; says: RegExp }[] = [
  { why: 'a shell is needed and not asked for', lines: 'notify_command = a | b', says: /needs? one/ },
  {
    why: 'an event does not exist',
    lines: 'notify_command = a\nnotify_events = open, opn',
    says: /"opn" is not an event/,
  },
  { why: 'events are named and no command', lines: 'notify_events = open', says: /there is no notify_command/ },
  { why: 'a quote is not closed', lines: 'notify_command = a "b', says: /cannot be split into words/ },
];
for (const { why, lines, says } of problems) {
  test(`the configuration is refused when ${why}, and the command is not quoted`, () => {
    const read = readText(`[options]\n${lines}\n${doorText('ssh')}`);
    assert.equal(read.problems.length, 1);
    assert.match(read.problems[0]?.message ?? '', says);
  });
}
