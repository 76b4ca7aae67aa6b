/**
 * The shorter story, for hosts without namespaces, rights or pcap: a daemon that listens, a service that asks which
 * sources to admit, one knock, its replay and a sweep, all on loopback. For some seconds ports of this host listen.
 */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pc from 'picocolors';
import { mustRun, RunningProcess, run } from '../lab/running-process.ts';
import { Story } from './story.ts';

const PROGRAMS = join(import.meta.dirname, '../..');
const SERVER = join(PROGRAMS, 'server', 'main.js');
const CLIENT = join(PROGRAMS, 'client', 'main.js');
const GRANT_SECONDS = 4;
const [HOST, THIEF, SCANNER] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

const story = new Story();
const folder = mkdtempSync(join(tmpdir(), 'knock-otp-demo-'));
const admitted = join(folder, 'admitted');
const environment = { XDG_CONFIG_HOME: join(folder, 'laptop'), NO_COLOR: '1' };
mkdirSync(admitted);
const service = await startService();
const daemon = new RunningProcess(['node', SERVER, '-c', writeConfig()], { env: { NO_COLOR: '1' } });
try {
  await play();
  console.log(`\n${pc.green('That is knock-otp, without any rights.')}`);
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await daemon.end('SIGTERM');
  service.close();
  rmSync(folder, { recursive: true, force: true });
}

async function play(): Promise<void> {
  const config = join(folder, 'knock-otp.conf');
  story.tell('a service admits whoever has a file in a folder; nobody has');
  story.check('the laptop is turned away', (await greeting(HOST)) === 'go away');

  story.tell('knock-otpd has no rights at all: it listens, at live ports and at decoys');
  story.show(await daemon.waitForLine(/ready/));
  const uri = await mustRun(['node', SERVER, 'enroll', 'laptop', '--host', HOST, '-c', config]);
  await mustRun(['node', CLIENT, 'add', '-', '--as', 'box'], { env: environment, input: uri });
  await waitFor(async () => /listen, [1-9]\d+ of/.test(await status(config)));
  story.show((await status(config)).split('\n').slice(0, 4).join('\n'));

  story.tell('a scanner finds the ports that listen, and sweeps them up and down');
  const ports = listeningPorts();
  const swept = await touch(ports, SCANNER);
  await touch(ports.toReversed(), SCANNER);
  story.check(`${swept} ports answered him, and nothing opened`, swept > 1000 && !existsSync(join(admitted, SCANNER)));

  story.tell('the laptop knocks');
  const knock = await run(['node', CLIENT, 'box', '-v'], { env: environment });
  story.show(knock.stderr);
  story.check('knock-otp has sent it', knock.code === 0);
  story.show(await daemon.waitForLine(/opened door=box/));
  const closed = daemon.waitForLine(/closed door=box/);
  story.check('the service admits it', (await greeting(HOST)) === 'come in');
  story.check('and nobody else', (await greeting(THIEF)) === 'go away');

  story.tell('a thief who saw the ports knocks the same from his own address');
  const sent = /sent ((?:\d+ ?)+)/.exec(knock.stderr)?.[1]?.trim().split(' ').map(Number) ?? [];
  const mark = daemon.mark;
  await touch(sent, THIEF);
  story.show(await daemon.waitForLine(new RegExp(`refused: (replay|contested).*source=${THIEF}`), mark));
  story.check('the service turns him away', (await greeting(THIEF)) === 'go away');

  story.tell(`after ${GRANT_SECONDS} seconds the door closes`);
  story.show(await closed);
  story.check('the laptop is turned away again', (await greeting(HOST)) === 'go away');
}

function writeConfig(): string {
  const path = join(folder, 'knock-otp.conf');
  const lines = [
    '[options]',
    '  capture       = listen',
    '  server_id     = box',
    `  state_dir     = ${join(folder, 'state')}`,
    `  clients_dir   = ${join(folder, 'clients')}`,
    '[box]',
    '  otp           = totp',
    '  knocks        = 10',
    `  start_command = touch ${admitted}/%IP%`,
    `  stop_command  = rm -f ${admitted}/%IP%`,
    `  cmd_timeout   = ${GRANT_SECONDS}`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

async function startService(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(existsSync(join(admitted, socket.remoteAddress ?? '')) ? 'come in' : 'go away');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function greeting(from: string): Promise<string> {
  const { port } = service.address() as AddressInfo;
  const socket = connect({ port, host: HOST, localAddress: from });
  let said = '';
  for await (const data of socket) said += String(data);
  return said;
}

/** The ports that listen; a scanner sees the same ports. */
function listeningPorts(): readonly number[] {
  const text = readFileSync(join(folder, 'state', 'listening.json'), 'utf8');
  const { cohorts } = JSON.parse(text) as { readonly cohorts: readonly { readonly ports: readonly number[] }[] };
  return [...new Set(cohorts.flatMap(({ ports }) => ports))].sort((a, b) => a - b);
}

/** Connects to each port, twenty at a time, and returns how many answered. */
async function touch(ports: readonly number[], from: string): Promise<number> {
  let answered = 0;
  const queue = [...ports];
  const worker = async (): Promise<void> => {
    for (let port = queue.shift(); port !== undefined; port = queue.shift()) {
      const socket = connect({ port, host: HOST, localAddress: from });
      let isThere = false;
      socket.on('connect', () => {
        isThere = true;
        socket.destroy();
      });
      // The reset may come before the connect event.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        isThere ||= error.code === 'ECONNRESET';
      });
      await new Promise((resolve) => socket.once('close', resolve));
      if (isThere) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  return answered;
}

async function status(config: string): Promise<string> {
  return (await run(['node', SERVER, 'status', '-c', config])).stdout;
}

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    if (await holds()) return;
    await delay(100);
  }
  throw new Error('the ports do not listen');
}
