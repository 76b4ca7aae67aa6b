/**
 * The capture child under Debian 13's own Node.js. Its libuv may use io_uring, and so its `process.setuid` throws. Programs
 * are ours as they are built; the native modules are compiled there.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DebianHost } from '../../../scripts/lab/debian-host.ts';
import { debianRoot } from '../../../scripts/lab/debian-root.ts';
import { Network, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { captureChild } from '../../support/daemon/capture-child.ts';
import { assertNobody } from '../../support/daemon/thread-rights.ts';
import { needsRoot } from '../../support/host/inside-namespaces.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const isLong = process.env['KNOCK_OTP_LONG'] !== undefined;
/** CI takes a skip for a failure, and has no time for this. */
const isLeftOut = !isLong && process.env['CI'] === 'true';
const skip = skipWithoutNamespaces() || (isLong ? false : 'it makes a Debian and compiles: npm test -- --long');
const LIB = '/opt/knock-otp';
/** What the daemon loads that is not in its single file, and what their compilation loads. */
const MODULES = ['cap', 'nan', 'better-sqlite3', 'bindings', 'file-uri-to-path', 'koffi', '@koromix'];
const CONFIG = `[options]
interface = eth0
server_id = debian13
state_dir = /var/lib/knock-otp
clients_dir = /etc/knock-otp/clients
capture = pcap

[ssh]
otp = totp
open = nftables tcp/22
cmd_timeout = 5
`;

async function underDebian13(t: TestContext): Promise<void> {
  if (needsRoot(t)) return;
  const root = await debianRoot('trixie');
  const folder = await mkdtemp(join(tmpdir(), 'knock-otp-debian-13-'));
  try {
    await using network = await Network.create(['server']);
    await using host = await DebianHost.start(network.host('server'), root, folder, { lendsNode: false });
    const versions = await host.must('node -p \'process.version + " libuv " + process.versions.uv\'');
    t.diagnostic(versions.trim());
    const refused = await host.must(
      "node -e 'try { process.setuid(65534) } catch (error) { console.log(error.code) }'",
    );
    assert.equal(refused, 'ERR_INVALID_STATE\n', 'this Debian no longer shows what the test is about');

    await host.must(`mkdir -p ${LIB}/node_modules /var/lib/knock-otp && mkdir -p -m 700 /etc/knock-otp/clients`);
    for (const name of ['dist', ...MODULES.map((each) => `node_modules/${each}`)]) {
      await host.bringFolder(join(repository, name), join(LIB, name));
    }
    await host.write(`${LIB}/package.json`, await readFile(join(repository, 'package.json'), 'utf8'));
    for (const name of ['cap', 'better-sqlite3']) {
      const compile = 'node-gyp rebuild --nodedir=/usr';
      await host.must(`cd ${LIB}/node_modules/${name} && CFLAGS=-O0 CXXFLAGS=-O0 ${compile}`, { timeoutMs: 600_000 });
    }
    await host.write('/etc/knock-otp/knock-otp.conf', CONFIG);
    await host.must('chmod 600 /etc/knock-otp/knock-otp.conf');
    const program = `node ${LIB}/dist/knock-otpd.cjs`;
    const config = '-c /etc/knock-otp/knock-otp.conf';
    await host.must(`${program} enroll laptop --host 10.77.0.1 ${config}`);
    const daemon = host.start(`exec ${program} ${config}`);
    await daemon.waitForLine(/\blistening\b.*dropped to user 65534/);
    await daemon.waitForLine(/\bready\b/);
    assertNobody(captureChild(daemon.pid));
    assert.doesNotMatch(await host.must(`${program} status ${config}`), /^rights /m);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (!isLeftOut) {
  test(
    'under the Node.js of Debian 13 every thread of the child is nobody',
    { skip, timeout: 1_500_000 },
    underDebian13,
  );
}
