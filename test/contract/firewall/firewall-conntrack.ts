/** nftables and connection tracking: scans, and sessions that are older than conntrack. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, test } from 'node:test';
import type { ActionDoor } from '../../../server/firewall/firewall.ts';
import { NftablesFirewall } from '../../../server/firewall/nftables/nftables.ts';
import type { NftRunner } from '../../../server/nft/nft-runner.ts';
import { ADDRESSES, type FirewallWorld, nft, PORTS } from '../../support/host/firewall-world.ts';

const [port, , unguarded] = PORTS;
const [client] = ADDRESSES.IPv4.clients;
const [client6] = ADDRESSES.IPv6.clients;
const { stranger } = ADDRESSES.IPv4;

export function conntrackTests(world: () => FirewallWorld, runner: NftRunner): void {
  const door: ActionDoor = { name: 'a', action: { kind: 'nftables', services: [{ protocol: 'tcp', port }] } };
  let firewall: NftablesFirewall;

  describe(`connection tracking and nftables through ${runner.via}`, () => {
    beforeEach(async () => {
      nft('flush ruleset');
      firewall = new NftablesFirewall(runner);
      await firewall.prepare([door], []);
    });

    test('when conntrack knows nothing of a packet then scans see nothing', (t) => {
      const found = spawnSync('nmap', ['--version']);
      if (found.status !== 0) {
        t.skip('nmap is not installed');
        return;
      }
      for (const scan of ['-sS', '-sA', '-sF', '-sN', '-sW', '-sM']) {
        const { stdout } = spawnSync(
          'nsenter',
          [
            '-t',
            `${world().proberPid}`,
            '-n',
            'nmap',
            scan,
            '-n',
            '-Pn',
            // Another address: conntrack remembers thousands of connections of other tests, whose ports nmap might use.
            '-S',
            stranger,
            '-e',
            'client',
            // The default gives up on a port after 100 ms, and a busy machine may answer later.
            '--initial-rtt-timeout',
            '1500ms',
            '--min-rtt-timeout',
            '1000ms',
            '--max-retries',
            '1',
            '-p',
            `${port},${unguarded}`,
          ].concat('--reason', ADDRESSES.IPv4.server),
          { encoding: 'utf8' },
        );
        assert.match(stdout, new RegExp(`^${port}/tcp\\s+(open\\|)?filtered .*no-response`, 'm'), stdout);
        // Control: without a guard these scans get an answer.
        if (scan === '-sS' || scan === '-sA')
          assert.match(stdout, new RegExp(`^${unguarded}/tcp\\s+(open|unfiltered)`, 'm'));
      }
    });

    for (const [family, from] of [
      ['IPv4', client],
      ['IPv6', client6],
    ] as const) {
      test(`when an idle session over ${family} is older than conntrack then it goes on, and nothing else gets in by it`, async () => {
        await firewall.release();
        const session = await untrackedSession(world(), from);
        await firewall.prepare([door], []);
        // The client sends first: conntrack takes its packet for a new connection.
        await world().assertAlive(session);
        await world().assertDropped(from, port);
        await firewall.prepare([door], []);
        await world().assertAlive(session);
        assert.deepEqual(await firewall.list(), []);
        assert.equal(await firewall.guardStands(), true);
      });
    }

    test('when sessions are older than conntrack then only their packets pass, with an end, and never a SYN', async () => {
      await firewall.release();
      const session = await untrackedSession(world(), stranger);
      await firewall.prepare([door], []);
      const [, sourcePort] =
        new RegExp(`${stranger} \\. (\\d+) \\. ${ADDRESSES.IPv4.server} \\. ${port} timeout 5d`).exec(
          nft('list set inet knock_otp older4'),
        ) ?? [];
      assert(sourcePort !== undefined, nft('list set inet knock_otp older4'));
      // Dropped: a SYN from the session's own port, and an ACK from the next port.
      const target = [ADDRESSES.IPv4.server, '-p', `${port}`];
      const answersTo = (flag: string, from: number) => {
        const probe = ['hping3', '-q', '-a', stranger, '-c', '1', flag, '-k', '-s', `${from}`, ...target];
        const { stderr } = spawnSync('nsenter', ['-t', `${world().proberPid}`, '-n', ...probe], { encoding: 'utf8' });
        return Number(/ (\d+) packets received/.exec(stderr)?.[1] ?? assert.fail(stderr));
      };
      assert.equal(answersTo('--syn', Number(sourcePort)), 0);
      assert.equal(answersTo('--ack', Number(sourcePort) + 1), 0);
      // Control: without the guard both get an answer.
      await world().assertAlive(session);
      await firewall.release();
      // Three tries: hping3 waits a second, and a busy machine may answer later.
      const answers = (flag: string, from: number) => [1, 2, 3].some(() => answersTo(flag, from) === 1);
      assert(answers('--syn', Number(sourcePort)), 'a SYN is answered without the guard');
      assert(answers('--ack', Number(sourcePort) + 1), 'an ACK is answered without the guard');
    });
  });
}

/** A session that is unknown to connection tracking. The kernel goes on tracking for a while after the last rule. */
async function untrackedSession(world: FirewallWorld, from: string): Promise<number> {
  const limit = performance.now() + 5000;
  for (;;) {
    const session = await world.connect(from, port);
    await world.assertAlive(session);
    const tracked = readFileSync('/proc/net/nf_conntrack', 'utf8').split('\n');
    // Sessions of other tests may still be listed until they time out: their remaining time is shorter.
    const young = tracked.some((line) => line.includes('ESTABLISHED') && Number(line.split(/\s+/)[4]) > 431_998);
    if (!young) return session;
    assert(performance.now() < limit, `still tracked: ${tracked.join('\n')}`);
    await world.tryOnce(from, unguarded, 100);
  }
}
