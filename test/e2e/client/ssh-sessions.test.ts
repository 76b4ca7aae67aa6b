/**
 * Many real ssh sessions, `ssh HOST COMMAND` through the printed ProxyCommand to a hidden sshd: one after another while the
 * door closes and opens again, and ten in parallel. All sessions must connect.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import type { Finished } from '../../../scripts/lab/running-process.ts';
import { door, openings, sshHome, withSsh } from '../../support/client/ssh-day.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const skip = skipWithoutNamespaces() || (hasPatience() ? false : 'a hundred sessions: npm test -- --long');
const options = { skip, timeout: 300_000 };
const IN_A_ROW = 100;
const AT_ONCE = 10;

/** Runs one session; returns its time in milliseconds. */
async function timed(session: () => Promise<Finished>): Promise<Finished & { readonly tookMs: number }> {
  const from = performance.now();
  const finished = await session();
  return { ...finished, tookMs: performance.now() - from };
}

function report(t: TestContext, what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => `${Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)} ms`;
  t.diagnostic(`${what}: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`);
}

test(`${IN_A_ROW} sessions of ssh in a row all come in while the door shuts between them`, options, async (t) => {
  // A grant shorter than all sessions together, and a step short enough for the repeated knocks.
  await withSsh(door('otp = totp\nstep = 5\ncmd_timeout = 5'), async (bastion, sshd) => {
    const { env, config } = await sshHome(bastion, sshd);
    const times: number[] = [];
    for (let at = 0; at < IN_A_ROW; at += 1) {
      const { code, stdout, stderr, tookMs } = await timed(() =>
        bastion.client.run(['ssh', '-F', config, 'work', `echo inside ${at}`], { env }),
      );
      assert.deepEqual([code, stdout], [0, `inside ${at}\n`], `session ${at}: ${stderr}`);
      times.push(tookMs);
    }
    assert.ok(openings(bastion) > 1, 'the door never shut in between: that is another test');
    report(t, `${IN_A_ROW} in a row, ${openings(bastion)} knocks`, times);
  });
});

for (const family of [4, 6] as const) {
  test(`${AT_ONCE} sessions of ssh at once over IPv${family} all come in, by one knock`, options, async (t) => {
    await withSsh(
      door('otp = totp\ncmd_timeout = 60'),
      async (bastion, sshd) => {
        const { env, config } = await sshHome(bastion, sshd);
        const ends = await Promise.all(
          Array.from({ length: AT_ONCE }, (_, at) =>
            timed(() => bastion.client.run(['ssh', '-F', config, 'work', `echo inside ${at}`], { env })),
          ),
        );
        for (const [at, { code, stdout, stderr }] of ends.entries()) {
          assert.deepEqual([code, stdout], [0, `inside ${at}\n`], `session ${at}: ${stderr}`);
        }
        assert.equal(openings(bastion), 1);
        report(
          t,
          `${AT_ONCE} at once over IPv${family}`,
          ends.map(({ tookMs }) => tookMs),
        );
      },
      family,
    );
  });
}
