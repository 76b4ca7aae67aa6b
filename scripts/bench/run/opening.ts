/** Section c: from the last packet of a knock to the rule in the kernel, on a quiet path. */

import type { OpeningResult } from '../report/results.ts';
import { summarize } from '../report/statistics.ts';
import { type ContestantName, start, TITLES } from './contestants.ts';
import { Rig, type TimedKnock } from './rig.ts';

export async function measureOpening(
  contestant: ContestantName,
  knocks: number,
  say: (line: string) => void,
): Promise<OpeningResult> {
  await using rig = await Rig.create();
  const subject = await start(contestant, rig);
  await subject.knock();
  const timed: TimedKnock[] = [];
  for (let at = 0; at < knocks; at += 1) timed.push(await subject.knock());
  const opened = timed.filter((each) => each.opened);
  const result: OpeningResult = {
    contestant,
    knocks,
    opened: opened.length,
    lastToRule: summarize(opened.map(({ lastToRuleMs }) => lastToRuleMs)),
    firstToConnected: summarize(opened.map(({ firstToConnectedMs }) => firstToConnectedMs)),
  };
  const { p50, p99 } = result.lastToRule;
  say(
    `${TITLES[contestant]}: ${opened.length} of ${knocks} opened, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
  );
  return result;
}
