/**
 * Plays the demo: three hosts on a switch (bastion, laptop, thief), a hidden service, one knock, its replay. Every step
 * checks what it shows. The first check that fails ends the demo with exit code 1.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pc from 'picocolors';
import { type Connection, Network, type NetworkHost } from '../lab/namespaces.ts';
import type { RunningProcess } from '../lab/running-process.ts';
import { startSshServer } from '../lab/ssh-server.ts';
import { Story } from './story.ts';

const PROGRAMS = join(import.meta.dirname, '../..');
const SERVER = join(PROGRAMS, 'server', 'main.js');
const CLIENT = join(PROGRAMS, 'client', 'main.js');
const RECORDER = join(PROGRAMS, '..', 'scripts', 'lab', 'record-frames.mjs');
const GRANT_SECONDS = 6;

const story = new Story();
const folder = mkdtempSync(join(tmpdir(), 'knock-otp-demo-'));
const running: RunningProcess[] = [];
const network = await Network.create(['bastion', 'laptop', 'thief']);
try {
  await play(network.host('bastion'), network.host('laptop'), network.host('thief'));
  console.log(`\n${pc.green('That is knock-otp.')}`);
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await Promise.all(running.map((child) => child.end('SIGKILL')));
  await network.dispose();
  rmSync(folder, { recursive: true, force: true });
}

async function play(bastion: NetworkHost, laptop: NetworkHost, thief: NetworkHost): Promise<void> {
  const environment = { XDG_CONFIG_HOME: join(folder, 'laptop'), NO_COLOR: '1' };
  const sshd = await startSshServer(bastion, folder);
  running.push(sshd.process);
  story.tell('bastion runs sshd on port 22; anybody can see it');
  story.check('the thief connects to it', (await thief.connect(bastion.ipv4, 22)).state === 'open');

  story.tell('bastion hides it behind a door of knock-otpd');
  const config = writeConfig();
  const daemon = bastion.spawn(['node', SERVER, '-c', config]);
  running.push(daemon);
  story.show(await daemon.waitForLine(/ready/));
  await scan(thief, bastion);

  story.tell('the administrator enrolls the laptop');
  const enrolment = await bastion.run(['node', SERVER, 'enroll', 'laptop', '--host', bastion.ipv4, '-c', config]);
  story.check('the profile URI is printed once', enrolment.stdout.startsWith('otpauth://totp/bastion:'));
  story.show(enrolment.stdout.replace(/secret=[A-Z2-7]+/, 'secret=...'));
  story.show(
    await laptop.must(['node', CLIENT, 'add', '-', '--as', 'bastion'], { env: environment, input: enrolment.stdout }),
  );

  story.tell('the laptop knocks, and the thief captures every packet of it');
  const capture = join(folder, 'knock.pcap');
  const filter = `src host ${laptop.ipv4} and tcp[tcpflags] & tcp-syn != 0 and not port 22`;
  const recorder = bastion.spawn(['node', RECORDER, capture, filter]);
  running.push(recorder);
  await recorder.waitForLine(/^recording/);
  const knock = await laptop.run(['node', CLIENT, 'bastion', '-v'], { env: environment });
  story.show(knock.stderr + knock.stdout);
  story.check('knock-otp says that the door is open', knock.code === 0);
  const ticks = 'echo "in: session of $(id -un) on port 22"; while sleep 0.2; do echo tick; done';
  const session = laptop.spawn([...sshd.command, `${sshd.user}@${bastion.ipv4}`, ticks]);
  running.push(session);
  story.show(await session.waitForLine(/^in: /));
  const closed = daemon.waitForLine(/closed door=/);
  await recorder.end('SIGINT');

  story.tell('the thief sends the captured knock again, packet by packet, from his own address');
  const mark = daemon.mark;
  story.show(await replay(capture, laptop, thief));
  story.show(await daemon.waitForLine(/refused: (replay|contested)/, mark));
  story.check('the port stays shut for him', isShut(await thief.connect(bastion.ipv4, 22)));

  story.tell(`after ${GRANT_SECONDS} seconds the door closes behind the laptop`);
  story.show(await closed);
  story.check('a new connection of the laptop is not let in', isShut(await laptop.connect(bastion.ipv4, 22)));
  story.check('the session that is there lives on', await isAlive(session));
}

async function scan(thief: NetworkHost, bastion: NetworkHost): Promise<void> {
  const found = await thief.connect(bastion.ipv4, 22);
  story.check('the port answers nobody', isShut(found));
  const nmap = await thief.run(['nmap', '-n', '-Pn', '--max-retries', '0', '-p', '20-25', bastion.ipv4]);
  if (nmap.code !== 0) return;
  story.show(
    nmap.stdout
      .split('\n')
      .filter((line) => /PORT|\/tcp|scanned/.test(line))
      .join('\n'),
  );
  story.check('nmap finds nothing open', !/^\d+\/tcp\s+open/m.test(nmap.stdout));
}

/** Replays with tcpreplay: the same packets, with the thief's address and corrected checksums. */
async function replay(capture: string, laptop: NetworkHost, thief: NetworkHost): Promise<string> {
  const edited = join(folder, 'replay.pcap');
  await thief.must([
    'tcprewrite',
    `--infile=${capture}`,
    `--outfile=${edited}`,
    `--srcipmap=${laptop.ipv4}/32:${thief.ipv4}/32`,
    `--enet-smac=${thief.mac}`,
    '--fixcsum',
  ]);
  const sent = await thief.must(['tcpreplay', '--intf1=eth0', '--topspeed', edited]);
  return sent
    .split('\n')
    .filter((line) => /Actual|Successful/.test(line))
    .join('\n');
}

function writeConfig(): string {
  const path = join(folder, 'knock-otp.conf');
  const lines = [
    '[options]',
    '  interface   = eth0',
    '  server_id   = bastion',
    `  state_dir   = ${join(folder, 'state')}`,
    `  clients_dir = ${join(folder, 'clients')}`,
    '[ssh]',
    '  otp         = totp',
    '  open        = nftables tcp/22',
    `  cmd_timeout = ${GRANT_SECONDS}`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

function isShut({ state }: Connection): boolean {
  return state === 'silent';
}

/** Whether ticks of the other side still arrive, which takes packets both ways. */
async function isAlive(session: RunningProcess): Promise<boolean> {
  const before = session.stdout.length;
  const deadline = Date.now() + 3000;
  while (session.stdout.length < before + 10 && Date.now() < deadline) await delay(50);
  return session.stdout.length >= before + 10;
}
