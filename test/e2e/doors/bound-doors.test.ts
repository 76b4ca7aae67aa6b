/** `bind = source`: a knock opens only from one address. Tests live copies, NAT, and a wrong address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { addressBytes, addressKey } from '../../../shared/address.ts';
import { derivationKey, deriveAttempt } from '../../../shared/derive.ts';
import { profileShape } from '../../../shared/formats/profile-uri.ts';
import { Bastion, type EnrolledClient } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 120_000 };
const DOORS = '[ssh]\notp = hotp\nbind = source\nopen = nftables tcp/22\ncmd_timeout = 60\n';
const OPENED = /otpd: opened .*door=ssh/;

/** All knocks that the client sends from an address. */
function attempt({ profile }: EnrolledClient, factor: number, source: string) {
  const key = addressKey(source);
  assert.ok(key !== undefined);
  return deriveAttempt(derivationKey(profile.secret), profile, factor, profileShape(profile), addressBytes(key));
}

test(
  'when a racer copies every knock from his own address then he gains nothing, and the client gets in',
  options,
  async () => {
    await using bastion = await Bastion.create({ doors: DOORS });
    const { client, other } = bastion;
    const laptop = await bastion.enroll('laptop');
    assert.equal(laptop.profile.bindsSource, true);
    await bastion.start();
    const knocks = attempt(laptop, 0, client.ipv4);
    assert.equal(knocks.length, 2 * laptop.profile.knocks);
    // The racer sends every packet first, all at once or one by one; the first half is valid from any source.
    await bastion.send(knocks, { from: other });
    for (const knock of knocks) {
      await bastion.send([knock], { from: other });
      await bastion.send([knock], { from: client });
      if (knock === knocks.at(-2)) {
        await bastion.barrier();
        assert.doesNotMatch(bastion.daemon.stderr, OPENED);
      }
    }
    await bastion.daemon.waitForLine(OPENED);
    assert.match(bastion.daemon.stderr, new RegExp(`opened door=ssh source=${client.ipv4.replaceAll('.', '\\.')} `));
    await bastion.barrier();
    assert.equal(await bastion.probe({ from: client }), 'open');
    assert.equal(await bastion.probe({ from: other }), 'silent');
    // Neither a repeat of the whole attempt from either host, nor the second half alone, nor the other address family.
    await bastion.send(knocks, { from: other });
    await bastion.send(attempt(laptop, 1, client.ipv4), { from: other });
    await bastion.send(attempt(laptop, 1, client.ipv4).slice(laptop.profile.knocks), { from: client });
    await bastion.send(attempt(laptop, 1, client.ipv4), { from: client, family: 6 });
    await bastion.barrier();
    assert.equal(bastion.daemon.stderr.match(/otpd: (opened|extended) .*door=ssh/g)?.length, 1);
    // Over IPv6 the client has its own address.
    await bastion.send(attempt(laptop, 1, client.ipv6), { from: client, family: 6 });
    await bastion.daemon.waitForLine(new RegExp(`opened door=ssh source=${client.ipv6}`));
  },
);

/** A name server that answers every A query with the address of the sender. */
const WHOAMI = `const dns = require('node:dgram').createSocket('udp4', (question, { address, port }) => {
  const end = question.indexOf(0, 12) + 5;
  const isA = question.readUInt16BE(end - 4) === 1;
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(isA ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]);
  dns.send(isA ? Buffer.concat([head, answer]) : head, port, address);
}).bind(53, () => console.log('serving'));`;

test(
  'behind NAT, the client gets in when it is told its public address or asks for it, and is told so when not',
  options,
  async (t) => {
    if (!hasPatience()) return t.skip('it waits for a knock that cannot open: npm test -- --long');
    await using bastion = await Bastion.create({ doors: DOORS });
    const { client, other, server } = bastion;
    const laptop = await bastion.enroll('laptop');
    await bastion.start();
    // `other` is the NAT router: the client's packets to the server have its address.
    await other.must([
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects; echo 0 > /proc/sys/net/ipv4/conf/eth0/send_redirects',
    ]);
    await other.must([
      'nft',
      `table ip nat { chain out { type nat hook postrouting priority srcnat; ip saddr ${client.ipv4} masquerade; }; }`,
    ]);
    await client.ip(`route add ${server.ipv4}/32 via ${other.ipv4}`);
    const added = await bastion.knockOtp(['add', '-'], { input: `${laptop.uri}\n` });
    assert.equal(added.code, 0, added.stderr);

    const wrong = await bastion.knockOtp([server.ipv4, '--timeout', '2']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, new RegExp(`opens only for ${client.ipv4}, .*behind NAT .*--source ADDRESS`));
    assert.doesNotMatch(bastion.daemon.stderr, OPENED);

    const told = await bastion.knockOtp([server.ipv4, '--source', other.ipv4]);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /^open: /);
    await bastion.daemon.waitForLine(new RegExp(`opened door=ssh source=${other.ipv4}`));

    const dns = server.spawn([process.execPath, '-e', WHOAMI]);
    await dns.waitForLine(/serving/);
    try {
      const asked = await bastion.knockOtp([server.ipv4, '--again', '--whoami', `me.example@${server.ipv4}`]);
      assert.equal(asked.code, 0, asked.stderr);
      await bastion.daemon.waitForLine(new RegExp(`extended door=ssh source=${other.ipv4}`));
    } finally {
      await dns.end('SIGKILL');
    }
  },
);
