/** A client whose ssh knocks by itself: a profile, a real sshd behind the door, and the lines of `ssh-config`. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SshServer, startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { Bastion, type EnrolledClient } from '../host/bastion.ts';

/** A door named ssh that hides port 22. */
export const door = (lines: string) => `[ssh]\n${lines}\nopen = nftables tcp/22\n`;

export async function added(bastion: Bastion, uri: string, name = 'work'): Promise<void> {
  const { code, stderr } = await bastion.knockOtp(['add', '-', '--as', name], { input: `${uri}\n` });
  assert.equal(code, 0, stderr);
}

/** How often a knock has opened the door or extended a grant. */
export function openings(bastion: Bastion): number {
  return bastion.daemon.stderr.split('\n').filter((line) => /otpd: (opened|extended) .*door=ssh/.test(line)).length;
}

/** A folder for PATH with `knock-otp` in it, and an ssh configuration with the lines of `ssh-config`. */
export async function sshHome(
  bastion: Bastion,
  sshd: SshServer,
): Promise<{ env: Record<string, string>; config: string }> {
  const bin = join(bastion.dir, 'bin');
  await mkdir(bin);
  const words = bastion.clientCommand.map((word) => `'${word}'`).join(' ');
  await writeFile(join(bin, 'knock-otp'), `#!/bin/sh\nexec ${words} "$@"\n`);
  await chmod(join(bin, 'knock-otp'), 0o755);
  const printed = await bastion.knockOtp(['ssh-config']);
  assert.equal(printed.code, 0, printed.stderr);
  assert.match(
    printed.stdout,
    /^Host work\n {2}HostName (10\.77\.0\.1|fd77::1)\n {2}ProxyCommand knock-otp --door ssh --proxy work %p\n$/,
  );
  const config = join(bastion.dir, 'ssh_config');
  const keys = `User ${sshd.user}
IdentityFile ${join(bastion.dir, 'ssh', 'user')}
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
BatchMode yes
LogLevel ERROR
`;
  await writeFile(config, `${printed.stdout}\nHost *\n${keys}`);
  const env = { ...(await bastion.clientHome(bastion.client)), PATH: `${bin}:${process.env['PATH']}` };
  return { env, config };
}

/** A bastion with sshd, and a client that is enrolled with the server's address of `family`. */
export async function withSsh(
  doors: string,
  body: (bastion: Bastion, sshd: SshServer, laptop: EnrolledClient) => Promise<void>,
  family: 4 | 6 = 4,
): Promise<void> {
  await using bastion = await Bastion.create({ doors, service: false });
  const sshd = await startSshServer(bastion.server, bastion.dir);
  try {
    const laptop = await bastion.enroll('laptop', { host: family === 4 ? bastion.server.ipv4 : bastion.server.ipv6 });
    await bastion.start();
    await added(bastion, laptop.uri);
    await body(bastion, sshd, laptop);
  } finally {
    await sshd.process.end('SIGKILL');
  }
}
