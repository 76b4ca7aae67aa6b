/**
 * Starts a real sshd on a host of the network, with its own keys, account and configuration. It runs as an ordinary user
 * of a nested user namespace: as root, sshd always changes groups, which needs real root. This way works for both kinds
 * of user. Only the mount namespace of sshd sees the password file with its account.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkHost } from './namespaces.ts';
import { mustRun, type RunningProcess } from './running-process.ts';

const USER = 'engineer';

export interface SshServer {
  readonly process: RunningProcess;
  /** `ssh` with all options except the host; further options go behind it. */
  readonly command: readonly string[];
  readonly user: string;
}

/** What {@link startSshServer} starts, for callers that start it themselves. */
export interface PreparedSshServer extends Omit<SshServer, 'process'> {
  /** The command that execs sshd in the foreground, on port 22 over IPv4 and IPv6. */
  readonly argv: readonly string[];
}

/** Writes the files of the server into `parent`/ssh. */
export async function prepareSshServer(parent: string): Promise<PreparedSshServer> {
  const dir = join(parent, 'ssh');
  await mkdir(dir, { mode: 0o700 });
  for (const key of ['host', 'user']) {
    await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(dir, key)]);
  }
  await writeFile(
    join(dir, 'config'),
    `Port 22
HostKey ${join(dir, 'host')}
AuthorizedKeysFile ${join(dir, 'user.pub')}
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
Subsystem sftp internal-sftp
`,
  );
  await writeFile(join(dir, 'passwd'), `root:x:0:0:root:/root:/bin/sh\n${USER}:x:1000:1000::${dir}:/bin/sh\n`);
  const script = `set -e
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
mount --bind "$0/passwd" /etc/passwd
exec unshare -U --map-user=1000 --map-group=1000 "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$0/config"`;
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'LogLevel=ERROR'];
  const command = ['ssh', '-F', 'none', '-i', join(dir, 'user'), ...options.flatMap((option) => ['-o', option])];
  return { argv: ['unshare', '-m', 'sh', '-c', script, dir], command, user: USER };
}

/** Starts sshd on port 22 over IPv4 and IPv6, with its files in `parent`/ssh. */
export async function startSshServer(host: NetworkHost, parent: string): Promise<SshServer> {
  const { argv, ...rest } = await prepareSshServer(parent);
  const process = host.spawn(argv);
  await process.waitForLine(/Server listening on :: port 22/);
  return { ...rest, process };
}
