/**
 * A working day behind hidden ports: ssh, scp, rsync, git and Ansible through the lines that `ssh-config` prints, many
 * sessions in a row and in parallel, several bastions, and programs run behind a door.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished } from '../../../scripts/lab/running-process.ts';
import { added, door, openings, sshHome, withSsh } from '../../support/client/ssh-day.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };

const slowly = { ...options, skip: options.skip || (hasPatience() ? false : 'slow: npm test -- --long') };

test('ssh, scp, rsync and git go through the printed lines, and all of them cost one knock', options, async () => {
  await withSsh(door('otp = totp\ncmd_timeout = 120'), async (bastion, sshd) => {
    const { env, config } = await sshHome(bastion, sshd);
    const { client, dir } = bastion;
    const must = (argv: readonly string[], more = {}) =>
      client.must(argv, { env: { ...env, ...more }, timeoutMs: 60_000 });
    await writeFile(join(dir, 'here'), 'carried\n');
    assert.equal(await must(['ssh', '-F', config, 'work', 'echo inside']), 'inside\n');
    await must(['scp', '-F', config, join(dir, 'here'), `work:${join(dir, 'by-scp')}`]);
    assert.equal(await readFile(join(dir, 'by-scp'), 'utf8'), 'carried\n');
    await must(['rsync', '-e', `ssh -F ${config}`, join(dir, 'here'), `work:${join(dir, 'by-rsync')}`]);
    assert.equal(await readFile(join(dir, 'by-rsync'), 'utf8'), 'carried\n');

    const git = (...words: string[]) =>
      must(['git', ...words], { GIT_SSH_COMMAND: `ssh -F ${config}`, GIT_CONFIG_GLOBAL: '/dev/null' });
    await must(['git', 'init', '-q', '--bare', join(dir, 'far.git')]);
    await git('clone', '-q', `work:${join(dir, 'far.git')}`, join(dir, 'near'));
    const author = ['-c', 'user.name=me', '-c', 'user.email=me@example.org'];
    await git('-C', join(dir, 'near'), ...author, 'commit', '-q', '--allow-empty', '-m', 'through the door');
    await git('-C', join(dir, 'near'), 'push', '-q', 'origin', 'HEAD:refs/heads/main');
    assert.match(await must(['git', '-C', join(dir, 'far.git'), 'log', '--format=%s', 'main']), /^through the door$/m);
    assert.equal(openings(bastion), 1);
  });
});

test('Ansible goes through the printed lines', slowly, async () => {
  await withSsh(door('otp = totp\ncmd_timeout = 120'), async (bastion, sshd) => {
    const { env, config } = await sshHome(bastion, sshd);
    const play = `- hosts: all
  gather_facts: false
  tasks:
    - copy: { content: "by ansible", dest: ${join(bastion.dir, 'by-ansible')} }
    - command: "true"
`;
    await writeFile(join(bastion.dir, 'play.yml'), play);
    // The lab's sshd runs as one user of a namespace and cannot give that user a terminal. With plain -C, Ansible makes
    // a connection for each step instead of sharing one, so each step goes through an open door.
    await bastion.client.must(
      ['ansible-playbook', '-i', 'work,', `--ssh-common-args=-F ${config}`, join(bastion.dir, 'play.yml')],
      {
        env: {
          ...env,
          ANSIBLE_HOME: join(bastion.dir, 'ansible'),
          ANSIBLE_SSH_USETTY: 'False',
          ANSIBLE_SSH_ARGS: '-C',
          LC_ALL: 'C.UTF-8',
        },
        timeoutMs: 120_000,
      },
    );
    assert.equal(await readFile(join(bastion.dir, 'by-ansible'), 'utf8'), 'by ansible');
    assert.equal(openings(bastion), 1);
  });
});

test('knock-otp ssh takes every word of ssh to ssh, and its exit status back', options, async () => {
  await withSsh(door('otp = hotp\ncmd_timeout = 120'), async (bastion, sshd) => {
    const [, ...words] = sshd.command;
    const { dir } = bastion;
    const odd = join(dir, "a b'c$(touch x)");
    const ran = await bastion.knockOtp([
      'ssh',
      '-v',
      ...words,
      `${sshd.user}@work`,
      '-T',
      `echo "$0 inside" >'${odd.replaceAll("'", "'\\''")}'; exit 7`,
    ]);
    assert.equal(ran.code, 7, ran.stderr);
    assert.match(ran.stderr, /debug1: /);
    assert.match(await readFile(odd, 'utf8'), / inside$/m);
    const byAddress = await bastion.knockOtp(['ssh', ...words, '-l', sshd.user, bastion.server.ipv4, 'exit 3']);
    assert.equal(byAddress.code, 3, byAddress.stderr);
    assert.equal(openings(bastion), 1);
    const nobody = await bastion.knockOtp(['ssh', 'nobody']);
    assert.equal(nobody.code, 2);
  });
});

const manyAtOnce = ['totp', 'hotp'] as const;
for (const otp of manyAtOnce) {
  test(
    `when ten sessions begin at once at a ${otp} door then one knocks and all come in`,
    otp === 'totp' ? options : slowly,
    async () => {
      await using bastion = await Bastion.create({ doors: door(`otp = ${otp}\ncmd_timeout = 60`) });
      const laptop = await bastion.enroll('laptop');
      await bastion.start();
      await added(bastion, laptop.uri);
      const ends = await Promise.all(
        Array.from({ length: 10 }, () => bastion.knockOtp(['--proxy', 'work', '22'], { input: '' })),
      );
      for (const { code, stdout, stderr } of ends) assert.deepEqual([code, stdout], [0, 'hello\n'], stderr);
      const all = [bastion.daemon, ...ends].map(({ stderr }) => stderr);
      assert.equal(openings(bastion), 1, `more than one knocked:\n${all.join('--\n')}`);
    },
  );

  const count = 100;
  test(
    `when ${count} sessions follow one another at a ${otp} door then an open door is not knocked at again`,
    slowly,
    async () => {
      await using bastion = await Bastion.create({
        doors: door(`otp = ${otp}\n${otp === 'totp' ? 'step = 5\n' : ''}cmd_timeout = 5`),
      });
      const laptop = await bastion.enroll('laptop');
      await bastion.start();
      await added(bastion, laptop.uri);
      for (let at = 0; at < count; at += 1) {
        const { code, stdout, stderr } = await bastion.knockOtp(['--proxy', 'work', '22'], { input: '' });
        assert.deepEqual([code, stdout], [0, 'hello\n'], `session ${at}: ${stderr}`);
      }
      const closings = bastion.daemon.stderr.split('\n').filter((line) => /otpd: closed .*door=ssh/.test(line)).length;
      // A check that is late on a busy machine costs only one factor.
      const slack = Math.ceil(count / 20);
      assert.ok(openings(bastion) <= closings + 1 + slack, `${openings(bastion)} openings, ${closings} closings`);
    },
  );
}

test('when a program is run behind a door then it learns where, and its exit status is ours', options, async () => {
  await using bastion = await Bastion.create({ doors: door('otp = hotp\ncmd_timeout = 60') });
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  await added(bastion, laptop.uri);
  const script =
    'exec 3<>"/dev/tcp/$KNOCK_OTP_ADDRESS/$KNOCK_OTP_PORT" && read -r line <&3 && echo "$KNOCK_OTP_HOST $line"; exit 5';
  const ran = await bastion.knockOtp(['exec', 'work', '--', 'bash', '-c', script]);
  assert.deepEqual([ran.code, ran.stdout], [5, `${bastion.server.ipv4} hello\n`], ran.stderr);
  const rows: readonly (readonly [readonly string[], number])[] = [
    [['no-such-program'], 127],
    [['/etc/passwd'], 126],
    [['sh', '-c', 'kill -9 $$'], 137],
  ];
  for (const [command, status] of rows) {
    const { code } = await bastion.knockOtp(['exec', 'work', '--', ...command]);
    assert.equal(code, status, command.join(' '));
  }
  assert.equal(openings(bastion), 1);
});

test(
  'when the first bastion of a group is dead then the next one wins, with --all that is a failure',
  slowly,
  async () => {
    await using bastion = await Bastion.create({ doors: door('otp = hotp\ncmd_timeout = 60') });
    const live = await bastion.enroll('laptop');
    const dead = await bastion.enroll('dead', { host: '10.77.0.99' });
    await bastion.start();
    await added(bastion, dead.uri, 'b1');
    await added(bastion, live.uri, 'b2');
    const won = await bastion.knockOtp(['b1', 'b2']);
    assert.deepEqual([won.code, won.stdout], [0, `open: b2 (${bastion.server.ipv4}), door ssh, tcp/22\n`], won.stderr);
    const grouped = await bastion.knockOtp(['group', 'add', 'any', 'b1', 'b2']);
    assert.equal(grouped.code, 0, grouped.stderr);
    const proxied = await bastion.knockOtp(['--proxy', 'any', '22'], { input: '' });
    assert.deepEqual([proxied.code, proxied.stdout], [0, 'hello\n'], proxied.stderr);
    const all: Finished = await bastion.knockOtp(['any', '--all', '--timeout', '3']);
    assert.deepEqual([all.code, all.stdout], [1, `already open: b2 (${bastion.server.ipv4}), door ssh, tcp/22\n`]);
    assert.match(all.stderr, /error: 1 of 2 did not open: b1/);
  },
);
