/**
 * knock-otpd as a drop-in for knockd: the configuration of the articles, verbatim, with Debian's knock as the client and
 * real iptables. One run uses knock-otpd, the other knockd.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Network, type NetworkHost, skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { pcapOf } from '../../support/core/frames.ts';
import { SERVER_PROGRAM } from '../../support/host/built.ts';

const ACCEPT = '-A INPUT -s 10.77.0.2/32 -p tcp -m tcp --dport 22 -j ACCEPT';

/** Listing 4 of the article, with the log file in our directory, and a state directory, which knockd does not have. */
const articleConf = (log: string): string => `[options]
	logfile = ${log}

[openSSH]
        sequence    = 7000,8000,9000
        seq_timeout = 5
        command     = /sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
        tcpflags    = syn

[closeSSH]
        sequence    = 9000,8000,7000
        seq_timeout = 5
        command     = /sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
        tcpflags    = syn
`;

function without(...programs: string[]): string | false {
  const found = skipWithoutNamespaces();
  if (found !== false || process.env['CI'] === 'true') return found;
  const missing = programs.find((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0);
  return missing === undefined ? false : `${missing} is not installed`;
}

interface House {
  readonly dir: string;
  readonly server: NetworkHost;
  readonly client: NetworkHost;
  readonly conf: string;
  readonly log: string;
  readonly state: string;
}

async function house(context: TestContext, network: Network, text = articleConf): Promise<House> {
  const dir = await mkdtemp(join(tmpdir(), 'knock-otp-drop-in-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  const [conf, log] = [join(dir, 'knockd.conf'), join(dir, 'knockd.log')];
  await writeFile(conf, text(log), { mode: 0o600 });
  const [server, client] = [network.host('server'), network.host('client')];
  await server.must(['iptables', '-P', 'INPUT', 'DROP']);
  return { dir, server, client, conf, log, state: join(dir, 'state') };
}

/** Starts as an init script starts knockd, with knockd's options only, plus the state directory. */
async function startOurs({ server, conf, state }: House, ...args: string[]): Promise<RunningProcess> {
  await writeFile(conf, (await readFile(conf, 'utf8')).replace('[options]', `[options]\nstate_dir = ${state}`));
  const daemon = server.spawn([process.execPath, SERVER_PROGRAM, '-i', 'eth0', '-c', conf, ...args]);
  await daemon.waitForLine(/\bready\b/);
  return daemon;
}

async function rules(host: NetworkHost): Promise<string[]> {
  const { stdout } = await host.run(['iptables', '-S', 'INPUT']);
  return stdout.split('\n').filter((line) => line.startsWith('-A'));
}

async function knock({ client, server }: House, ...ports: string[]): Promise<void> {
  await client.must(['knock', '-d', '20', server.ipv4, ...ports]);
}

const options = { skip: without('knock', 'iptables'), timeout: 60_000 };

test(
  "when the article's knockd.conf is started unchanged then Debian's knock opens and closes SSH",
  options,
  async (context) => {
    await using network = await Network.create(['server', 'client', 'other']);
    const place = await house(context, network);
    const daemon = await startOurs(place, '-D');
    assert.match(daemon.stderr, /warn: \[openSSH\] sequence: anyone who sees one knock at this door can repeat it/);

    await knock(place, '7000', '8000', '9000');
    await daemon.waitForLine(/^10\.77\.0\.2: openSSH: OPEN SESAME$/);
    assert.deepEqual(await rules(place.server), [ACCEPT]);

    // A second knock adds a second rule, as with knockd: a door without a stop command has no grant.
    const again = daemon.mark;
    await knock(place, '7000', '8000', '9000');
    await daemon.waitForLine(/openSSH: OPEN SESAME/, again);
    assert.deepEqual(await rules(place.server), [ACCEPT, ACCEPT]);

    for (const left of [[ACCEPT], []]) {
      const before = daemon.mark;
      await knock(place, '9000', '8000', '7000');
      await daemon.waitForLine(/^10\.77\.0\.2: closeSSH: OPEN SESAME$/, before);
      assert.deepEqual(await rules(place.server), left);
    }

    const { code } = await daemon.end();
    assert.equal(code, 0);
    const written = (await readFile(place.log, 'utf8')).split('\n').filter((line) => line.startsWith('['));
    const minute = /^\[\d{4}-\d\d-\d\d \d\d:\d\d\] /;
    assert.deepEqual(
      written.slice(0, 3).map((line) => line.replace(minute, '')),
      ['10.77.0.2: openSSH: Stage 1', '10.77.0.2: openSSH: Stage 2', '10.77.0.2: openSSH: Stage 3'],
    );
    assert.ok(written.every((line) => minute.test(line)));
  },
);

test('when ports are scanned in order, up and down, then the door, which knockd would open, stays shut', {
  ...options,
  skip: without('knock', 'iptables', 'tcpreplay'),
}, async (context) => {
  await using network = await Network.create(['server', 'client', 'other']);
  const place = await house(context, network);
  const daemon = await startOurs(place);
  const { client, server } = place;
  const ends = { fromMac: client.mac, toMac: server.mac, from: client.ipv4, to: server.ipv4 };
  const upwards = Array.from({ length: 2021 }, (_, at) => ({ protocol: 'tcp', port: 6990 + at }) as const);
  for (const [at, ports] of [upwards, upwards.toReversed(), upwards].entries()) {
    const file = join(place.dir, `sweep-${at}.pcap`);
    await writeFile(file, pcapOf(ends, ports));
    await client.must(['tcpreplay', '-q', '--pps=20000', '-i', 'eth0', file]);
  }
  const before = daemon.mark;
  await network.host('other').must(['knock', '-d', '20', place.server.ipv4, '7000', '8000', '9000']);
  await daemon.waitForLine(/^10\.77\.0\.3: openSSH: OPEN SESAME$/, before);
  assert.deepEqual(await rules(place.server), [ACCEPT.replace('10.77.0.2', '10.77.0.3')]);
  await daemon.end();
});

test('when knockd runs on the same file then its log says the same of the same knock', {
  ...options,
  skip: without('knock', 'knockd', 'iptables'),
}, async (context) => {
  await using network = await Network.create(['server', 'client', 'other']);
  const place = await house(context, network);
  const theirs = place.server.spawn([
    'knockd',
    '-i',
    'eth0',
    '-c',
    place.conf,
    '-v',
    '-p',
    join(place.dir, 'knockd.pid'),
  ]);
  await theirs.waitForLine(/listening/);
  const lineSet: string[][] = [];
  const scripts = [
    ['7000', '8000', '9000'],
    ['9000', '8000', '7000'],
  ];
  for (const start of ['theirs', 'ours']) {
    const daemon = start === 'theirs' ? theirs : await startOurs(place);
    for (const [at, ports] of scripts.entries()) {
      await knock(place, ...ports);
      // knockd buffers its output without a terminal, so the test waits for its log file.
      while (!(await readFile(place.log, 'utf8')).includes(`${at === 0 ? 'open' : 'close'}SSH: OPEN SESAME`)) {
        await place.server.run(['sleep', '0.05']);
      }
    }
    await daemon.end();
    const text = await readFile(place.log, 'utf8');
    await writeFile(place.log, '');
    const wanted = /^\[\d{4}-\d\d-\d\d \d\d:\d\d\] (10\.77\.0\.2: \S+: (?:Stage \d+|OPEN SESAME))$/;
    lineSet.push(text.split('\n').flatMap((line) => wanted.exec(line)?.[1] ?? []));
  }
  const [knockd = [], knockOtpd = []] = lineSet;
  assert.deepEqual(
    knockd.filter((line) => knockOtpd.includes(line)),
    knockd,
    'every line of knockd is there, in its words',
  );
});
