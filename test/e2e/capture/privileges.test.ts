/**
 * The privileges of the daemon: CAP_NET_ADMIN and CAP_NET_RAW suffice, as root or as an ordinary user. And the remaining
 * privileges of its capture child. With scripts/test --few-capabilities all end-to-end tests run as the first kind.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun } from '../../../scripts/lab/running-process.ts';
import { assertNobody, rightsOfThreads } from '../../support/daemon/thread-rights.ts';
import { Bastion, daemonRights } from '../../support/host/bastion.ts';
import { needsRoot } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
/** CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13, see capabilities(7). */
const NET_ADMIN_AND_RAW = /^0*3000$/;
const NONE = /^0+$/;

function statusOf(pid: number): (field: string) => string {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return (field) => new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? assert.fail(`no ${field} in ${text}`);
}

function childOf(pid: number): number {
  const child = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return new RegExp(`^PPid:\\s*${pid}$`, 'm').test(readFileSync(`/proc/${name}/status`, 'latin1'));
    } catch {
      return false;
    }
  });
  return Number(child ?? assert.fail('no capture child'));
}

for (const [rights, uid, childUid] of [
  ['few', 0, 0],
  ['user', 65_534, 65_534],
] as const) {
  test(
    `when the daemon is user ${uid} with two capabilities then doors open and close, and its child has none`,
    options,
    async (t) => {
      if (rights === 'user' && needsRoot(t)) return;
      await using bastion = await Bastion.create({
        doors: '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 1\n',
      });
      const laptop = await bastion.enroll('laptop');
      if (rights === 'user') await mustRun(['chown', '-R', `${uid}:${uid}`, bastion.dir]);
      const daemon = await bastion.start([], rights);
      const ofDaemon = statusOf(daemon.pid);
      for (const set of ['CapEff', 'CapPrm', 'CapBnd']) assert.match(ofDaemon(set), NET_ADMIN_AND_RAW, set);
      assert.match(ofDaemon('Uid'), new RegExp(`^${uid}\\t`));
      const ofChild = statusOf(childOf(daemon.pid));
      for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) assert.match(ofChild(set), NONE, set);
      assert.match(ofChild('Uid'), new RegExp(`^${childUid}\\t${childUid}\\t${childUid}\\t`));
      assert.equal(ofChild('NoNewPrivs'), '1');
      assert.equal(ofChild('Seccomp'), '2');
      for (const thread of rightsOfThreads(childOf(daemon.pid))) {
        assert.deepEqual([thread.NoNewPrivs, thread.Seccomp], ['1', '2']);
      }
      const status = (await bastion.control('status')).stdout;
      if (rights === 'few') assert.match(status, /^rights +.* kept user 0 \(no CAP_SETUID to change it\)/m);
      await bastion.send(laptop.sequence(0));
      await daemon.waitForLine(/otpd: opened .*door=ssh/);
      await daemon.waitForLine(/\bclosed\b.*door=ssh/);
      assert.equal(await bastion.probe(), 'silent');
      const ended = await bastion.stop();
      assert.equal(ended.code, 0, ended.stderr);
    },
  );
}

for (const capture of ['kernel', 'pcap', 'listen'] as const) {
  test(`every thread of the child of capture = ${capture} is nobody without any right`, options, async (t) => {
    if (needsRoot(t)) return;
    await using bastion = await Bastion.create({ service: false });
    const dirs = `state_dir = ${bastion.stateDir}\nclients_dir = ${bastion.dir}/clients\n`;
    const door = '[ssh]\notp = totp\nknocks = 10\nopen = nftables tcp/22\ncmd_timeout = 1\n';
    await bastion.rewriteConfig(`[options]\nserver_id = bastion\ncapture = ${capture}\n${dirs}\n${door}`);
    await bastion.enroll('laptop');
    const daemon = await bastion.start();
    assertNobody(childOf(daemon.pid));
    assert.doesNotMatch((await bastion.control('status')).stdout, /^rights /m);
  });
}

test('the words that take the other capabilities away are words of setpriv', options, async () => {
  const found = await mustRun([...daemonRights('few'), 'grep', '^CapEff', '/proc/self/status']);
  assert.match(found.split('\t')[1]?.trim() ?? '', NET_ADMIN_AND_RAW);
});
