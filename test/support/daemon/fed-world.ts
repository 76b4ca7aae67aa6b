/**
 * A knock-otpd that reads knocks as lines (fed-daemon.mjs), its doors, and a record of their effects: which factor or line
 * was sent from which address, and which commands ran. For tests that kill and break processes thousands of times. Its only
 * assertion is about use: a factor or a line starts at most one command.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DerivationKey, derivationKey, deriveSequence } from '../../../shared/derive.ts';
import { type Profile, parseProfileUri, profileShape } from '../../../shared/formats/profile-uri.ts';
import { SERVER_PROGRAM } from '../host/built.ts';

const LINES = 400;
const LOOK_AHEAD = 60;
/** Firewall programs that no door here uses: each start of the daemon would spend a second to check them for leftovers. */
const OTHER_FIREWALLS = ['iptables', 'ip6tables', 'ipset', 'ufw', 'firewall-cmd'];

/** A knock that may be sent, from its own address, so that its effects can be recognized. */
export interface Sent {
  readonly line: string;
  readonly source: string;
  /** The factor or line that it uses: two knocks with one use must not both open. */
  readonly use: string;
}

export class FedWorld {
  readonly dir: string;
  readonly configFile: string;
  readonly clients: readonly { readonly name: string; readonly profile: Profile; readonly key: DerivationKey }[];
  /** By source. */
  readonly #uses = new Map<string, string>();
  readonly #next = new Map<string, number>();
  #sources: number;
  #sheet = 0;
  readonly #tried = new Set<string>();

  /** Uses a directory that may hold an earlier world, which it continues. Needs private mounts. */
  constructor(dir: string, clients = 4) {
    this.dir = dir;
    this.configFile = join(dir, 'knock-otp.conf');
    for (const part of ['open', 'uris']) mkdirSync(join(dir, part), { recursive: true, mode: 0o700 });
    for (const name of OTHER_FIREWALLS) {
      for (const path of [`/usr/sbin/${name}`, `/usr/bin/${name}`, `/sbin/${name}`]) {
        if (existsSync(path)) execFileSync('mount', ['--bind', '/dev/null', path]);
      }
    }
    const act = join(dir, 'act');
    // Recorded first, done afterwards, because a kill may come between.
    writeFileSync(
      act,
      `#!/bin/sh\necho "$1 $2 $3" >> ${dir}/calls\ncase $1 in start) : > ${dir}/open/$2-$3;; stop) rm -f ${dir}/open/$2-$3;; esac\n`,
      { mode: 0o700 },
    );
    const commands = (door: string) =>
      `start_command = ${act} start ${door} %IP%\nstop_command = ${act} stop ${door} %IP%\ncmd_timeout = 1\ntarget = 192.0.2.1\n`;
    if (!existsSync(this.#linesFile)) this.newLines();
    writeFileSync(
      this.configFile,
      `[options]
interface = lo
server_id = bastion
state_dir = ${join(dir, 'state')}
clients_dir = ${join(dir, 'clients')}
pidfile = ${join(dir, 'pid')}
logfile = ${join(dir, 'log')}
[gate]
otp = hotp
look_ahead = ${LOOK_AHEAD}
${commands('gate')}
[paper]
one_time_sequences = ${this.#linesFile}
${commands('paper')}`,
      { mode: 0o600 },
    );
    writeFileSync(join(dir, 'calls'), '', { flag: 'a' });
    this.clients = Array.from({ length: clients }, (_, at) => this.#enroll(`c${at}`));
    this.#sources = Number(readOr(join(dir, 'sources'), '0'));
    for (const row of readOr(join(dir, 'uses'), '').split('\n').filter(Boolean)) {
      const [source = '', use = ''] = row.split(' ');
      this.#uses.set(source, use);
      const [client = '', factor = '0'] = use.split('#');
      this.#next.set(client, Math.max(this.#next.get(client) ?? 0, Number(factor) + 1));
    }
  }

  get #linesFile(): string {
    return join(this.dir, 'lines');
  }

  /** Replaces all sequences by new ones. */
  newLines(): void {
    const line = () => Array.from({ length: 6 }, () => 1024 + Math.floor(Math.random() * 60_000)).join(',');
    writeFileSync(this.#linesFile, Array.from({ length: LINES }, () => ` ${line()}\n`).join(''), { mode: 0o600 });
    this.#sheet += 1;
  }

  /** A knock with the next factor of a client, from a new address. */
  factor(at: number): Sent {
    const client = this.clients[at % this.clients.length] ?? assert.fail('no clients');
    const factor = this.#next.get(client.name) ?? 0;
    this.#next.set(client.name, factor + 1);
    return this.again(`${client.name}#${factor}`);
  }

  /** A knock with the first line of the file that is not struck (with `untried`: nor tried), from a new address. */
  line({ untried = false } = {}): Sent {
    const isTried = (line: string) => this.#tried.has(line.trim());
    const unspent = readFileSync(this.#linesFile, 'latin1')
      .split('\n')
      .filter((line) => line.startsWith(' '));
    if (unspent.length < 20) {
      this.newLines();
      return this.line({ untried });
    }
    const line = (unspent.find((candidate) => !untried || !isTried(candidate)) ?? '').trim();
    this.#tried.add(line);
    return this.again(`L${this.#sheet}.${line}`);
  }

  /** A knock with a use that was sent before, from another address. */
  again(use: string): Sent {
    this.#sources += 1;
    const source = [10, (this.#sources >> 16) & 255, (this.#sources >> 8) & 255, this.#sources & 255].join('.');
    writeFileSync(join(this.dir, 'sources'), `${this.#sources}`);
    appendFileSync(join(this.dir, 'uses'), `${source} ${use}\n`);
    this.#uses.set(source, use);
    const [client = '', factor = '0'] = use.split('#');
    const known = this.clients.find(({ name }) => name === client);
    const ports =
      known === undefined
        ? use.slice(use.indexOf('.') + 1)
        : deriveSequence(known.key, known.profile, Number(factor), profileShape(known.profile))
            .map(({ port }) => port)
            .join(',');
    return { line: `${source} ${ports}`, source, use };
  }

  /** The doors' commands so far, in order. */
  calls(): readonly { readonly verb: string; readonly door: string; readonly source: string }[] {
    const rows = readFileSync(join(this.dir, 'calls'), 'utf8').split('\n').filter(Boolean);
    return rows.map((row) => {
      const [verb = '', door = '', source = ''] = row.split(' ');
      return { verb, door, source };
    });
  }

  /** The openings that are open now. */
  open(): readonly string[] {
    return readdirSync(join(this.dir, 'open'));
  }

  /** Asserts that no factor and no line has started two commands. Returns how many have started one. */
  assertUsedOnce(): number {
    const started = new Map<string, string>();
    for (const { verb, source } of this.calls()) {
      if (verb !== 'start') continue;
      const use = this.#uses.get(source) ?? assert.fail(`a door opened for ${source}, from where nothing was sent`);
      assert(!started.has(use), `${use.split('.')[0]} opened for ${started.get(use)} and for ${source}`);
      started.set(use, source);
    }
    return started.size;
  }

  /** Sources whose last command is a start: they are open, or must be closed. */
  unstopped(): readonly string[] {
    const last = new Map(this.calls().map(({ verb, door, source }) => [`${door}-${source}`, verb]));
    return [...last].filter(([, verb]) => verb === 'start').map(([key]) => key);
  }

  /** Age of the oldest opening, in milliseconds. */
  oldestOpenMs(): number {
    const ages = this.open().map((name) => {
      const found = statSync(join(this.dir, 'open', name), { throwIfNoEntry: false });
      return found === undefined ? 0 : Date.now() - found.mtimeMs;
    });
    return Math.max(0, ...ages);
  }

  #enroll(name: string): FedWorld['clients'][number] {
    const uriFile = join(this.dir, 'uris', name);
    if (!existsSync(uriFile)) {
      const argv = [SERVER_PROGRAM, 'enroll', name, '--door', 'gate', '-c', this.configFile];
      const uri = execFileSync(process.execPath, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      writeFileSync(uriFile, uri.trim(), { mode: 0o600 });
    }
    const profile = parseProfileUri(readFileSync(uriFile, 'utf8'));
    return { name, profile, key: derivationKey(profile.secret) };
  }
}

function readOr(path: string, otherwise: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : otherwise;
}
