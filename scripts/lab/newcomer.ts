/**
 * What a newcomer does, typed from docs/INSTALL.md line by line: two clean Debians, one tarball, a session of ssh through
 * a port that no scan sees. Each line is timed; more than five minutes from the first to the session is a failure.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { version } from '../../shared/files/version.ts';
import { DebianHost } from './debian-host.ts';
import { debianRoot, USER } from './debian-root.ts';
import { Network, type NetworkHost } from './namespaces.ts';
import type { RunningProcess } from './running-process.ts';
import { type Typed, tarballsIn, typedSession } from './typed-session.ts';

const NAME = 'bastion1.example.org';
const LIMIT_SECONDS = 300;
/** The name that `npm pack` gives the tarball. */
const PACKED = `knock-otp-${version()}.tgz`;
/** What is downloaded comes through this machine's network: the namespaces have no way out. */
const DOWNLOADS = /^(sudo )?(apt-get|npm) /;

const [tarball] = process.argv.slice(2);
if (tarball === undefined) throw new Error('usage: scripts/newcomer [TARBALL]');
const say = (line: string) => console.log(line);

try {
  const manual = await readFile(join(import.meta.dirname, '../../../docs/INSTALL.md'), 'utf8');
  const steps = typedSession(manual, 'newcomer');
  // Checked before the minutes that a Debian takes.
  for (const name of [basename(tarball), ...tarballsIn(steps.map(({ command }) => command).join('\n'))]) {
    if (name !== PACKED) throw new Error(`${name} is not the tarball of this version, ${PACKED}`);
  }
  say('a clean Debian: debootstrap, or the one of an earlier run');
  const root = await debianRoot('bookworm');
  const folder = await mkdtemp(join(tmpdir(), 'knock-otp-newcomer-'));
  try {
    await using network = await Network.create(['bastion1', 'laptop', 'stranger']);
    await using server = await DebianHost.start(network.host('bastion1'), root, folder);
    await using client = await DebianHost.start(network.host('laptop'), root, folder);
    await furnish(server, client, tarball);
    await play({ server, client, stranger: network.host('stranger') }, steps);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
} catch (error) {
  console.error(`newcomer: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

interface Stage {
  readonly server: DebianHost;
  readonly client: DebianHost;
  readonly stranger: NetworkHost;
}

/** Before the page begins: a server that its user reaches by ssh, and the tarball on both sides. */
async function furnish(server: DebianHost, client: DebianHost, file: string): Promise<void> {
  for (const { net } of [server, client]) await net.ip('route add default via 10.77.0.254 dev eth0');
  await server.must('mkdir -p /run/sshd && ssh-keygen -A && /usr/sbin/sshd');
  await client.must('ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519', { user: USER });
  const key = await client.must('cat ~/.ssh/id_ed25519.pub', { user: USER });
  for (const user of ['root', USER]) await server.must('cat >>~/.ssh/authorized_keys', { user, input: key });
  await client.must(`echo '${server.net.ipv4} ${NAME}' >>/etc/hosts`);
  await client.must(`ssh-keyscan -t ed25519 ${NAME} >>~/.ssh/known_hosts`, { user: USER });
  await server.bring(file, `/root/${PACKED}`);
  await client.bring(file, `/home/${USER}/${PACKED}`);
}

async function play(stage: Stage, steps: readonly Typed[]): Promise<void> {
  const { server, stranger } = stage;
  await scan(stranger, server, 'open');
  let daemon: RunningProcess | undefined;
  let session = false;
  const begun = performance.now();
  for (const step of steps) {
    const from = performance.now();
    if (step.command.endsWith(' &')) {
      daemon = server.start(step.command.slice(0, -2));
      await daemon.waitForLine(/\bready\b/);
      report(step, from);
      await scan(stranger, server, 'filtered');
      await scan(stage.client.net, server, 'filtered');
      continue;
    }
    await type(stage, step);
    report(step, from);
    if (!step.command.includes('&& ssh ')) continue;
    session = true;
    const seconds = (performance.now() - begun) / 1000;
    say(`a session after ${seconds.toFixed(1)} s`);
    if (seconds > LIMIT_SECONDS) throw new Error(`that is more than ${LIMIT_SECONDS} s`);
    await scan(stranger, server, 'filtered');
  }
  if (daemon === undefined || !session) throw new Error('docs/INSTALL.md starts no daemon, or begins no session');
  // What the tarball also brings: the client on the server, and the manuals where man(1) looks for them.
  await server.must(
    'knock-otp --version && ls /usr/local/share/man/man1/knock-otp.1 /usr/local/share/man/man8/knock-otpd.8',
  );
  await daemon.waitForLine(/: closed .*door=ssh/, 0, 60_000);
  for (const who of [stranger, stage.client.net]) await scan(who, server, 'filtered');
}

async function type({ server, client }: Stage, { host, command, answers }: Typed): Promise<void> {
  const online = DOWNLOADS.test(command);
  const typed = { online, timeoutMs: LIMIT_SECONDS * 1000 };
  // The user who logs in prints the host name and leaves.
  const input = command.includes('&& ssh ') ? 'echo "inside $(hostname)"\n' : '';
  const done =
    host === 'server'
      ? await server.type(command, { ...typed, input })
      : await client.type(command, { ...typed, input, user: USER });
  const said = done.stdout + done.stderr;
  if (done.code !== 0) throw new Error(`exit ${done.code}: ${command}\n${said}`);
  if (input !== '' && !/^inside bastion1$/m.test(done.stdout)) throw new Error(`no session: ${command}\n${said}`);
  for (const answer of answers) {
    const want = answer.replace('192.0.2.10', server.net.ipv4);
    if (!said.includes(want)) throw new Error(`"${want}" is not in the output: ${command}\n${said}`);
  }
}

function report({ host, command }: Typed, from: number): void {
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  say(`${seconds.padStart(6)} s  ${host === 'server' ? 'server#' : 'client$'} ${command}`);
}

/** The state that nmap reports for port 22: `open`, `closed`, `filtered`. */
async function scan(from: NetworkHost, server: DebianHost, want: string): Promise<void> {
  const said = await from.must(['nmap', '-n', '-Pn', '-p', '22', server.net.ipv4]);
  const state = /^22\/tcp +(\w+)/m.exec(said)?.[1];
  if (state !== want) throw new Error(`port 22 is ${state} to a scan from ${from.name}, not ${want}`);
  say(`          a scan from ${from.name}: 22/tcp ${state}`);
}
