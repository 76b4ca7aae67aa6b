/** Lines for machines without knock-otp, as text. test/e2e/client/by-hand shows that they open doors. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { HAND_FORMS, type HandKnock, handLine } from '../../../../client/by-hand/hand-lines.ts';
import type { Knock } from '../../../../shared/knock.ts';

const KNOCKS: readonly Knock[] = [
  { protocol: 'tcp', port: 9001 },
  { protocol: 'udp', port: 7002 },
  { protocol: 'tcp', port: 8003 },
  { protocol: 'tcp', port: 9001 },
];

function knock(changes: Partial<HandKnock> = {}): HandKnock {
  return {
    address: { address: '192.0.2.1', family: 4 },
    knocks: KNOCKS,
    order: 'strict',
    timeoutSeconds: 10,
    ...changes,
  };
}

for (const form of HAND_FORMS) {
  test(`the line for ${form} names each knock in order, repetitions too`, () => {
    const { line } = handLine(form, knock());
    const ports = [...line.matchAll(/\b(9001|7002|8003)\b/g)].map((match) => match[0]);
    assert.deepEqual(ports, ['9001', '7002', '8003', '9001']);
    assert.ok(!line.includes('\n'));
  });

  test(`the line for ${form} takes no address that a shell could read as more`, () => {
    for (const address of ["1'; id; '", '$(id)', '1 2', 'a;b', '']) {
      assert.throws(() => handLine(form, knock({ address: { address, family: 4 } })), { code: 'USAGE' }, address);
    }
  });
}

test('shells find no fault with the grammar of their lines', () => {
  for (const form of ['bash', 'nc', 'nmap', 'hping3'] as const) {
    for (const knocks of [KNOCKS, KNOCKS.slice(0, 1), KNOCKS.slice(1, 2)]) {
      for (const order of ['any', 'strict'] as const) {
        const { line } = handLine(form, knock({ knocks, order }));
        const inner = /^(?:ba)?sh -c '(.*)'/.exec(line)?.[1] ?? line;
        for (const script of [line, inner]) {
          const { status, stderr } = spawnSync(form === 'bash' ? 'bash' : 'sh', ['-n', '-c', script], {
            encoding: 'utf8',
          });
          assert.deepEqual([status, stderr], [0, ''], script);
        }
      }
    }
  }
});

test('when the door is impatient then the pauses between the knocks are shorter', () => {
  const pauseOf = (timeoutSeconds: number | undefined, count: number) => {
    const knocks = Array.from({ length: count }, (_, at) => ({ protocol: 'tcp' as const, port: 7000 + at }));
    return Number(/sleep ([0-9.]+)/.exec(handLine('bash', knock({ knocks, timeoutSeconds })).line)?.[1]);
  };
  assert.equal(pauseOf(10, 6), 0.1);
  assert.equal(pauseOf(undefined, 32), 0.1);
  assert.equal(pauseOf(1, 10), 0.07);
  assert.ok(pauseOf(1, 32) * 32 < 1);
});

test('programs without IPv6 are refused or said, and those that need root too', () => {
  const v6 = knock({ address: { address: 'fd00::1', family: 6 } });
  assert.throws(() => handLine('hping3', v6), { code: 'USAGE' });
  assert.match(handLine('nc', v6).needs ?? '', /IPv6/);
  assert.match(handLine('nmap', v6).line, / -6 /);
  assert.equal(handLine('nc', knock()).needs, undefined);
  assert.equal(handLine('hping3', knock()).needs, 'root');
  assert.equal(handLine('nmap', knock()).needs, 'root');
  assert.equal(handLine('nmap', knock({ knocks: KNOCKS.slice(0, 1) })).needs, undefined);
});

test('the PowerShell line begins a connection and does not wait for it, and sends one byte by UDP', () => {
  const { line } = handLine('powershell', knock({ address: { address: 'fd00::1', family: 6 } }));
  assert.equal(
    line,
    "$a = [Net.IPAddress]'fd00::1'; foreach ($k in 'tcp/9001','udp/7002','tcp/8003','tcp/9001') { " +
      "$t, $p = $k.Split('/'); if ($t -eq 'tcp') { $c = New-Object Net.Sockets.TcpClient($a.AddressFamily); " +
      '$null = $c.BeginConnect($a, [int]$p, $null, $null) } else { ' +
      '$c = New-Object Net.Sockets.UdpClient($a.AddressFamily); ' +
      '$null = $c.Send([byte[]]@(0), 1, (New-Object Net.IPEndPoint($a, [int]$p))) }; ' +
      'Start-Sleep -Milliseconds 100; $c.Close() }',
  );
});
