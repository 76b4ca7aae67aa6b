/**
 * hosts.allow with openings, closings, edits and restarts in any order, against a model: no byte of the administrator's
 * text changes, and Debian's tcpdmatch lets in the sources of the model.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { ActionDoor } from '../../../../server/firewall/firewall.ts';
import { RuleFirewall } from '../../../../server/firewall/rules/rule-firewall.ts';
import { HostsAllowTable } from '../../../../server/firewall/wrappers/hosts-allow.ts';
import { addressKey } from '../../../../shared/address.ts';

const MINUTE = 60_000;
const directory = mkdtempSync(join(tmpdir(), 'knock-otp-wrappers-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'hosts.allow');
const record = join(directory, '.hosts.allow.knock-otp');

const SOURCES = ['192.0.2.7', '192.0.2.70', '2001:db8::7'];
const lineOf = (source: string) => `sshd: ${source.includes(':') ? `[${source}]` : source}`;
const doors: readonly ActionDoor[] = [
  { name: 'a', action: { kind: 'hosts.allow', service: 'sshd', file } },
  { name: 'b', action: { kind: 'hosts.allow', service: 'sshd', file } },
];

const FINISHED = [
  '# sshd: 192.0.2.7\n',
  '\n',
  'vsftpd: 10.0.0.0/8\r\n',
  'in.telnetd, \\\n  sshd: 172.16.1.1\n',
  'sshd: 192.0.2.7 \n',
  'caf\xe9\n',
];
const UNFINISHED = ['', 'sshd: 203.0.113.9', '# no end', 'sshd: \\\n', 'sshd: 192.0.2.7'];

type Step =
  | { readonly do: 'open' | 'close'; readonly door: number; readonly source: number }
  /** Edits of the administrator: append, write in place, rename a new file over the old one. */
  | { readonly do: 'append'; readonly text: string }
  | { readonly do: 'rewrite'; readonly how: 'in place' | 'rename'; readonly head: string; readonly tail: string }
  | { readonly do: 'take ours out'; readonly source: number }
  | { readonly do: 'restart'; readonly forgets: number };

const source = fc.nat({ max: SOURCES.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('open' as const), door: fc.nat({ max: 1 }), source }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('close' as const), door: fc.nat({ max: 1 }), source }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      text: fc.constantFrom(...FINISHED, ...SOURCES.map((each) => `${lineOf(each)}\n`)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rewrite' as const),
      how: fc.constantFrom('in place' as const, 'rename' as const),
      head: fc.constantFrom('', ...FINISHED),
      tail: fc.constantFrom(...UNFINISHED),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take ours out' as const), source }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), forgets: fc.nat({ max: 5 }) }) },
);

test('whatever is opened, closed and edited, the text is the administrator’s and access the model’s', async (t) => {
  if (spawnSync('tcpdmatch', []).error !== undefined) {
    if (process.env['CI'] === 'true') assert.fail('tcpdmatch is missing: scripts/setup --test');
    t.skip('tcpdmatch is not installed (package tcpd)');
    return;
  }
  const numRuns = process.env['KNOCK_OTP_LONG'] !== undefined ? 1000 : 100;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FINISHED),
      fc.constantFrom(...UNFINISHED),
      fc.array(step, { maxLength: 12 }),
      run,
    ),
    { numRuns },
  );
});

async function run(head: string, tail: string, steps: readonly Step[]): Promise<void> {
  for (const each of [record, `${file}.bak`]) rmSync(each, { force: true });
  writeFileSync(join(directory, 'hosts.deny'), 'ALL: ALL\n');
  writeFileSync(join(directory, 'inetd.conf'), '');
  const model = new Model(head + tail);
  save(model.admin, 'in place');
  let firewall = new RuleFirewall(new HostsAllowTable(file));
  await firewall.prepare(doors, []);
  for (const each of steps) {
    switch (each.do) {
      case 'open':
      case 'close': {
        const door = doors[each.door] ?? assert.fail();
        const text = SOURCES[each.source] ?? assert.fail();
        const key = addressKey(text) ?? assert.fail();
        if (each.do === 'open') await firewall.open(door, key, MINUTE);
        else await firewall.close(door, key);
        model[each.do](door.name, text);
        break;
      }
      case 'append':
        // After an unfinished line, the text would become part of that line.
        if (!model.isFinished()) break;
        appendFileSync(file, each.text, 'latin1');
        settle();
        model.admin += each.text;
        break;
      case 'rewrite': {
        // The administrator keeps the text, adds a comment above, and writes a new end.
        const found = readFileSync(file, 'latin1');
        const kept = found.slice(0, found.length - model.tailLength());
        save(each.head + kept + each.tail, each.how);
        model.admin = each.head + model.admin.slice(0, model.admin.length - model.tailLength()) + each.tail;
        break;
      }
      case 'take ours out': {
        const text = SOURCES[each.source] ?? assert.fail();
        if (!model.present.delete(lineOf(text))) break;
        const found = readFileSync(file, 'latin1');
        save(model.without(found, lineOf(text)), 'rename');
        break;
      }
      case 'restart': {
        const openings = [...model.held].map((grant) => {
          const [door = '', text = ''] = grant.split(' ');
          return { door, source: addressKey(text) ?? assert.fail(), remainingMs: MINUTE };
        });
        const forgotten = [...model.held][each.forgets];
        const kept = openings.filter((_, index) => index !== each.forgets);
        firewall = new RuleFirewall(new HostsAllowTable(file));
        await firewall.prepare(doors, kept);
        if (forgotten !== undefined) model.close(...(forgotten.split(' ') as [string, string]));
        // A line that was removed from the file comes back if its grant is open.
        for (const grant of model.held) model.open(...(grant.split(' ') as [string, string]));
        break;
      }
    }
    check(model);
  }
  assert.equal(statSync(file).mode & 0o7777, 0o640);
}

class Model {
  admin: string;
  /** `door source` */
  readonly held = new Set<string>();
  /** Our lines that are in the file. */
  readonly present = new Set<string>();

  constructor(admin: string) {
    this.admin = admin;
  }

  open(door: string, text: string): void {
    this.held.add(`${door} ${text}`);
    if (!this.logicalLines().includes(lineOf(text))) this.present.add(lineOf(text));
  }

  close(door: string, text: string): void {
    this.held.delete(`${door} ${text}`);
    if (![...this.held].some((grant) => grant.endsWith(` ${text}`))) this.present.delete(lineOf(text));
  }

  isFinished(): boolean {
    return this.tailLength() === 0;
  }

  /** Length of the unfinished end of the administrator's text, which is also the end of the file. */
  tailLength(): number {
    return UNFINISHED.filter((tail) => tail !== '' && this.admin.endsWith(tail)).reduce(
      (most, tail) => Math.max(most, tail.length),
      0,
    );
  }

  /** The lines as libwrap reads them, without unfinished ones. */
  logicalLines(): readonly string[] {
    return this.admin
      .slice(0, this.admin.length - this.tailLength())
      .replaceAll('\\\n', '')
      .split('\n');
  }

  without(content: string, line: string): string {
    const at = `\n${content}`.indexOf(`\n${line}\n`);
    assert(at >= 0, `no line ${line} in ${JSON.stringify(content)}`);
    return content.slice(0, at) + content.slice(at + line.length + 1);
  }
}

function check(model: Model): void {
  let found = readFileSync(file, 'latin1');
  for (const line of model.present) found = model.without(found, line);
  assert.equal(found, model.admin);
  for (const text of SOURCES.slice(1)) {
    const granted = model.present.has(lineOf(text)) || model.logicalLines().includes(lineOf(text));
    const { stdout } = spawnSync('tcpdmatch', ['-d', '-i', 'inetd.conf', 'sshd', text], {
      cwd: directory,
      encoding: 'utf8',
    });
    assert.match(
      stdout,
      granted ? /^access: +granted$/m : /^access: +denied$/m,
      `${text}\n${readFileSync(file, 'latin1')}`,
    );
  }
}

function save(content: string, how: 'in place' | 'rename'): void {
  const path = how === 'rename' ? `${file}.edited` : file;
  writeFileSync(path, content, { encoding: 'latin1', mode: 0o640 });
  if (how === 'rename') renameSync(path, file);
  settle();
}

/** Makes an edit look old: the daemon waits after a recent edit, which would make this test slow. */
function settle(): void {
  const then = Date.now() / 1000 - 10;
  utimesSync(file, then, then);
}
