/**
 * Rule table for TCP Wrappers: one line `sshd: ADDRESS` in hosts.allow lets a source in. The guard is the
 * administrator's hosts.deny. `edit-file.ts` changes the file, `wrapper-lines.ts` parses its text.
 *
 * A line of hosts.allow cannot carry a mark of ours, so our lines are recorded first in `.hosts.allow.knock-otp`. A
 * line that was in hosts.allow before is not recorded, so it is not ours: it is neither added again nor removed. A
 * recorded line that is not in the journal is from an earlier run, and is removed.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KnockError } from '../../../shared/errors.ts';
import type { ActionDoor } from '../firewall.ts';
import type { Rule, RuleTable, WantedRule } from '../rules/rule-table.ts';
import { editFile, replaceFile, withLock } from './edit-file.ts';
import { addLine, countLines, findFault, isServiceName, lineFor, removeLine } from './wrapper-lines.ts';

const DEFAULT_FILE = '/etc/hosts.allow';

export class HostsAllowTable implements RuleTable {
  readonly kind = 'hosts.allow';
  readonly timed = false;
  readonly #default: string;
  #places: readonly string[] = [];
  /** The versions of the files that passed the last check. */
  #checked = '';

  constructor(defaultFile: string = DEFAULT_FILE) {
    this.#default = defaultFile;
  }

  placesOf({ name, action }: ActionDoor): readonly string[] {
    if (action.kind !== this.kind) {
      throw new KnockError('FIREWALL', `door "${name}" opens by ${action.kind}, not by ${this.kind}`);
    }
    const { service, file = this.#default } = action;
    if (!isServiceName(service))
      throw new KnockError('FIREWALL', `door "${name}": "${service.slice(0, 64)}" is not a service name`);
    if (!file.startsWith('/') || file.includes('\0')) {
      throw new KnockError('FIREWALL', `door "${name}": "${file.slice(0, 64)}" is not an absolute path`);
    }
    return [`${service}:${file}`];
  }

  async prepare(places: readonly string[], wanted: readonly WantedRule[]): Promise<void> {
    this.#places = places;
    this.#checked = '';
    await this.#check();
    const files = new Set([this.#default, ...places.map((place) => splitPlace(place).file)]);
    for (const file of files) {
      const keep = new Set(wanted.filter((rule) => splitPlace(rule.place).file === file).map(lineOf));
      const left = (await readRecord(file)).filter((line) => !keep.has(line));
      for (const line of left) await this.#remove(file, line);
    }
    for (const rule of wanted) await this.add(rule);
  }

  async add(rule: WantedRule): Promise<void> {
    const { file } = splitPlace(rule.place);
    const line = lineOf(rule);
    await withLock(lockOf(file), async () => {
      const record = await readRecord(file);
      if (!record.includes(line)) {
        // Recorded only if hosts.allow does not have it: the administrator's own line must not become ours.
        if (countLines(await readText(file), line) > 0) return;
        await writeRecord(file, [...record, line]);
      }
      await editFile(file, (content) => (countLines(content, line) > 0 ? undefined : addLine(content, line)));
    });
  }

  async remove(rule: Rule): Promise<void> {
    await this.#remove(splitPlace(rule.place).file, lineOf(rule));
  }

  async stands(): Promise<boolean> {
    await this.#check();
    return true;
  }

  /** The guard is the administrator's. */
  async release(): Promise<void> {}

  async #remove(file: string, line: string): Promise<void> {
    // First without a lock: most calls concern lines that were never there.
    if (!(await readRecord(file)).includes(line)) return;
    await withLock(lockOf(file), async () => {
      const record = await readRecord(file);
      if (!record.includes(line)) return;
      await editFile(file, (content) => removeLine(content, line));
      await writeRecord(
        file,
        record.filter((each) => each !== line),
      );
    });
  }

  async #check(): Promise<void> {
    const files = [...new Set(this.#places.map((place) => splitPlace(place).file))];
    const both = files.flatMap((file) => [file, denyOf(file)]);
    const versions = (await Promise.all(both.map(versionOf))).join('\n');
    if (versions === this.#checked) return;
    for (const place of this.#places) {
      const { service, file } = splitPlace(place);
      const fault = findFault(service, await readText(file), await readText(denyOf(file)));
      if (fault !== undefined)
        throw new KnockError('FIREWALL', `TCP Wrappers guard nothing: ${fault.what}`, { hint: fault.hint });
    }
    this.#checked = versions;
  }
}

function splitPlace(place: string): { readonly service: string; readonly file: string } {
  const end = place.indexOf(':');
  return { service: place.slice(0, end), file: place.slice(end + 1) };
}

function lineOf({ place, source }: Rule): string {
  return lineFor(splitPlace(place).service, source);
}

function denyOf(file: string): string {
  return join(dirname(file), 'hosts.deny');
}

function lockOf(file: string): string {
  return `${recordOf(file)}-lock`;
}

function recordOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.knock-otp`);
}

async function readRecord(file: string): Promise<readonly string[]> {
  const lines = (await readText(recordOf(file))).split('\n');
  return lines.filter((line) => /^[A-Za-z0-9][\w.-]*: [0-9a-f.:[\]]+$/.test(line));
}

async function writeRecord(file: string, lines: readonly string[]): Promise<void> {
  await replaceFile(recordOf(file), lines.map((line) => `${line}\n`).join(''));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new KnockError('FIREWALL', `cannot read ${file} (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

async function versionOf(file: string): Promise<string> {
  const stats = await stat(file, { bigint: true }).catch(() => undefined);
  return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}
