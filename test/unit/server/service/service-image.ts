/** A root folder with a configuration, as install-service finds it on a host, and what the command says there. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Command } from 'commander';
import { readConfig } from '../../../../server/config/read-config.ts';
import { addServiceCommand } from '../../../../server/service/service-command.ts';
import { exitCodeOf, formatProblem, KnockError } from '../../../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'knock-otp-service-'));
after(() => rmSync(folder, { recursive: true }));

export const SSH = '[ssh]\notp = totp\nopen = nftables tcp/22\n';
export const UNIT = 'etc/systemd/system/knock-otpd.service';
export const DROP_IN = `${UNIT}.d/10-configuration.conf`;

let count = 0;
/** A root folder of its own, with a configuration in a path that a service can see. */
export function image(doors: string, options = ''): { root: string; install: (...args: string[]) => Promise<Said> } {
  count += 1;
  const root = join(folder, `${count}`);
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'usr/lib/systemd'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/systemd/systemd'), '');
  const config = join(root, 'etc/knock-otp.conf');
  writeFileSync(config, `[options]\ninterface = eth0\nserver_id = b1\n${options}\n${doors}`, { mode: 0o600 });
  return { root, install: (...args) => installService(config, ['--root', root, ...args]) };
}

interface Said {
  readonly exit: number;
  readonly said: string;
  readonly printed: string;
}

export async function installService(
  config: string,
  args: readonly string[],
  { main = '/bin/ls', notifies = true } = {},
): Promise<Said> {
  let [said, printed, exit] = ['', '', 0];
  const program = new Command().exitOverride();
  addServiceCommand(program, {
    say: (line) => {
      said += `${line}\n`;
    },
    print: (line) => {
      printed += `${line}\n`;
    },
    read: async () => ({ ...(await readConfig(config)), file: '/etc/knock-otp.conf' }),
    program: { node: '/bin/sh', main, notifies },
  });
  try {
    await program.parseAsync(['install-service', ...args], { from: 'user' });
  } catch (error) {
    assert.ok(error instanceof KnockError, String(error));
    exit = exitCodeOf(error);
    said += [error.message, error.hint, ...error.problems.map((each) => formatProblem(each))].join('\n');
  }
  return { exit, said, printed };
}
