/** The messages to the service manager, received on a real datagram socket. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { connectServiceManager, socketAddress, watchdogPauseMs } from '../../../../server/service/service-manager.ts';

const root = mkdtempSync(join(tmpdir(), 'knock-otp-notify-'));
after(() => rmSync(root, { recursive: true }));

/** The manager's socket: Node cannot receive on a datagram socket, but perl can. */
async function manager(path: string): Promise<{ readonly next: () => Promise<string>; readonly end: () => void }> {
  const script = `use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die;
    $| = 1; print "bound\\n"; while (1) { recv($s, my $m, 4096, 0); $m =~ s/\\n/|/g; print "$m\\n"; }`;
  const child = spawn('perl', ['-e', script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  assert.equal(await next(), 'bound');
  return {
    next,
    end: () => {
      child.kill();
      void once(child, 'close');
    },
  };
}

test('when a manager asks then it hears that we are ready, that we live, and that we stop', async () => {
  const path = join(root, 'notify');
  const { next, end } = await manager(path);
  try {
    const environment: NodeJS.ProcessEnv = {
      NOTIFY_SOCKET: path,
      WATCHDOG_USEC: '40000',
      WATCHDOG_PID: '77',
      KEPT: 'x',
    };
    const service = await connectServiceManager({ environment, pid: 77 }, assert.fail);
    assert(service !== undefined);
    assert.deepEqual(environment, { KEPT: 'x' }, 'commands of doors would inherit it');
    service.ready('listening on eth0\nREADY=0');
    assert.equal(await next(), 'READY=1|STATUS=listening on eth0?READY=0|MAINPID=77');
    service.startWatchdog();
    assert.equal(await next(), 'WATCHDOG=1');
    assert.equal(await next(), 'WATCHDOG=1');
    service.stopping();
    for (let said = ''; said !== 'STOPPING=1'; ) {
      said = await next();
      assert.match(said, /^(WATCHDOG|STOPPING)=1$/);
    }
    service.close();
  } finally {
    end();
  }
});

test('when nobody asks then nobody is told', async () => {
  assert.equal(await connectServiceManager({ environment: {}, pid: 1 }, assert.fail), undefined);
});

test('when the socket is no path then the log says so, and the daemon runs', async () => {
  const lines: string[] = [];
  const environment = { NOTIFY_SOCKET: 'relative' };
  assert.equal(await connectServiceManager({ environment, pid: 1 }, (line) => lines.push(line)), undefined);
  assert.equal(lines.length, 1);
});

test('when the manager is gone then telling it is no error', async () => {
  const environment = { NOTIFY_SOCKET: join(root, 'nobody') };
  const service = await connectServiceManager({ environment, pid: 1 }, assert.fail);
  service?.ready('x');
  service?.close();
});

for (const [path, why] of [
  ['', 'empty'],
  ['relative/path', 'neither absolute nor abstract'],
  ['@', 'an abstract name without a name'],
  [`/${'x'.repeat(107)}`, 'longer than sun_path'],
  ['/a\0b', 'a null byte'],
] as const) {
  test(`${JSON.stringify(path.slice(0, 20))} is no socket: ${why}`, () => {
    assert.equal(socketAddress(path), undefined);
  });
}

test('a path ends with a null byte, an abstract name begins with one', () => {
  assert.equal(socketAddress('/run/x')?.toString('latin1'), '\x01\0/run/x\0');
  assert.equal(socketAddress('@x')?.toString('latin1'), '\x01\0\0x');
});

for (const [interval, watched, pauseMs, why] of [
  ['30000000', undefined, 15_000, 'half of it'],
  ['30000000', '7', 15_000, 'meant for us'],
  ['30000000', '8', undefined, 'meant for another process'],
  [undefined, undefined, undefined, 'not asked for'],
  ['0', undefined, undefined, 'off'],
  ['x', undefined, undefined, 'no number'],
  ['900000000000000', undefined, 60_000, 'a sign a minute does no harm'],
] as const) {
  test(`WATCHDOG_USEC=${interval} for ${watched ?? 'anybody'}: ${why}`, () => {
    assert.equal(watchdogPauseMs(interval, watched, 7), pauseMs);
  });
}
