/** Services on demand with recorded commands and checks: what is started and stopped, how often, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceTerms } from '../../../../server/demand/service-terms.ts';
import { ServicesOnDemand, type ServingDoor } from '../../../../server/demand/services.ts';
import { formatLine, type LogFields } from '../../../../server/log/log.ts';
import { MemoryStore } from '../../../../server/store/memory-store.ts';
import { KnockError } from '../../../../shared/errors.ts';

const SSH: ServiceTerms = { start: '/bin/start', stop: '/bin/stop', ports: [22], idleMs: 60_000 };

/** A machine with one service; both survive the end of a daemon. */
class Machine {
  readonly store = new MemoryStore();
  readonly commands: string[] = [];
  readonly lines: string[] = [];
  doors: readonly ServingDoor[] = [{ name: 'ssh', service: SSH }];
  listening = false;
  connections = 0;
  lastLogin: number | undefined;
  grants = 0;
  readable = true;
  boot = 'first';
  nowMs = 1_000_000;
  /** Verbs that fail. */
  readonly failing = new Set<string>();
  /** Commands never end, as when the daemon is killed during one. */
  hangs = false;

  daemon(): ServicesOnDemand {
    const log = (message: string, fields?: LogFields) => void this.lines.push(formatLine(message, fields));
    return new ServicesOnDemand({
      store: this.store,
      clock: { now: () => ({ wallMs: this.nowMs, monoMs: this.nowMs }) },
      log: { debug: log, info: log, warn: log, error: log, knockd: (line) => log(line) },
      doors: () => this.doors,
      grantsAt: () => this.grants,
      edges: {
        bootId: async () => this.boot,
        read: async () => {
          if (!this.readable) throw new Error('no /proc');
          const { listening, connections, lastLogin } = this;
          return { uses: new Map([[22, { listening, connections }]]), lastLogin };
        },
        run: async (_door, terms, verb) => {
          this.commands.push(terms[verb]);
          if (this.hangs) await new Promise(() => {});
          if (this.failing.has(verb)) throw new KnockError('COMMAND', 'ended with status 1');
          this.listening = verb === 'start';
        },
      },
    });
  }

  async started(): Promise<ServicesOnDemand> {
    const daemon = this.daemon();
    await daemon.restore((await this.store.load()).services);
    return daemon;
  }

  /** Lets time pass, with a tick every second. */
  async pass(daemon: ServicesOnDemand, seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.nowMs += 1_000;
      daemon.onTick();
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async journal(): Promise<number> {
    return (await this.store.load()).services.length;
  }
}

test('when a service is idle for its time then it is stopped once, and no sooner', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  (await daemon.use('ssh'))();
  assert.deepEqual(machine.commands, ['/bin/start']);
  await machine.pass(daemon, 58);
  assert.deepEqual(machine.commands, ['/bin/start']);
  await machine.pass(daemon, 300);
  assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop']);
  assert.equal(await machine.journal(), 0);
});

test('when it is knocked again while it runs then nothing starts twice; after it was stopped, anew', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  for (const release of await Promise.all([daemon.use('ssh'), daemon.use('ssh')])) release();
  assert.deepEqual(machine.commands, ['/bin/start']);
  await machine.pass(daemon, 100);
  (await daemon.use('ssh'))();
  assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop', '/bin/start']);
});

test('when there is a connection, a grant, a login, a knock under way or nothing to read then it is not stopped', async () => {
  const busy: readonly [string, Partial<Machine>][] = [
    ['a connection', { connections: 1 }],
    ['a grant', { grants: 1 }],
    ['a login', { lastLogin: 1_190_000 }],
    ['nothing to read', { readable: false }],
  ];
  for (const [what, now] of busy) {
    const machine = new Machine();
    const daemon = await machine.started();
    (await daemon.use('ssh'))();
    Object.assign(machine, now);
    await machine.pass(daemon, 200);
    assert.deepEqual(machine.commands, ['/bin/start'], what);
  }
  const machine = new Machine();
  const daemon = await machine.started();
  const release = await daemon.use('ssh');
  await machine.pass(daemon, 200);
  assert.deepEqual(machine.commands, ['/bin/start']);
  release();
  release();
  await machine.pass(daemon, 100);
  assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop']);
});

test('when the start fails then use rejects, what it did is undone, and the journal is empty', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  machine.failing.add('start');
  await assert.rejects(daemon.use('ssh'), { code: 'COMMAND' });
  assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop']);
  assert.equal(await machine.journal(), 0);
});

test('when the journal cannot be written, or ports cannot be read, then nothing starts', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  machine.store.failWith(new KnockError('STORE', 'no space'));
  await assert.rejects(daemon.use('ssh'), { code: 'STORE' });
  machine.store.failWith(undefined);
  machine.readable = false;
  await assert.rejects(daemon.use('ssh'), { code: 'COMMAND' });
  assert.deepEqual(machine.commands, []);
});

test('when the stop fails then it is tried again with longer pauses and said once, until it works', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  (await daemon.use('ssh'))();
  machine.failing.add('stop');
  await machine.pass(daemon, 200);
  const tries = machine.commands.length - 1;
  assert(tries >= 4 && tries <= 9, `${tries} tries`);
  assert.equal(machine.lines.filter((line) => line.includes('not stopped')).length, 1);
  machine.failing.clear();
  await machine.pass(daemon, 100);
  assert.equal(machine.commands.length, tries + 2);
  assert.match(machine.lines.at(-1) ?? '', /service stopped.*tries=/);
});

test('when it runs before any knock then it is neither started nor stopped, unless the door says so', async () => {
  const machine = new Machine();
  machine.listening = true;
  const daemon = await machine.started();
  (await daemon.use('ssh'))();
  await machine.pass(daemon, 300);
  assert.deepEqual(machine.commands, []);
  assert.equal(daemon.status({ wallMs: 0, monoMs: 0 })[0]?.state, 'other');
  machine.doors = [{ name: 'ssh', service: { ...SSH, adopts: true } }];
  await machine.pass(daemon, 100);
  assert.deepEqual(machine.commands, ['/bin/stop']);
});

test('when somebody else stops it then it is not stopped again', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  (await daemon.use('ssh'))();
  await machine.pass(daemon, 10);
  machine.listening = false;
  await machine.pass(daemon, 300);
  assert.deepEqual(machine.commands, ['/bin/start']);
  assert.equal(await machine.journal(), 0);
});

test('when the daemon is killed at any time then the next one stops the service once', async () => {
  for (const when of [
    'while it starts',
    'while it runs',
    'while it is idle',
    'while it stops',
    'when it has stopped',
  ]) {
    const machine = new Machine();
    const first = await machine.started();
    machine.hangs = when === 'while it starts';
    const used = first.use('ssh').then((release) => release());
    if (when === 'while it starts') await machine.pass(first, 1);
    else await used;
    // The command goes on by itself after the daemon's end.
    machine.listening = true;
    if (when !== 'while it starts') await machine.pass(first, when === 'while it runs' ? 2 : 40);
    if (when === 'while it stops' || when === 'when it has stopped') {
      machine.hangs = true;
      await machine.pass(first, 40);
      assert.equal(machine.commands.length, 2, when);
      machine.listening = when === 'while it stops';
    }
    machine.hangs = false;
    const next = await machine.started();
    if (when === 'while it stops') {
      await machine.pass(next, 5);
      machine.listening = false;
    }
    await machine.pass(next, 300);
    assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop'], when);
    assert.equal(await machine.journal(), 0, when);
  }
});

test('when the machine was started anew then what ran before is forgotten and not stopped', async () => {
  const machine = new Machine();
  (await (await machine.started()).use('ssh'))();
  Object.assign(machine, { boot: 'second', listening: false });
  const next = await machine.started();
  await machine.pass(next, 300);
  assert.deepEqual(machine.commands, ['/bin/start']);
  assert.equal(await machine.journal(), 0);
});

test('when a reload takes the door away then its service is stopped on its earlier terms, also by the next daemon', async () => {
  for (const isKilled of [false, true]) {
    const machine = new Machine();
    let daemon = await machine.started();
    (await daemon.use('ssh'))();
    await machine.pass(daemon, 10);
    machine.doors = [];
    if (isKilled) daemon = await machine.started();
    await machine.pass(daemon, 20);
    assert.deepEqual(machine.commands, ['/bin/start']);
    assert.equal(daemon.status({ wallMs: machine.nowMs, monoMs: machine.nowMs })[0]?.state, 'running');
    await machine.pass(daemon, 100);
    assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop']);
  }
});

test('when a reload changes the idle time then it counts for what runs', async () => {
  const machine = new Machine();
  const daemon = await machine.started();
  (await daemon.use('ssh'))();
  machine.doors = [{ name: 'ssh', service: { ...SSH, idleMs: 10_000 } }];
  await machine.pass(daemon, 20);
  assert.deepEqual(machine.commands, ['/bin/start', '/bin/stop']);
});
