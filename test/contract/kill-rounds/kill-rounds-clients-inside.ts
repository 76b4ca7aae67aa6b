/**
 * Run by kill-rounds.test.ts inside namespaces: knock-otp is killed at random moments. Each time, all sent packets must
 * belong to factors or lines that were spent in the same round, and recorded before the packets left. A run that is not
 * killed must open the door.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunningProcess } from '../../../scripts/lab/running-process.ts';
import { KillPlan, pause, random } from '../../support/faults/kill-plan.ts';
import { ClientWorld, type KnockedDoor, LOOK_AHEAD } from '../../support/faults/killed-clients.ts';

/** An opened door is used again only after its second is over: a run that finds it open spends no factor. */
const SHUT_AFTER_MS = 1_500;

test('when knock-otp is killed in random rounds then no factor and no line is used twice, and the next run opens', async () => {
  const plan = new KillPlan();
  const dir = mkdtempSync(join(tmpdir(), 'knock-otp-clients-'));
  const summary = { rounds: 0, clientKills: 0, runs: 0, used: 0, sentUnfinished: 0, opened: 0 };
  const few = process.env['KNOCK_OTP_ROUNDS_MS'] !== undefined;
  const size = few ? { derived: 4, written: 2 } : { lines: 200 + Math.ceil(plan.wanted / 4) };
  const world = await ClientWorld.create(dir, size);
  /** The time of a run alone; kills come within it. */
  let usualMs = 250;
  try {
    while (plan.goesOn(summary)) {
      const door = await shutDoor(world.doors);
      const finishes = door.runs >= LOOK_AHEAD / 3 || random(5) === 0;
      const isKilled = !finishes || random(2) === 0;
      const begun = performance.now();
      const victim = isKilled ? world.run(door, ...(random(4) === 0 ? ['--no-verify'] : [])) : undefined;
      const survivor = finishes ? world.run(door) : undefined;
      const killed = victim === undefined ? undefined : killSoon(victim, usualMs);
      if (survivor !== undefined) {
        const { code, stderr } = await survivor.finished();
        assert.equal(code, 0, `${door.name}: a run that was let finish did not open: ${stderr}`);
        if (victim === undefined) usualMs += (performance.now() - begun - usualMs) / 10;
        door.openedAtMs = performance.now();
      }
      const wasKilled = (await killed) === true;
      const taken = door.taken();
      const sent = await world.sent();
      const allowed = new Set(taken.flat());
      const odd = sent.filter((port) => !allowed.has(port));
      assert.deepEqual(odd, [], `${door.name}: what left belongs to nothing that was taken in this round`);
      assert(!world.daemon.ended, `the daemon ended: ${world.daemon.stderr.slice(-2000)}`);
      door.runs = finishes ? 0 : door.runs + 1;
      summary.rounds += 1;
      summary.runs += (victim === undefined ? 0 : 1) + (survivor === undefined ? 0 : 1);
      summary.used += taken.length;
      if (wasKilled) summary.clientKills += 1;
      if (wasKilled && survivor === undefined && sent.length > 0) summary.sentUnfinished += 1;
      plan.say(summary);
    }
    summary.opened = world.opened;
    // At least a tenth of the rounds are runs that are not killed.
    assert(summary.opened >= Math.floor(summary.rounds / 20), `only ${summary.opened} doors opened: nothing was shown`);
    assert(
      summary.rounds < 100 || summary.sentUnfinished > 0,
      'no kill came after the first packet: nothing was shown',
    );
  } finally {
    await world[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
    plan.say(summary, true);
  }
});

/** A random door that has been shut for a while; waits if there is none. */
async function shutDoor(doors: readonly KnockedDoor[]): Promise<KnockedDoor> {
  const isShut = ({ openedAtMs }: KnockedDoor) => openedAtMs === 0 || performance.now() - openedAtMs > SHUT_AFTER_MS;
  for (;;) {
    const shut = doors.filter(isShut);
    const chosen = shut[random(shut.length)];
    if (chosen !== undefined) return chosen;
    await pause(20);
  }
}

/** True when the run was alive. Half of the kills come late, when a run has begun to act. */
async function killSoon(victim: RunningProcess, usualMs: number): Promise<boolean> {
  await pause(random(2) === 0 ? random(usualMs * 1.2) : usualMs * (0.6 + Math.random() / 2));
  const wasAlive = !victim.ended;
  const { code, stderr } = await victim.end('SIGKILL');
  assert(code === -1 || code === 0, `a run that ended before it was killed: ${stderr}`);
  return wasAlive && code === -1;
}
