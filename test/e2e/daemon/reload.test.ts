/** A reload takes the whole configuration or nothing, and doors without a change stay open. */
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { fileSays } from '../../support/host/file-says.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const SSH = '[ssh]\notp = hotp\nopen = nftables tcp/22\ncmd_timeout = 60\n';
const WEB = '[web]\notp = hotp\nopen = nftables tcp/8080\ncmd_timeout = 60\n';
const OPENED_SSH = /otpd: (opened|extended) .*door=ssh/;

async function withScript(bastion: Bastion, name: string): Promise<{ door: string; calls: string }> {
  const calls = join(bastion.dir, `${name}.calls`);
  const script = join(bastion.dir, name);
  await writeFile(script, `#!/bin/sh\necho "$*" >> ${calls}\n`, { mode: 0o700 });
  await writeFile(calls, '');
  const door = `[gate]\notp = hotp\nstart_command = ${script} start %IP%\nstop_command = ${script} stop %IP%\ncmd_timeout = 60\n`;
  return { door, calls };
}

test(
  'when doors are added, changed and removed then unchanged ones stay open and the others close as they were opened',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: SSH });
    const [first, second] = [await withScript(bastion, 'first'), await withScript(bastion, 'second')];
    await bastion.configure({ doors: SSH + first.door });
    const laptop = await bastion.enroll('laptop');
    const guest = await bastion.enroll('guest', { door: 'gate' });
    const daemon = await bastion.start();
    const { client } = bastion;
    await bastion.send(laptop.sequence(0));
    await daemon.waitForLine(OPENED_SSH);
    await bastion.send(guest.sequence(0));
    await daemon.waitForLine(/otpd: opened .*door=gate/);

    // A new action and policy for the gate, and a new door.
    await bastion.configure({ doors: `${SSH}${second.door}look_ahead = 20\n${WEB}` });
    const visitor = await bastion.enroll('visitor', { door: 'web' });
    const taken = await bastion.control('reload');
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stderr, /configuration is taken: new: web; changed: gate; 1 enrolled/);
    await daemon.waitForLine(/\bclosed\b.*door=gate/);
    assert.equal(await readFile(first.calls, 'utf8'), `start ${client.ipv4}\nstop ${client.ipv4}\n`);
    assert.equal(await readFile(second.calls, 'utf8'), '');
    assert.equal(await bastion.probe(), 'open');
    assert.doesNotMatch(daemon.stderr, /\bclosed\b.*door=ssh/);
    await bastion.send(visitor.sequence(0));
    await daemon.waitForLine(/otpd: opened .*door=web/);
    await bastion.send(guest.sequence(0));
    await bastion.barrier();
    assert.equal(await readFile(second.calls, 'utf8'), '', 'a sequence spent before the change opened after it');
    await bastion.send(guest.sequence(1));
    await daemon.waitForLine(/otpd: opened .*door=gate/, daemon.stderr.indexOf('door=gate reopens=true'));
    assert.equal(await readFile(second.calls, 'utf8'), `start ${client.ipv4}\n`);

    await bastion.configure({ doors: SSH });
    assert.equal((await bastion.control('reload')).code, 0);
    await daemon.waitForLine(/\bclosed\b.*door=gate/, daemon.stderr.indexOf('door removed'));
    assert.equal(await readFile(second.calls, 'utf8'), `start ${client.ipv4}\nstop ${client.ipv4}\n`);
    assert.equal(await bastion.probe(), 'open');
    assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
    const { stdout } = await bastion.control('status', '--json');
    const { grants } = JSON.parse(stdout) as { grants: { door: string }[] };
    assert.deepEqual(
      grants.map(({ door }) => door).filter((door) => door !== 'barrier'),
      ['ssh'],
    );
  },
);

test(
  'when the file is broken, or takes a restart, then everything stays as it was and all problems are said',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: SSH });
    const laptop = await bastion.enroll('laptop');
    const daemon = await bastion.start();
    await bastion.send(laptop.sequence(0));
    await daemon.waitForLine(OPENED_SSH);

    await bastion.configure({ doors: `${SSH}knocks = 99\nnonsense = 1\n[open-to-all]\notp = maybe\n` });
    const broken = await bastion.control('reload');
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /knocks: [\s\S]*nonsense: [\s\S]*\[open-to-all\] otp: /);
    let mark = daemon.mark;
    daemon.kill('SIGHUP');
    await daemon.waitForLine(/configuration not taken, the one before stays .*problems/, mark);
    await daemon.waitForLine(/\[open-to-all\] otp: /, mark);
    assert.match(daemon.stderr.slice(mark), /knocks: [\s\S]*nonsense: /);

    await bastion.configure({ doors: SSH, serverId: 'another' });
    mark = daemon.mark;
    const fixed = await bastion.control('reload');
    assert.equal(fixed.code, 2);
    assert.match(fixed.stderr, /\[options\] server_id: takes effect with a restart only: it is "bastion"/);

    // A door that this machine cannot prepare: the reload restores the previous state.
    await bastion.configure({ doors: `${SSH}${WEB}[old]\notp = hotp\nopen = ipfw tcp/70\n` });
    const refused = await bastion.control('reload');
    assert.equal(refused.code, 1, refused.stderr);
    await bastion.send(laptop.sequence(0), { from: bastion.other });
    await bastion.barrier();
    assert.equal(await bastion.probe(), 'open');
    assert.equal(await bastion.probe({ from: bastion.other }), 'silent');
    mark = daemon.mark;
    await bastion.send(laptop.sequence(1), { from: bastion.other });
    await daemon.waitForLine(OPENED_SSH, mark);
    assert.equal(await bastion.probe({ from: bastion.other }), 'open');
  },
);

test(
  'when signals storm then the file is read a few times, knocks open, and the renamed log is let go',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: SSH });
    const logFile = join(bastion.dir, 'log');
    await bastion.rewriteConfig(
      (await readFile(bastion.configFile, 'utf8')).replace('[barrier]', `logfile = ${logFile}\n[barrier]`),
    );
    const laptop = await bastion.enroll('laptop');
    const daemon = await bastion.start();
    await rename(logFile, `${logFile}.1`);
    const startedAt = Date.now();
    for (let signals = 0; signals < 300; signals += 1) {
      daemon.kill('SIGHUP');
      if (signals % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await bastion.send(laptop.sequence(0));
    await daemon.waitForLine(OPENED_SSH);
    await daemon.waitForLine(/configuration taken/);
    const taken = daemon.stderr.match(/configuration taken/g)?.length ?? 0;
    const most = 2 + Math.ceil((Date.now() - startedAt) / 500);
    assert.ok(taken <= most, `${taken} readings, ${most} at most`);
    await fileSays(logFile, /opened door=ssh/);
    assert.doesNotMatch(await readFile(`${logFile}.1`, 'utf8'), /opened door=ssh/);
    assert.equal(await bastion.probe(), 'open');
  },
);
