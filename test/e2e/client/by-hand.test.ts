/**
 * `knock-otp show --as`: the printed line runs on a host without knock-otp, against ports that never answer, and opens the
 * door. PowerShell is not available here, so only the golden tests check its line, as text.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { Bastion, type EnrolledClient } from '../../support/host/bastion.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

/** Doors of all shapes, each with its own port to open. */
const DOORS = `[any]
otp = hotp
open = nftables tcp/22
cmd_timeout = 30

[strict]
otp = hotp
order = strict
protocols = both
knocks = 8
open = nftables tcp/23
cmd_timeout = 30

[strict6]
otp = hotp
order = strict
protocols = both
knocks = 8
open = nftables tcp/24
cmd_timeout = 30
`;

/** Drops every knock, as on a server with a firewall. */
const SILENT_PORTS = `table inet silent {
  chain input {
    type filter hook input priority 0
    tcp dport 1024-65535 tcp flags & (syn | ack) == syn drop
    udp dport 1024-65535 drop
  }
}
`;

/** A line that waits for an answer would take a minute for each knock. */
const QUICK_MS = 30_000;

interface Form {
  readonly name: string;
  readonly as: string;
  /** The program that the line runs, if it is not `as`. */
  readonly program?: string;
  readonly hasIpv6: boolean;
  /** Only with --long and in CI, because another form runs the same way. */
  readonly isSlow?: true;
}

const FORMS: readonly Form[] = [
  { name: 'bash', as: 'bash', hasIpv6: true },
  { name: 'nc of OpenBSD', as: 'nc', program: 'nc.openbsd', hasIpv6: true },
  { name: 'the traditional nc', as: 'nc', program: 'nc.traditional', hasIpv6: false, isSlow: true },
  { name: 'nmap', as: 'nmap', hasIpv6: true },
  { name: 'hping3', as: 'hping3', hasIpv6: false, isSlow: true },
];

function pathOf(program: string): string | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin; command -v ${program}`], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

function optionsFor(program: string, isSlow = false): { skip: string | false; timeout: number } {
  if (isSlow && !hasPatience()) return { skip: 'another form runs the same way: npm test -- --long', timeout: 0 };
  const reason = skipWithoutNamespaces();
  const missing = reason === false && pathOf(program) === undefined && process.env['CI'] !== 'true';
  return { skip: missing ? `${program} is not installed` : reason, timeout: 120_000 };
}

async function silentBastion(): Promise<Bastion> {
  const bastion = await Bastion.create({ doors: DOORS });
  await bastion.serve(23);
  await bastion.serve(24);
  await bastion.server.must(['nft', '-f', '-'], { input: SILENT_PORTS });
  return bastion;
}

async function enrolled(bastion: Bastion, door: string, host: string): Promise<EnrolledClient> {
  const client = await bastion.enroll(`user-${door}`, { door, host });
  const added = await bastion.knockOtp(['add', '-', '--as', door], { input: `${client.uri}\n` });
  assert.equal(added.code, 0, added.stderr);
  return client;
}

/** Runs a line as a user pastes it, optionally with `program` in place of `as`. */
async function paste(bastion: Bastion, line: string, { as, program }: Form): Promise<number> {
  const bin = await mkdtemp(join(bastion.dir, 'bin-'));
  try {
    if (program !== undefined) await symlink(pathOf(program) ?? '/nonexistent', join(bin, as));
    const startedMs = performance.now();
    const ran = await bastion.other.run(['bash', '-c', line], {
      env: { PATH: `${bin}:${process.env['PATH']}:/usr/sbin:/sbin` },
      timeoutMs: 30_000,
    });
    assert.equal(ran.stderr, '');
    return performance.now() - startedMs;
  } finally {
    await rm(bin, { recursive: true });
  }
}

for (const form of FORMS) {
  test(
    `the line for ${form.name} opens doors in any and in strict order`,
    optionsFor(form.program ?? form.as, form.isSlow),
    async () => {
      await using bastion = await silentBastion();
      const { ipv4, ipv6 } = bastion.server;
      const cases = [
        { door: 'any', family: 4, port: 22 },
        { door: 'strict', family: 4, port: 23 },
        ...(form.hasIpv6 ? [{ door: 'strict6', family: 6, port: 24 } as const] : []),
      ] as const;
      for (const { door, family } of cases) await enrolled(bastion, door, family === 4 ? ipv4 : ipv6);
      await bastion.start();
      for (const { door, family, port } of cases) {
        const shown = await bastion.knockOtp(['show', door, '--as', form.as]);
        assert.equal(shown.code, 0, shown.stderr);
        assert.match(shown.stderr, /counter 0, not spent\n.*use the line once/);
        const from = bastion.other;
        assert.equal(await bastion.probe({ from, family, port }), 'silent', door);
        const mark = bastion.daemon.mark;
        const tookMs = await paste(bastion, shown.stdout.trim(), form);
        await bastion.daemon.waitForLine(new RegExp(`otpd: opened .*door=${door} `), mark);
        assert.equal(await bastion.probe({ from, family, port }), 'open', door);
        assert.ok(tookMs < QUICK_MS, `${door}: ${Math.round(tookMs)} ms`);
      }
    },
  );
}

test(
  'a line of a one-time file is shown, stays unstruck, and opens when it is pasted',
  optionsFor('bash'),
  async () => {
    await using bastion = await Bastion.create();
    const text = ' 7001,8001:udp,9001\n 7002,8002:udp,9002\n';
    const [served, copy] = [join(bastion.dir, 'server.sequences'), join(bastion.dir, 'client.sequences')];
    for (const path of [served, copy]) await writeFile(path, text, { mode: 0o600 });
    await bastion.configure({
      doors: `[ssh]\none_time_sequences = ${served}\ntcpflags = syn\nopen = nftables tcp/22\ncmd_timeout = 30\n`,
    });
    await bastion.server.must(['nft', '-f', '-'], { input: SILENT_PORTS });
    await bastion.start();
    const shown = await bastion.knockOtp(['show', bastion.server.ipv4, '--one-time', copy, '--as', 'bash']);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stderr, /client\.sequences:1, not struck out: put a #/);
    assert.equal(await readFile(copy, 'utf8'), text);
    await paste(bastion, shown.stdout.trim(), { name: 'bash', as: 'bash', hasIpv6: true });
    await bastion.daemon.waitForLine(/ssh: OPEN SESAME/);
    assert.equal(await readFile(served, 'utf8'), text.replace(' 7001', '#7001'));
  },
);
