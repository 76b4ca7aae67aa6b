/**
 * Run by kill-rounds.test.ts inside namespaces: the capture process is killed at random moments, in the middle of a
 * knock. The daemon lives, logs each change to deaf and to listening once, and receives packets again. A knock that it
 * saw in part opens no door, and no knock opens twice.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { KillPlan, pause, random } from '../../support/faults/kill-plan.ts';
import { CaptureWorld, killCapture, sendSyns } from '../../support/faults/killed-captures.ts';

/** A new daemon after so many kills, because the daemon waits longer before each restart of a short-lived process. */
const KILLS_OF_ONE_DAEMON = 4;
const METHODS = ['kernel', 'pcap'] as const;

test('when the capture process is killed in random rounds then the daemon hears again, and no half of a knock is left', async () => {
  const plan = new KillPlan();
  const dir = mkdtempSync(join(tmpdir(), 'knock-otp-captures-'));
  const world = new CaptureWorld(dir);
  const summary = { rounds: 0, captureKills: 0, daemonKills: 0, halfSeen: 0, replays: 0, opened: 0 };
  let daemon: RunningProcess | undefined;
  let method = 0;
  let ofThis = 0;
  try {
    while (plan.goesOn(summary)) {
      if (daemon === undefined) {
        daemon = await world.start(METHODS[method % METHODS.length] ?? 'pcap');
        method += 1;
        ofThis = 0;
      }
      ofThis += await round(world, daemon, summary);
      summary.rounds += 1;
      summary.opened = world.openings;
      plan.say(summary);
      if (ofThis >= KILLS_OF_ONE_DAEMON) {
        await daemon.end('SIGKILL');
        summary.daemonKills += 1;
        daemon = undefined;
      }
    }
    // Openings end by themselves, with all processes dead.
    const endsAt = Date.now() + 10_000;
    while (openAddresses() !== '') {
      assert(Date.now() < endsAt, `open past its time: ${openAddresses()}`);
      await pause(100);
    }
    assert(world.openings >= summary.rounds, `only ${world.openings} doors opened`);
  } finally {
    await daemon?.end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    plan.say(summary, true);
  }
});

/** Returns the number of kills. */
async function round(
  world: CaptureWorld,
  daemon: RunningProcess,
  summary: { captureKills: number; halfSeen: number; replays: number },
): Promise<number> {
  const { mark } = daemon;
  const knock = world.fresh();
  const seen = random(knock.ports.length + 1);
  await sendSyns(knock.source, knock.ports.slice(0, seen));
  await pause(random(15));
  const kills = random(4) === 0 ? 2 : 1;
  const rest = ['at once', 'while deaf', 'when heard'][random(3)];
  await killCapture(daemon);
  if (rest === 'at once') await sendSyns(knock.source, knock.ports.slice(seen));
  await daemon.waitForLine(/\bdeaf\b/, mark);
  if (rest === 'while deaf') await sendSyns(knock.source, knock.ports.slice(seen));
  if (kills === 2) {
    await pause(random(250));
    await killCapture(daemon);
  }
  summary.captureKills += kills;
  await heardAgain(daemon, mark, kills);
  if (rest === 'when heard') await sendSyns(knock.source, knock.ports.slice(seen));
  if (world.lastOpened !== undefined && random(3) === 0) {
    const replay = world.again(world.lastOpened);
    await sendSyns(replay.source, replay.ports);
    summary.replays += 1;
  }
  // Sent last: when this knock has opened, all earlier ones have been judged.
  const next = world.fresh();
  await sendSyns(next.source, next.ports);
  await daemon.waitForLine(new RegExp(`\\b(opened|extended) .*source=${next.source}\\b`), mark);
  world.read(daemon);
  const isHalf = seen > 0 && seen < knock.ports.length && rest !== 'at once';
  if (isHalf) summary.halfSeen += 1;
  if (isHalf) assert(!world.hasOpened(knock), `${seen} knocks before the kill and the rest ${rest}: opened`);
  if (seen === 0 && rest === 'when heard') assert(world.hasOpened(knock), 'a whole knock after it opened nothing');
  return kills;
}

/** Each kill logs `deaf` and `listening` once, and a second kill after `listening` logs both again. */
async function heardAgain(daemon: RunningProcess, mark: number, kills: number): Promise<void> {
  const said = () => daemon.stderr.slice(mark).match(/\b(deaf|listening)\b(?=.*interface=lo)/g) ?? [];
  await daemon.waitForLine(/\blistening\b/, mark, 60_000);
  // The second kill may come just after that line: then wait for the next one.
  while (kills === 2 && (said().length % 2 === 1 || !(await isQuiet(daemon)))) await pause(20);
  const words = said();
  assert(!daemon.ended, `the daemon ended: ${daemon.stderr.slice(-2000)}`);
  assert(
    words.every((word, at) => word === (at % 2 === 0 ? 'deaf' : 'listening')),
    words.join(),
  );
  assert(words.length >= 2 && words.length <= 2 * kills, `${kills} killed, and said: ${words.join()}`);
}

/** Whether no line is logged for 100 ms: within that time the daemon notices a kill. */
async function isQuiet(daemon: RunningProcess): Promise<boolean> {
  const { mark } = daemon;
  await pause(100);
  return daemon.mark === mark;
}

/** The elements of the doors' sets, as nft lists them. */
function openAddresses(): string {
  const listed = execFileSync('nft', ['list', 'table', 'inet', 'knock_otp'], { encoding: 'utf8' });
  return [...listed.matchAll(/set v[46]_gate \{[^}]*?elements = \{([^}]*)\}/g)].map(([, elements]) => elements).join();
}
