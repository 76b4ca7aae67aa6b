/**
 * Types the sessions of docs/BASTIONS.md line by line on four hosts: one of three bastions fails, another opens, and ssh
 * uses the group. Also shows what a shared server id would allow an attacker.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Network, type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished, RunningProcess } from '../../../scripts/lab/running-process.ts';
import { startSshServer } from '../../../scripts/lab/ssh-server.ts';
import { type Typed, typedSession } from '../../../scripts/lab/typed-session.ts';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { parseProfileUri, profileShape } from '../../../shared/formats/profile-uri.ts';
import { formatKnock } from '../../../shared/knock.ts';
import { timeStepAt } from '../../../shared/moving-factor.ts';
import { daemonRights } from '../../support/host/bastion.ts';
import { CLIENT_PROGRAM, SERVER_PROGRAM } from '../../support/host/built.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };
const repository = fileURLToPath(new URL('../../../', import.meta.url));
const page = await readFile(join(repository, 'docs/BASTIONS.md'), 'utf8');
const NAMES = ['b1', 'b2', 'b3'];

/** The fenced block below a mark, in any language. */
function block(name: string): string {
  const text = new RegExp(`<!-- test: ${name} -->\\n\`\`\`\\w*\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
  assert.ok(text !== undefined, `docs/BASTIONS.md has no block ${name}`);
  return text;
}

class Company implements AsyncDisposable {
  readonly network: Network;
  readonly dir: string;
  readonly #running = new Map<string, RunningProcess[]>();

  private constructor(network: Network, dir: string) {
    this.network = network;
    this.dir = dir;
  }

  /** Three servers with sshd, the programs in every PATH, and all hosts in `hosts`. */
  static async gather(): Promise<Company> {
    const network = await Network.create([...NAMES, 'client', 'observer']);
    const company = new Company(network, await mkdtemp(join(tmpdir(), 'knock-otp-bastions-')));
    await mkdir(join(company.dir, 'bin'));
    await company.#program('knock-otp', `${process.execPath} ${CLIENT_PROGRAM}`);
    const hosts = NAMES.map((name) => `${company.host(name).ipv4} ${name}.example.org\n`).join('');
    await writeFile(join(company.dir, 'hosts'), `127.0.0.1 localhost\n${hosts}`);
    await mkdir(join(company.dir, 'home', '.ssh'), { recursive: true, mode: 0o700 });
    return company;
  }

  host(name: string): NetworkHost {
    return this.network.host(name);
  }

  /** Starts knock-otpd on a host, with this server id and these client files. */
  async serve(name: string, { serverId = name, clients = name } = {}): Promise<RunningProcess> {
    const own = join(this.dir, name);
    await mkdir(own, { mode: 0o700 });
    const config = join(own, 'knock-otp.conf');
    const folders = `state_dir = ${join(own, 'state')}\nclients_dir = ${join(this.dir, 'clients', clients)}\n`;
    const door = '[ssh]\notp = totp\nopen = nftables tcp/22\ncmd_timeout = 120\n';
    await writeFile(config, `[options]\ninterface = eth0\nserver_id = ${serverId}\n${folders}\n${door}`, {
      mode: 0o600,
    });
    await mkdir(join(this.dir, 'clients'), { recursive: true, mode: 0o700 });
    const program = `${process.execPath} ${SERVER_PROGRAM}`;
    await this.#program('knock-otpd', `${program} "$@" -c "$KNOCK_OTP_CONFIG"`, '');
    const daemon = this.host(name).spawn([
      ...daemonRights(process.env['KNOCK_OTP_TEST_RIGHTS']),
      ...program.split(' '),
      '-c',
      config,
    ]);
    this.#keep(name, daemon);
    await daemon.waitForLine(/\bready\b/);
    return daemon;
  }

  /** Starts sshd on each bastion; the client has its key, and knows each host key. */
  async serveSsh(): Promise<void> {
    const known: string[] = [];
    const identities: string[] = [];
    let user = '';
    for (const name of NAMES) {
      const parent = join(this.dir, `${name}-sshd`);
      await mkdir(parent);
      const sshd = await startSshServer(this.host(name), parent);
      this.#keep(name, sshd.process);
      user = sshd.user;
      known.push(`${name}.example.org ${await readFile(join(parent, 'ssh', 'host.pub'), 'utf8')}`);
      identities.push(join(parent, 'ssh', 'user'));
    }
    await writeFile(join(this.dir, 'home', '.ssh', 'known_hosts'), known.join(''));
    await this.#writeSshConfig('', user, identities);
    // ssh takes the home directory from the password file, not from HOME.
    await this.#program('ssh', `/usr/bin/ssh -F ${join(this.dir, 'home', '.ssh', 'config')}`);
    await this.#program('ssh-keygen', `/usr/bin/ssh-keygen -f ${join(this.dir, 'home', '.ssh', 'known_hosts')}`);
  }

  /** Puts the lines of the page above the ssh configuration for all hosts. */
  async #writeSshConfig(above: string, user: string, identities: readonly string[]): Promise<void> {
    const common = [
      `  User ${user}`,
      ...identities.map((file) => `  IdentityFile ${file}`),
      `  UserKnownHostsFile ${join(this.dir, 'home', '.ssh', 'known_hosts')}`,
      '  StrictHostKeyChecking yes',
      '  BatchMode yes',
      '  LogLevel ERROR',
    ];
    await writeFile(join(this.dir, 'home', '.ssh', 'config'), `${above}\nHost *\n${common.join('\n')}\n`);
  }

  /** Runs one line as a user types it. */
  async type(name: string, line: string, input = ''): Promise<Finished> {
    const script = 'mount --bind "$0/hosts" /etc/hosts && cd "$0" && PATH="$0/bin:$PATH" exec bash -c "$1"';
    const home = join(this.dir, 'home');
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state') };
    const config = { KNOCK_OTP_CONFIG: join(this.dir, name, 'knock-otp.conf') };
    const argv = ['unshare', '-m', 'sh', '-c', script, this.dir, line];
    return await this.host(name).run(argv, { env: { ...env, ...config }, input, timeoutMs: 90_000 });
  }

  /** Types a session of the page and checks its output. Each login prints the address that it reached. */
  async play(session: readonly Typed[]): Promise<void> {
    for (const { host, command, answers } of session) {
      const { code, stdout, stderr } = await this.type(host, command, 'echo "inside $SSH_CONNECTION"\n');
      const said = stdout + stderr;
      assert.equal(code, answers.some((line) => line.includes('error:')) ? 1 : 0, `${command}\n${said}`);
      for (const answer of answers) {
        const want = answer.replace(/192\.0\.2\.1(\d)/, (_, number) => this.host(`b${number}`).ipv4);
        assert.ok(said.split('\n').includes(want), `"${want}" is not in what was said:\n${said}`);
      }
      if (command.startsWith('knock-otp ssh'))
        assert.match(stdout, new RegExp(`^inside .* ${this.host('b2').ipv4} 22$`, 'm'));
    }
  }

  /** Ends all programs of a bastion at once, and cuts its link. */
  async fall(name: string): Promise<void> {
    for (const child of this.#running.get(name) ?? []) await child.end('SIGKILL');
    await this.network.unplug(this.host(name));
  }

  /** Writes ssh's configuration with the block of the page. */
  async addToSshConfig(lines: string): Promise<void> {
    const file = join(this.dir, 'home', '.ssh', 'config');
    await writeFile(file, `${lines}\n${await readFile(file, 'utf8')}`);
  }

  async dispose(): Promise<void> {
    for (const child of [...this.#running.values()].flat()) await child.end('SIGKILL');
    await this.network.dispose();
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #keep(name: string, child: RunningProcess): void {
    this.#running.set(name, [...(this.#running.get(name) ?? []), child]);
  }

  async #program(name: string, words: string, behind = ' "$@"'): Promise<void> {
    await writeFile(join(this.dir, 'bin', name), `#!/bin/sh\nexec ${words}${behind}\n`, { mode: 0o755 });
  }
}

test('three bastions, one falls, another opens, and ssh goes through the group', options, async () => {
  await using company = await Company.gather();
  await company.serveSsh();
  for (const name of NAMES) await company.serve(name);
  await company.play(typedSession(page, 'bastions'));
  assert.equal((await company.host('observer').connect(company.host('b1').ipv4, 22)).state, 'silent');
  const winner = await company.type('client', 'knock-otp b1 b2 b3 --json');
  assert.equal((JSON.parse(winner.stdout) as { hosts: { name: string }[] }).hosts[0]?.name, 'b1');

  await company.fall('b1');
  await company.play(typedSession(page, 'bastions-fallen'));

  await company.addToSshConfig(block('bastions-ssh'));
  const unknown = await company.type('client', 'ssh work true');
  assert.notEqual(unknown.code, 0, 'without a known key ssh must not go in');
  const keys = await company.type('client', block('bastions-keys').replace('~', `${company.dir}/home`));
  assert.equal(keys.code, 0, keys.stderr);
  const through = await company.type('client', 'ssh work \'echo "inside $SSH_CONNECTION"\'');
  assert.match(through.stdout, new RegExp(`^inside .* ${company.host('b2').ipv4} 22$`, 'm'), through.stderr);
});

test('a knock captured at one bastion opens another of the same identity, and none of another', options, async () => {
  await using company = await Company.gather();
  const b1 = await company.serve('b1', { serverId: 'shared', clients: 'shared' });
  const b2 = await company.serve('b2', { serverId: 'shared', clients: 'shared' });
  const b3 = await company.serve('b3');
  const enrolled = await company.type('b1', 'knock-otpd enroll laptop --door ssh --host b1.example.org');
  assert.equal(enrolled.code, 0, enrolled.stderr);
  const reloaded = await company.type('b2', 'knock-otpd reload');
  assert.equal(reloaded.code, 0, reloaded.stderr);
  const { stdout: b3Uri } = await company.type('b3', 'knock-otpd enroll laptop --door ssh --host b3.example.org');
  const profile = parseProfileUri(enrolled.stdout.trim());
  const step = timeStepAt(Date.now(), profile.step);
  const sequence = deriveSequence(derivationKey(profile.secret), profile, step, profileShape(profile));
  const knocks = sequence.map(formatKnock).join(' ');
  // An attacker who has seen the knock sends it from another address.
  const replay = async (at: string, from: string): Promise<void> => {
    const { code, stderr } = await company.type(from, `knock-otp ${at}.example.org ${knocks}`);
    assert.equal(code, 0, stderr);
  };
  const opened = (from: string) => new RegExp(`: opened .*${company.host(from).ipv4.replaceAll('.', '\\.')}\\b`);
  await replay('b1', 'client');
  await b1.waitForLine(opened('client'));
  await replay('b1', 'observer');
  await b1.waitForLine(/refused: (replay|contested)/);
  await replay('b2', 'observer');
  await b2.waitForLine(opened('observer'));

  await replay('b3', 'observer');
  // When this knock opens, the daemon has decided all earlier packets.
  const own = await company.type('client', 'knock-otp add - --as b3 && knock-otp b3 --no-verify', b3Uri);
  assert.equal(own.code, 0, own.stderr);
  await b3.waitForLine(opened('client'));
  assert.doesNotMatch(b3.stderr, opened('observer'));
});
