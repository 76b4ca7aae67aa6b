/** One run of the client, as one file, on a path that loses, reorders and repeats packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureLossy } from '../../../scripts/bench/run/lossy-path.ts';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';

const options = { skip: skipWithoutNamespaces(), timeout: 180_000 };

test(
  'where 10 % of packets are lost, others swapped and others repeated, each run opens the door',
  options,
  async () => {
    const path = { lossPercent: 10, reorderPercent: 25, duplicatePercent: 10 };
    const { opened, runs } = await measureLossy({ program: 'knock-otp', runs: 6, lanes: 3, ...path }, () => {});
    assert.deepEqual([opened, runs], [6, 6]);
  },
);
