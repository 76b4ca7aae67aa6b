/** An attacker forges the client's address while the client knocks: below the documented rate, the knock still opens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Knock } from '../../../shared/knock.ts';
import { Bastion } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
/** Packets a second. docs/SECURITY.md has the rate that blocks a client: some tens of thousands. */
const RATE = 2_000;
const SECONDS = 5;

test('a knock opens while somebody sends packets with the client’s address to random ports', options, async (t) => {
  if (!hasPatience()) return t.skip('it floods for seconds: npm test -- --long');
  await using bastion = await Bastion.create();
  const laptop = await bastion.enroll('laptop');
  await bastion.start();
  const added = await bastion.knockOtp(['add', '-'], { input: `${laptop.uri}\n` });
  assert.equal(added.code, 0, added.stderr);
  const random = Array.from({ length: RATE * SECONDS }, (): Knock => {
    return { protocol: 'tcp', port: 1024 + Math.floor(Math.random() * 64_000) };
  });
  const spoofing = bastion.send(random, { from: bastion.other, source: bastion.client.ipv4, rate: RATE });
  while ((await eligible(bastion)) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const before = await eligible(bastion);
  const { code, stdout, stderr } = await bastion.knockOtp([bastion.server.ipv4]);
  const during = (await eligible(bastion)) - before;
  await spoofing;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^open: /);
  assert.ok(during > 0, 'no packet came while the client knocked');
});

/** Packets that the daemon has counted. */
async function eligible(bastion: Bastion): Promise<number> {
  const { stdout } = await bastion.control('status', '--json');
  return (JSON.parse(stdout) as { readonly counters: { readonly eligible: number } }).counters.eligible;
}
