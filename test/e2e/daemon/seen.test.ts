/** Where the two captures differ: packets that the host's network stack would drop, as knocks and as strays. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { type Ends, frameOf, type Packet, pcapOfFrames } from '../../support/core/frames.ts';
import { Bastion } from '../../support/host/bastion.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const DOORS = '[ssh]\notp = hotp\nlook_ahead = 9\nopen = nftables tcp/22\ncmd_timeout = 1\n';
const OPENED = /otpd: (opened|extended) .*door=ssh/;

interface Odd {
  readonly what: string;
  readonly frame: (ends: Ends, knock: Packet, at: number) => Buffer;
}

const ODD: readonly Odd[] = [
  {
    what: 'another MAC address',
    frame: (ends, knock, at) => frameOf({ ...ends, toMac: '02:00:00:00:99:99' }, knock, at),
  },
  {
    what: 'the tag of a VLAN that is no device',
    frame: (ends, knock, at) => frameOf(ends, { ...knock, vlan: 100 }, at),
  },
];

async function replay(bastion: Bastion, frames: readonly Buffer[]): Promise<void> {
  const file = join(bastion.dir, 'odd.pcap');
  await writeFile(file, pcapOfFrames(frames));
  await bastion.client.must(['tcpreplay', '-q', '--pps=1000', '-i', 'eth0', file]);
}

for (const capture of ['kernel', 'pcap'] as const) {
  test(
    `with capture = ${capture}, a knock that the host's stack does not take is ${capture === 'pcap' ? '' : 'not '}heard`,
    options,
    async () => {
      await using bastion = await Bastion.create({ doors: DOORS, capture });
      const laptop = await bastion.enroll('laptop');
      const daemon = await bastion.start();
      const { client, server } = bastion;
      const ends = { fromMac: client.mac, toMac: server.mac, from: client.ipv4, to: server.ipv4 };
      for (const [counter, { what, frame }] of ODD.entries()) {
        const mark = daemon.mark;
        const last = laptop.sequence(counter).length - 1;
        const make = (knock: Knock, at: number) => (at === last ? frame : frameOf)(ends, knock, at);
        await replay(bastion, laptop.sequence(counter).map(make));
        await bastion.barrier();
        const said = daemon.stderr.slice(mark);
        if (capture === 'pcap') assert.match(said, OPENED, what);
        else assert.doesNotMatch(said, OPENED, what);
      }
      // The daemon heard the missing packets, all or some, but a correct knock opens in any case.
      const line = daemon.waitForLine(OPENED, daemon.mark, 10_000);
      await bastion.send(laptop.sequence(ODD.length));
      await line;
    },
  );
}
