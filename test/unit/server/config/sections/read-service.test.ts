/** `stop_when` in the configuration: its values, the keys that it excludes, and the output of `check`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCheck } from '../../../../../server/config/check/describe-check.ts';
import { readText } from '../../../../support/core/config-text.ts';

const COMMANDS = 'start_command = systemctl start ssh\nstop_command = systemctl stop ssh\n';
const DOOR = `[ssh]\notp = totp\nopen = nftables tcp/22\n${COMMANDS}`;

test('when a door has open, both commands and stop_when then it guards the port and starts the service', () => {
  const { config, problems } = readText(`${DOOR}stop_when = idle 1h\nrun_as = nobody\n`);
  assert.deepEqual(problems, []);
  const [door] = config.doors;
  assert.deepEqual(door?.action, { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }] });
  assert.deepEqual(door?.service, {
    ...{ start: 'systemctl start ssh', stop: 'systemctl stop ssh', ports: [22], idleMs: 3_600_000, runAs: 'nobody' },
  });
  const loaded = { config, enrolments: [], budgets: new Map(), files: new Map(), warnings: [], startWarnings: [] };
  assert.match(describeCheck(loaded), /service +started by a knock, stopped after 3600 s without use of tcp\/22\n/);
});

test('when a door has no open then service says its ports, and nothing is guarded', () => {
  const { config, problems } = readText(
    `[ssh]\nsequence = 7000,8000,9000\ntcpflags = syn\n${COMMANDS}service = tcp/22, tcp/80\nstop_when = idle 5s\nstop_any\n`,
  );
  assert.deepEqual(problems, []);
  assert.equal(config.doors[0]?.action.kind, 'service');
  assert.deepEqual(config.doors[0]?.service?.ports, [22, 80]);
  assert.equal(config.doors[0]?.service?.idleMs, 5_000);
  assert.equal(config.doors[0]?.service?.adopts, true);
});

const wrong: readonly [string, string, RegExp][] = [
  [
    'no command to stop',
    '[ssh]\notp = totp\nopen = nftables tcp/22\nstart_command = a\nstop_when = idle 1h\n',
    /needs a start_command and a stop_command/,
  ],
  ['an address in a command', `${DOOR.replace('stop ssh', 'stop %IP%')}stop_when = idle 1h\n`, /no %IP%/],
  ['a command for IPv6 alone', `${DOOR}stop_command_6 = b\nstop_when = idle 1h\n`, /for all sources alike/],
  ['no port', `[ssh]\notp = totp\n${COMMANDS}stop_when = idle 1h\n`, /no TCP port shows/],
  ['UDP alone', `[ssh]\notp = totp\n${COMMANDS}service = udp/53\nstop_when = idle 1h\n`, /not a TCP port/],
  ['no time', `${DOOR}stop_when = idle\n`, /not idle and a time/],
  [
    'a shell where there is none',
    `${DOOR.replace('stop ssh', 'stop ssh; true')}stop_when = idle 1h\n`,
    /without a shell/,
  ],
  ['service alone', `[ssh]\notp = totp\nopen = nftables tcp/22\nservice = tcp/22\n`, /without stop_when/],
  ['both without stop_when', DOOR, /by a firewall or by commands/],
];
for (const [what, text, message] of wrong) {
  test(`when a door with a service has ${what} then that is a problem`, () => {
    const { problems } = readText(text);
    assert(
      problems.some((problem) => message.test(problem.message)),
      JSON.stringify(problems),
    );
  });
}
