/**
 * What the README shows is what happens: its session is played line by line on two hosts, its server commands are run,
 * its configuration is the one that they run with, its lines for ssh_config work.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type NetworkHost, skipWithoutNamespaces } from '../../scripts/lab/namespaces.ts';
import type { Finished } from '../../scripts/lab/running-process.ts';
import { type SshServer, startSshServer } from '../../scripts/lab/ssh-server.ts';
import { Bastion } from '../support/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };
const repository = fileURLToPath(new URL('../../', import.meta.url));
const readme = await readFile(join(repository, 'README.md'), 'utf8');

/** The fenced blocks of a language, in order. */
function blocks(language: string): readonly string[] {
  return [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , text]) => text ?? '');
}

/** Both hosts as the README has them: programs in the path, the name in /etc/hosts, ssh set up for its user. */
class Stage {
  readonly bastion: Bastion;
  readonly #bin: string;
  readonly #sshd: SshServer;

  private constructor(bastion: Bastion, sshd: SshServer) {
    this.bastion = bastion;
    this.#sshd = sshd;
    this.#bin = join(bastion.dir, 'bin');
  }

  static async set(): Promise<Stage> {
    const bastion = await Bastion.create({ serverId: 'bastion1', service: false });
    const stage = new Stage(bastion, await startSshServer(bastion.server, bastion.dir));
    const program = (name: string, args = '') =>
      `#!/bin/sh\nexec ${process.execPath} ${repository}dist/${name}/main.js "$@"${args}\n`;
    const [ssh = '', ...flags] = stage.#sshd.command;
    const commands = {
      'knock-otp': program('client'),
      'knock-otpd': program('server', ` -c ${bastion.configFile}`),
      ssh: `#!/bin/sh\nexec /usr/bin/${ssh} ${flags.join(' ')} -o User=${stage.#sshd.user} "$@"\n`,
    };
    await mkdir(stage.#bin);
    for (const [name, text] of Object.entries(commands)) await writeFile(join(stage.#bin, name), text, { mode: 0o755 });
    await writeFile(join(bastion.dir, 'hosts'), `${bastion.server.ipv4} bastion1.example.org bastion1\n`);
    return stage;
  }

  /** One line as a person types it, in the shared folder of both hosts. */
  async type(host: NetworkHost, line: string): Promise<Finished> {
    const script = `mount --bind "$0/hosts" /etc/hosts && cd "$0" && PATH="$0/bin:$PATH" exec bash -c "$1"`;
    const env = await this.bastion.clientHome(host);
    return await host.run(['unshare', '-m', 'sh', '-c', script, this.bastion.dir, line], { env, timeoutMs: 60_000 });
  }

  async strike(): Promise<void> {
    await this.#sshd.process.end('SIGKILL');
    await this.bastion.dispose();
  }
}

test("the README's session goes as it is printed there", options, async () => {
  const stage = await Stage.set();
  try {
    await stage.bastion.start();
    const session = blocks('console')[0] ?? '';
    assert.match(session, /knock-otp bastion1 && ssh/);
    let said = '';
    for (const line of session.trimEnd().split('\n')) {
      const [, host, command] = /^(server#|client\$) (.*)$/.exec(line) ?? [];
      if (command === undefined) {
        const want = line.replace('192.0.2.10', stage.bastion.server.ipv4);
        assert.ok(said.includes(want), `"${want}" is not in what was said:\n${said}`);
        continue;
      }
      const on = host === 'server#' ? stage.bastion.server : stage.bastion.client;
      // Whoever is let in says so and leaves.
      const done = await stage.type(on, command.replace(/&& ssh (\S+)$/, '&& ssh $1 echo inside'));
      said = done.stdout + done.stderr;
      const refused = command.startsWith('ssh ');
      assert.equal(done.code === 0, !refused, `${command}\n${said}`);
      if (command.includes('&& ssh')) assert.match(done.stdout, /^inside$/m);
    }
  } finally {
    await stage.strike();
  }
});

test("the README's configuration and server commands work as they stand", options, async () => {
  const stage = await Stage.set();
  const { bastion } = stage;
  try {
    const config = blocks('ini')[0] ?? '';
    const folders = `  state_dir = ${bastion.stateDir}\n  clients_dir = ${join(bastion.dir, 'clients')}\n`;
    await writeFile(bastion.configFile, config.replace('[options]\n', `[options]\n${folders}`), { mode: 0o600 });
    const commands = (blocks('sh').find((block) => block.includes('knock-otpd check')) ?? '').trimEnd().split('\n');
    assert.deepEqual(
      commands.map((line) => line.split(/\s+/, 2).join(' ')),
      ['knock-otpd check', 'knock-otpd enroll', 'knock-otpd #', 'knock-otpd status'],
    );
    for (const command of commands) {
      if (/^knock-otpd\s+#/.test(command)) {
        await bastion.start();
        continue;
      }
      const { code, stdout, stderr } = await stage.type(bastion.server, command);
      assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
    }
    const inBackground = await stage.type(bastion.server, 'knock-otpd -d');
    assert.equal(inBackground.code, 1, 'a second daemon on one state is refused');
    assert.match(inBackground.stderr, /in use by another knock-otpd/);
  } finally {
    await stage.strike();
  }
});

test("the README's ways to ssh make it knock", options, async () => {
  const stage = await Stage.set();
  try {
    await stage.bastion.start();
    const { server, client } = stage.bastion;
    await stage.type(server, 'knock-otpd enroll laptop --door ssh --host bastion1.example.org > laptop.uri');
    await stage.type(client, 'knock-otp add - --as bastion1 < laptop.uri');
    const written = 'knock-otp ssh-config >> ~/.ssh/config';
    assert.ok(readme.includes(written));
    const lines = await stage.type(client, `mkdir ~/.ssh && ${written}`);
    assert.equal(lines.code, 0, lines.stderr);
    assert.ok(readme.includes('plain `ssh bastion1`') && readme.includes('`knock-otp ssh bastion1`'));
    // ssh reads the configuration in the home of the password file, not in HOME.
    for (const command of ['ssh -F ~/.ssh/config bastion1 echo inside', 'knock-otp ssh bastion1 echo inside']) {
      const { code, stdout, stderr } = await stage.type(client, command);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^inside$/m);
    }
    const ran = await stage.type(client, 'knock-otp exec bastion1 -- sh -c \'exit "$KNOCK_OTP_PORT"\'');
    assert.equal(ran.code, 22, ran.stderr);
  } finally {
    await stage.strike();
  }
});
