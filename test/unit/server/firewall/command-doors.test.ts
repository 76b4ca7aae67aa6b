/** Command doors: what environment a command gets, and when start and stop run. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CommandFirewall } from '../../../../server/firewall/command-doors.ts';
import type { ActionDoor, DoorAction } from '../../../../server/firewall/firewall.ts';
import { type AddressKey, addressKey } from '../../../../shared/address.ts';
import { KnockError } from '../../../../shared/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'knock-otp-command-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const diary = join(directory, 'diary');
const SOURCE = keyOf('192.0.2.7');
const MINUTE = 60_000;

describe('a command door', () => {
  beforeEach(() => rmSync(diary, { force: true }));

  test('when it opens then the command sees the source, the door, a fixed path and nothing else', async () => {
    process.env['KNOCK_OTP_TEST_SECRET'] = 'hidden';
    const print = script('environment', `env | sort > "${diary}"; echo "args $*" >> "${diary}"; wc -c >> "${diary}"`);
    const firewall = new CommandFirewall();
    await firewall.open(doorOf(`${print} %IP% "two words"`), keyOf('2001:db8::7'), MINUTE);
    delete process.env['KNOCK_OTP_TEST_SECRET'];
    // PWD, SHLVL and _ come from the shell. With coverage, Node passes its variable to all children.
    const lines = readFileSync(diary, 'utf8')
      .trim()
      .split('\n')
      .filter((line) => !/^(PWD|OLDPWD|SHLVL|_|NODE_V8_COVERAGE)=/.test(line));
    assert.deepEqual(lines, [
      'KNOCK_OTP_DOOR=web',
      'KNOCK_OTP_IP=2001:db8::7',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'args 2001:db8::7 two words',
      '0',
    ]);
  });

  test('when a source is in already then start is not run again, and each close runs stop once', async () => {
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'), note('stop'));
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.close(door, SOURCE);
    await firewall.open(door, SOURCE, MINUTE);
    assert.deepEqual(noted(), ['start', 'stop', 'start']);
  });

  test('when the journal says that a source is in then start is not run', async () => {
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'), note('stop'));
    await firewall.prepare([door], [{ door: 'web', source: SOURCE, remainingMs: MINUTE }]);
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.close(door, SOURCE);
    assert.deepEqual(noted(), ['stop']);
  });

  test('when there is no stop command then closing does nothing, and opening runs start again', async () => {
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'));
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.close(door, SOURCE);
    await firewall.open(door, SOURCE, MINUTE);
    assert.deepEqual(noted(), ['start', 'start']);
  });

  test('when there is no stop command then every opening runs start, and nothing is held', async () => {
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'));
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.open(door, SOURCE, MINUTE);
    assert.deepEqual(noted(), ['start', 'start']);
    assert.deepEqual(await firewall.list(), []);
  });

  for (const [source, six, expected] of [
    ['192.0.2.7', { start6: script('start6', `echo start6 >> "${diary}"`), stop6: '' }, ['start', 'stop']],
    ['2001:db8::7', { start6: script('start6', `echo start6 >> "${diary}"`) }, ['start6', 'stop']],
    ['2001:db8::7', { stop6: script('stop6', `echo stop6 >> "${diary}"`) }, ['start', 'stop6']],
    ['2001:db8::7', { stop6: '' }, ['start', 'start']],
    ['2001:db8::7', { start6: '' }, ['stop']],
    ['2001:db8::7', {}, ['start', 'stop']],
  ] as const) {
    test(`when ${source} comes to a door with ${JSON.stringify(Object.keys(six))} for IPv6 then its commands run`, async () => {
      const firewall = new CommandFirewall();
      const door = doorWith({ start: note('start'), stop: note('stop'), ...six });
      await firewall.open(door, keyOf(source), MINUTE);
      // A second opening runs start again only if the first is not held.
      if (expected[0] === expected[1]) await firewall.open(door, keyOf(source), MINUTE);
      await firewall.close(door, keyOf(source));
      assert.deepEqual(noted(), expected);
    });
  }

  test('when a door does nothing for IPv6 then opening it for such a source runs nothing', async () => {
    const firewall = new CommandFirewall();
    const door = doorWith({ start: note('start'), stop: note('stop'), start6: '', stop6: '' });
    await firewall.prepare([door], [{ door: 'web', source: keyOf('2001:db8::7'), remainingMs: MINUTE }]);
    await firewall.open(door, keyOf('2001:db8::7'), MINUTE);
    await firewall.close(door, keyOf('2001:db8::7'));
    assert.equal(existsSync(diary), false);
  });

  test('when a door asks for a shell then the line is one, with the address in its text', async () => {
    const firewall = new CommandFirewall();
    const start = `for a in one %IP%; do echo "$a" >> '${diary}'; done; test -n "$KNOCK_OTP_IP" && echo %IP% | tr : . >> '${diary}'`;
    const door = doorWith({ start, shell: true });
    await firewall.open(door, keyOf('2001:db8::7'), MINUTE);
    assert.deepEqual(noted(), ['one', '2001:db8::7', '2001.db8..7']);
    await assert.rejects(firewall.prepare([doorWith({ start: '-x', shell: true })], []), { code: 'CONFIG_INVALID' });
    await assert.rejects(firewall.prepare([doorWith({ start: ' ', shell: true })], []), { code: 'CONFIG_INVALID' });
  });

  test('when a command runs as another user then it has his rights, groups and name, and none of ours', async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('only root can become another user');
      return;
    }
    const firewall = new CommandFirewall();
    writeFileSync(diary, '');
    chmodSync(diary, 0o666);
    chmodSync(directory, 0o755);
    const line = `{ id -un; id -Gn; echo $USER $LOGNAME; grep CapEff /proc/self/status; } >> '${diary}'`;
    await firewall.open(doorWith({ start: line, shell: true, runAs: 'nobody' }), SOURCE, MINUTE);
    assert.deepEqual(noted(), ['nobody', 'nogroup', 'nobody nobody', 'CapEff:\t0000000000000000']);
  });

  for (const runAs of ['no-such-user-here', '-x', '0', 'root:root', '']) {
    test(`when it is to run as ${JSON.stringify(runAs)} then nothing runs`, async () => {
      const firewall = new CommandFirewall();
      const door = doorWith({ start: note('start'), stop: note('stop'), runAs });
      await assert.rejects(firewall.open(door, SOURCE, MINUTE), {
        code: 'COMMAND',
        message: /could not be started as/,
      });
      assert.equal(existsSync(diary), false);
      assert.deepEqual(await firewall.list(), []);
    });
  }

  test('when start fails then it rejects with status and clean, bounded words, and stop undoes what was done', async () => {
    const noise = `printf 'no\\033[2J such\\nchain %%s\\n'`;
    const fail = script(
      'fail',
      `echo start >> "${diary}"; ${noise} >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3`,
    );
    const firewall = new CommandFirewall();
    const door = doorOf(`${fail} %IP%`, note('stop'));
    await assert.rejects(firewall.open(door, SOURCE, MINUTE), (error) => {
      assert(error instanceof KnockError && error.code === 'COMMAND');
      assert.match(error.message, /ended with status 3: no \[2J such chain %s x+\.\.\.$/);
      assert(error.message.length < 1000);
      return true;
    });
    assert.deepEqual(noted(), ['start', 'stop']);
    assert.deepEqual(await firewall.list(), []);
  });

  test('when start cannot be run at all then it rejects, and stop is not run', async () => {
    const firewall = new CommandFirewall();
    await assert.rejects(firewall.open(doorOf('/nonexistent/program %IP%', note('stop')), SOURCE, MINUTE), {
      code: 'COMMAND',
      message: /could not be started/,
    });
    assert.equal(existsSync(diary), false);
  });

  test('when stop fails then it rejects, and the next opening stops first', async () => {
    const broken = join(directory, 'broken');
    const stop = script('stop-unless-broken', `echo stop >> "${diary}"; test ! -e "${broken}"`);
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'), stop);
    await firewall.open(door, SOURCE, MINUTE);
    writeFileSync(broken, '');
    await assert.rejects(firewall.close(door, SOURCE), { code: 'COMMAND' });
    await assert.rejects(firewall.open(door, SOURCE, MINUTE), { code: 'COMMAND' });
    rmSync(broken);
    await firewall.open(door, SOURCE, MINUTE);
    assert.deepEqual(noted(), ['start', 'stop', 'stop', 'stop', 'start']);
  });

  test('when a command takes too long then it and all that it started are killed', async () => {
    const hang = script('hang', `sleep 600 & echo $! > "${diary}"; wait`);
    const firewall = new CommandFirewall({ timeoutMs: 500 });
    await assert.rejects(firewall.open(doorOf(hang), SOURCE, MINUTE), {
      code: 'COMMAND',
      message: /did not end within 500 ms/,
    });
    const pid = Number(readFileSync(diary, 'utf8'));
    assert(pid > 1);
    await gone(pid);
  });

  test('when a command leaves work in the background then opening does not wait for it', async () => {
    const leave = script('leave', `sleep 600 & echo $! > "${diary}"`);
    const firewall = new CommandFirewall({ timeoutMs: 5000 });
    await firewall.open(doorOf(leave), SOURCE, MINUTE);
    const pid = Number(readFileSync(diary, 'utf8'));
    assert(isRunning(pid));
    process.kill(pid, 'SIGKILL');
  });

  test('when many sources close at once then all stops run, a few at a time', async () => {
    const running = join(directory, 'running');
    const count = script(
      'count',
      `echo x >> "${running}.$$"; ls "${running}".* | wc -l >> "${diary}"; sleep 0.05; rm "${running}.$$"`,
    );
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'), count);
    await Promise.all(Array.from({ length: 30 }, (_, n) => firewall.close(door, keyOf(`192.0.2.${n}`))));
    const counts = noted().map(Number);
    assert.equal(counts.length, 30);
    assert(Math.max(...counts) <= 8, `${Math.max(...counts)} at once`);
  });

  test('when it is released then every source that is in is stopped once', async () => {
    const firewall = new CommandFirewall();
    const door = doorOf(note('start'), note('stop'));
    await firewall.open(door, SOURCE, MINUTE);
    await firewall.release();
    await firewall.release();
    assert.deepEqual(noted(), ['start', 'stop']);
  });
});

function keyOf(text: string): AddressKey {
  const key = addressKey(text);
  assert(key !== undefined);
  return key;
}

function doorOf(start: string, stop?: string): ActionDoor {
  return { name: 'web', action: { kind: 'command', start, ...(stop === undefined ? {} : { stop }) } };
}

function doorWith(action: Omit<Extract<DoorAction, { kind: 'command' }>, 'kind'>): ActionDoor {
  return { name: 'web', action: { kind: 'command', ...action } };
}

function script(name: string, body: string): string {
  const file = join(directory, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

function note(word: string): string {
  return script(word, `echo ${word} >> "${diary}"`);
}

function noted(): readonly string[] {
  return readFileSync(diary, 'utf8').trim().split('\n');
}

/** Waits: SIGKILL reaches the group at once, but each process ends only when it is scheduled. */
async function gone(pid: number): Promise<void> {
  const limit = performance.now() + 3000;
  while (isRunning(pid)) {
    assert(performance.now() < limit, `process ${pid} of the killed command still runs`);
    await setImmediate();
  }
}

/** Whether the process runs: a killed process that waits for its parent (a zombie) does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
