import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearMiss } from '../../../../server/config/near-miss.ts';

const known = ['knocks', 'step', 'seq_timeout', 'open', 'order'];
const rows: readonly { word: string; meant: string | undefined; why: string }[] = [
  { word: 'knock', meant: 'knocks', why: 'a letter is missing' },
  { word: 'KNOKCS', meant: 'knocks', why: 'two letters are swapped, and case does not count' },
  { word: 'seq_time_ot', meant: 'seq_timeout', why: 'two edits' },
  { word: 'seqtimout', meant: 'seq_timeout', why: 'two letters are missing' },
  { word: 'stop', meant: 'step', why: 'one edit in four letters' },
  { word: 'oder', meant: 'order', why: 'the nearest wins' },
  { word: 'sleep', meant: undefined, why: 'two edits are too many for four letters' },
  { word: '', meant: undefined, why: 'nothing was typed' },
  { word: 'k'.repeat(5000), meant: undefined, why: 'no word is so long, and it would cost' },
];

for (const { word, meant, why } of rows) {
  test(`when ${JSON.stringify(word.slice(0, 12))} is typed then ${meant ?? 'nothing'} is suggested (${why})`, () => {
    assert.equal(nearMiss(word, known), meant);
  });
}
