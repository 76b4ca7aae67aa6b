/** `capture = listen` of a daemon with a niceness of its own: its child hears, and takes no more of the processor. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { mustRun } from '../../../scripts/lab/running-process.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { needsRoot } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 60_000 };

/** The niceness of each child of a process. */
function nicenessOfChildren(parent: number): readonly number[] {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'latin1')
          .replace(/^.*\) /s, '')
          .split(' ');
      } catch {
        return []; // ended
      }
    });
  // proc(5): behind the name come the state, the parent, and at the 17th place of these the niceness.
  return stats.filter((fields) => Number(fields[1]) === parent).map((fields) => Number(fields[16]));
}

for (const [own, ofChild] of [
  [0, 5],
  [10, 10],
] as const) {
  test(
    `when the daemon has niceness ${own} and no capability then its child has ${ofChild} and hears`,
    options,
    async (t) => {
      if (needsRoot(t)) return;
      await using bastion = await Bastion.create({ service: false });
      await bastion.rewriteConfig(`[options]
capture = listen
server_id = bastion
state_dir = ${bastion.stateDir}
clients_dir = ${join(bastion.dir, 'clients')}

[box]
otp = totp
knocks = 10
start_command = /bin/true
`);
      const laptop = await bastion.enroll('laptop', { door: 'box' });
      await mustRun(['chown', '-R', '65534:65534', bastion.dir]);
      const daemon = bastion.launch([], 'none', ['nice', '-n', `${own}`]);
      await daemon.waitForLine(/\blistening\b/);
      await daemon.waitForLine(/\bready\b/);
      assert.deepEqual(nicenessOfChildren(daemon.pid), [ofChild]);
      await bastion.knockOtp(['add', '-', '--as', 'box'], { input: laptop.uri });
      await bastion.knockOtp(['box']);
      await daemon.waitForLine(/otpd: opened door=box/);
    },
  );
}
