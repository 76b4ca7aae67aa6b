/**
 * Sets up the daemons that the bench compares, each as its own documentation says. Each hides the same port with
 * nftables, or with iptables where it supports nothing else. Also knows how to knock at each.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { parseProfileUri, profileShape } from '../../../shared/formats/profile-uri.ts';
import type { NetworkHost } from '../../lab/namespaces.ts';
import { mustRun, type RunningProcess } from '../../lab/running-process.ts';
import { HIDDEN_PORT, type Rig, type TimedKnock } from './rig.ts';

const SERVER = fileURLToPath(new URL('../../../dist/knock-otpd.cjs', import.meta.url));
const LOOK_AHEAD = 10;
const KNOCKD_PORTS = [7000, 8000, 9000];
/** Time limit for a client that sends once: it opens at once or never. */
const SHOT_PATIENCE_MS = 1500;
const KNOCK_TIMEOUT_MS = 10_000;
/** Longer than the kernel remembers the sources that touched a live port. */
const CALM_PATIENCE_MS = 120_000;

export interface Contestant {
  readonly daemon: RunningProcess;
  /** The ports that the daemon listens for now. */
  livePorts(): readonly number[];
  knock(): Promise<TimedKnock>;
  /** Resolves when the effects of the last flood are over, so that they do not count as costs of the next one. */
  readonly calm?: () => Promise<void>;
  /** Runs the program of a client that sends once, on a host of the rig, from an address of the host. */
  readonly shoot?: (host: NetworkHost, source: string) => Promise<void>;
}

export type CaptureMode = 'kernel' | 'pcap';
export const CONTESTANTS = ['kernel', 'pcap', 'knockd', 'fwknopd'] as const;
export type ContestantName = (typeof CONTESTANTS)[number];

/** The names in reports. */
export const TITLES: Readonly<Record<ContestantName, string>> = {
  kernel: 'knock-otpd',
  pcap: 'knock-otpd, capture = pcap',
  knockd: 'knockd',
  fwknopd: 'fwknopd',
};

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$0"', name]).status === 0;
}

export async function start(name: ContestantName, rig: Rig): Promise<Contestant> {
  if (name === 'knockd') return await startKnockd(rig);
  return name === 'fwknopd' ? await startFwknopd(rig) : await startOurs(rig, name);
}

/** The first section of the configuration; `kernel` is the default of the daemon. */
export function optionsText(rig: Rig, capture: CaptureMode): string {
  return `[options]
interface = eth0
server_id = bench
state_dir = ${join(rig.dir, 'state')}
clients_dir = ${join(rig.dir, 'clients')}
${capture === 'pcap' ? 'capture = pcap\n' : ''}`;
}

/** Starts knock-otpd with a configuration and waits until it captures packets. */
export async function launchOurs(rig: Rig, config: string): Promise<RunningProcess> {
  const file = join(rig.dir, 'knock-otp.conf');
  await writeFile(file, config, { mode: 0o600 });
  const daemon = rig.daemon([process.execPath, SERVER, '-c', file]);
  await daemon.waitForLine(/\blistening\b/, 0, 120_000);
  await daemon.waitForLine(/\bready\b/);
  return daemon;
}

/** Whether this version supports the capture mode, besides the default mode. */
export async function knowsCapture(rig: Rig): Promise<boolean> {
  const file = join(rig.dir, 'probe.conf');
  await writeFile(file, `${optionsText(rig, 'pcap')}\n[ssh]\notp = hotp\nopen = nftables tcp/22\n`, { mode: 0o600 });
  const { stdout, stderr } = await rig.server.run([process.execPath, SERVER, 'check', '-c', file]);
  return !/\bcapture: this key is not known/.test(stdout + stderr);
}

async function startOurs(rig: Rig, capture: CaptureMode): Promise<Contestant> {
  const door = `[ssh]\notp = hotp\nlook_ahead = ${LOOK_AHEAD}\nopen = nftables tcp/${HIDDEN_PORT}\ncmd_timeout = 600\n`;
  const config = `${optionsText(rig, capture)}\n${door}`;
  const file = join(rig.dir, 'knock-otp.conf');
  await writeFile(file, config, { mode: 0o600 });
  const enrol = ['enroll', 'laptop', '--door', 'ssh', '--host', rig.server.ipv4, '-c', file];
  const uri = (await rig.server.must([process.execPath, SERVER, ...enrol])).match(/^otpauth:.*$/m)?.[0] ?? '';
  const profile = parseProfileUri(uri);
  const key = derivationKey(profile.secret);
  const daemon = await launchOurs(rig, config);
  let counter = 0;
  return {
    daemon,
    livePorts: () => {
      const live = Array.from({ length: LOOK_AHEAD + 1 }, (_, at) =>
        deriveSequence(key, profile, counter + at, profileShape(profile)),
      );
      return live.flat().map(({ port }) => port);
    },
    knock: async () => {
      const timed = await rig.knock({ kind: 'otp', uri, counter, timeoutMs: KNOCK_TIMEOUT_MS });
      counter = timed.nextCounter;
      return timed;
    },
    calm: async () => {
      const status = ['status', '--json', '-c', file];
      const chooses = async () =>
        capture !== 'kernel' ||
        /"sees":"live"/.test((await rig.server.run([process.execPath, SERVER, ...status])).stdout);
      await rig.until('the kernel chooses again', chooses, CALM_PATIENCE_MS);
    },
  };
}

async function startKnockd(rig: Rig): Promise<Contestant> {
  const guard = `add table inet guard
add set inet guard granted { type ipv4_addr; flags timeout; }
add chain inet guard in { type filter hook input priority 0; }
add rule inet guard in tcp dport ${HIDDEN_PORT} ip saddr != @granted drop
`;
  await rig.server.must(['nft', '-f', '-'], { input: guard });
  const config = `[options]
  logfile = ${join(rig.dir, 'knockd.log')}
[ssh]
  sequence = ${KNOCKD_PORTS.join(',')}
  seq_timeout = 10
  tcpflags = syn
  start_command = /usr/sbin/nft add element inet guard granted { %IP% timeout 600s }
`;
  const file = join(rig.dir, 'knockd.conf');
  await writeFile(file, config, { mode: 0o600 });
  const daemon = rig.daemon(['knockd', '-i', 'eth0', '-c', file, '-p', join(rig.dir, 'knockd.pid')]);
  // The log says that it listens before its filter is in the kernel: libpcap's own first filter has one instruction.
  await rig.until('knockd listens', async () => /bpf filter \((?!1\))/.test(await rig.server.must(['ss', '-0bn'])));
  return {
    daemon,
    livePorts: () => KNOCKD_PORTS,
    knock: async () =>
      await rig.knock({
        kind: 'ports',
        ports: KNOCKD_PORTS,
        host: rig.server.ipv4,
        verifyPort: HIDDEN_PORT,
        timeoutMs: SHOT_PATIENCE_MS,
      }),
    shoot: async (host) => {
      await host.must(['knock', rig.server.ipv4, ...KNOCKD_PORTS.map(String)]);
    },
  };
}

/** fwknop authorizes a packet by its content; the port is fixed, and the packet is UDP. */
const FWKNOP_PORT = 62_201;

async function startFwknopd(rig: Rig): Promise<Contestant> {
  const keys = await mustRun(['fwknop', '--key-gen'], { env: { HOME: rig.dir } });
  const keyLines = ['KEY_BASE64', 'HMAC_KEY_BASE64']
    .map((name) => `${name} ${new RegExp(`^${name}: (\\S+)`, 'm').exec(keys)?.[1]}`)
    .join('\n');
  const runDir = join(rig.dir, 'fwknop');
  await mkdir(runDir, { mode: 0o700 });
  const files = {
    'fwknopd.conf': `PCAP_INTF eth0;\nPCAP_FILTER udp port ${FWKNOP_PORT};\nFWKNOP_RUN_DIR ${runDir};\nFWKNOP_CONF_DIR ${runDir};\n`,
    'access.conf': `SOURCE ANY\n${keyLines}\nFW_ACCESS_TIMEOUT 600\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(runDir, name), text, { mode: 0o600 });
  await rig.server.must(['iptables', '-A', 'INPUT', '-p', 'tcp', '--dport', `${HIDDEN_PORT}`, '-j', 'DROP']);
  const paths = ['-c', 'fwknopd.conf', '-a', 'access.conf', '-p', 'pid'].map((word) =>
    word.startsWith('-') ? word : join(runDir, word),
  );
  const daemon = rig.daemon(['fwknopd', '-f', '-i', 'eth0', '-r', runDir, ...paths]);
  await daemon.waitForLine(/Starting fwknopd main event loop/);
  const shoot = async (host: NetworkHost, source: string): Promise<void> => {
    const rc = `[bench]\nSPA_SERVER ${rig.server.ipv4}\nACCESS tcp/${HIDDEN_PORT}\nALLOW_IP ${source}\n${keyLines}\nUSE_HMAC Y\n`;
    const file = join(runDir, `rc-${host.name}`);
    await writeFile(file, rc, { mode: 0o600 });
    await host.must(['fwknop', '-n', 'bench', '--rc-file', file, '--no-save-args'], { env: { HOME: rig.dir } });
  };
  const order = { kind: 'watch', host: rig.server.ipv4, verifyPort: HIDDEN_PORT, timeoutMs: SHOT_PATIENCE_MS } as const;
  return {
    daemon,
    livePorts: () => [FWKNOP_PORT],
    knock: async () => await rig.knock(order, async (source) => await shoot(rig.client, source)),
    shoot,
  };
}
