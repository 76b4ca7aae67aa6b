/** Run by kill-rounds.test.ts inside namespaces: the daemon and its commands are killed at random during knocks. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FedProcess } from '../../support/daemon/fed-process.ts';
import { FedWorld } from '../../support/daemon/fed-world.ts';
import { KillPlan, pause, random } from '../../support/faults/kill-plan.ts';

/** The second of a grant, a tick, and time for a busy machine. */
const CLOSED_WITHIN_MS = 60_000;
const OPENED_WITHIN_MS = 30_000;
const CHECK_EVERY = 50;

/** The directory of an earlier run to continue; without it, this run makes its own. */
const kept = process.env['KNOCK_OTP_ROUNDS_DIR'];

test(`when daemon and commands are killed in random rounds then nothing opens twice or stays open`, async () => {
  const plan = new KillPlan();
  const dir = kept ?? mkdtempSync(join(tmpdir(), 'knock-otp-rounds-'));
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const book = join(dir, 'summary.json');
  const world = new FedWorld(dir);
  const summary = { rounds: 0, daemonKills: 0, commandKills: 0, reloads: 0, sent: 0, replays: 0, opened: 0 };
  if (kept !== undefined) Object.assign(summary, JSON.parse(readOr(book)));
  const recent: string[] = [];
  let daemon: FedProcess | undefined;
  try {
    while (plan.goesOn(summary)) {
      daemon ??= await FedProcess.start(world);
      for (let knocks = 1 + random(4); knocks > 0; knocks -= 1) {
        const old = random(3) === 0 ? recent[random(recent.length)] : undefined;
        const sent = old !== undefined ? world.again(old) : random(4) === 0 ? world.line() : world.factor(random(100));
        daemon.send(sent);
        recent.push(sent.use);
        if (recent.length > 40) recent.shift();
        summary.sent += 1;
        if (old !== undefined) summary.replays += 1;
      }
      await pause(random(25));
      const kind = random(9);
      if (kind < 5) summary.commandKills += daemon.killCommands();
      else if (kind === 5) {
        daemon.process.kill('SIGHUP');
        summary.reloads += 1;
      } else {
        await daemon.kill();
        daemon = undefined;
        summary.daemonKills += 1;
      }
      summary.rounds += 1;
      if (summary.rounds % CHECK_EVERY === 0 || summary.rounds === plan.wanted) {
        daemon ??= await FedProcess.start(world);
        await checkAtRest(world, daemon);
        summary.opened = world.assertUsedOnce();
        writeFileSync(book, JSON.stringify(summary));
        plan.say(summary);
      }
    }
    daemon ??= await FedProcess.start(world);
    await opensUndisturbed(world, daemon);
    await checkAtRest(world, daemon);
    summary.opened = world.assertUsedOnce();
    writeFileSync(book, JSON.stringify(summary));
    assert(summary.opened > summary.rounds / 20, `only ${summary.opened} doors opened: the test showed nothing`);
  } finally {
    await daemon?.kill();
    if (kept === undefined) rmSync(dir, { recursive: true, force: true });
    plan.say(summary, true);
  }
});

/** After the kills a client gets in. All clients try, because the counter of some may be too far ahead. */
async function opensUndisturbed(world: FedWorld, daemon: FedProcess): Promise<void> {
  const sources = world.clients.map((_, at) => {
    const sent = world.factor(at);
    daemon.send(sent);
    return sent.source;
  });
  const until = Date.now() + OPENED_WITHIN_MS;
  while (!world.calls().some(({ verb, source }) => verb === 'start' && sources.includes(source))) {
    assert(Date.now() < until, `nobody gets in\n${daemon.process.stderr}`);
    await pause(50);
  }
}

/** Checks that a command has closed every opening, and that the daemon has no open grant. */
async function checkAtRest(world: FedWorld, daemon: FedProcess): Promise<void> {
  const until = Date.now() + CLOSED_WITHIN_MS;
  while (world.open().length > 0 || world.unstopped().length > 0) {
    assert(!daemon.process.ended, `the daemon ended by itself: ${daemon.process.stderr}`);
    assert(
      Date.now() < until,
      `open past its time: ${world.open().join()}, not stopped: ${world.unstopped().join()}\n${daemon.process.stderr}`,
    );
    await pause(50);
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '{}';
  }
}
