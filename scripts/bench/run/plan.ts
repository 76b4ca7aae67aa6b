/** The size of the measurements: in full, or just enough to see that the bench works. */
import { type FloodPlan, MOST } from './floods.ts';
import type { LossyPoint } from './lossy-path.ts';
import type { RestCase } from './rest.ts';

export interface Sizes {
  readonly flood: FloodPlan;
  readonly openings: number;
  readonly rest: readonly RestCase[];
  /** In time steps of 30 s. */
  readonly restSteps: number;
  readonly rotation: readonly number[];
  readonly clientRuns: number;
  /** For each capture mode. */
  readonly flatMinutes: number;
  readonly flatEveryS: number;
  readonly lossy: readonly LossyPoint[];
}

/** As many lanes as keep two cores busy: a run mostly waits for the path. */
const LANES = 4;

/** [lost, reordered, repeated], percent. */
const PATHS: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [1, 0, 0],
  [5, 0, 0],
  [15, 0, 0],
  [20, 0, 0],
  [0, 10, 0],
  [0, 25, 0],
  [0, 50, 0],
  [0, 0, 10],
  [0, 0, 20],
  [10, 25, 10],
];
/** The path for which the project has a goal. */
const GOAL_PATH = [10, 0, 0] as const;
const RUNS_AT_GOAL = 3000;

export function FULL(runsAtGoal = RUNS_AT_GOAL, flatMinutes = 10): Sizes {
  return {
    flood: {
      kinds: ['random', 'live', 'one-host'],
      rates: [0, 1000, 10_000, 100_000, MOST],
      knocks: 20,
      shots: 10,
      knocksAtMost: 100,
      watchMs: 3000,
    },
    openings: 200,
    rest: [
      { contestant: 'kernel', clients: 1, doors: 1 },
      { contestant: 'kernel', clients: 100, doors: 1 },
      { contestant: 'kernel', clients: 10_000, doors: 1 },
      { contestant: 'kernel', clients: 1, doors: 100 },
      { contestant: 'pcap', clients: 1, doors: 1 },
      { contestant: 'pcap', clients: 10_000, doors: 1 },
      { contestant: 'knockd', clients: 1, doors: 1 },
      { contestant: 'fwknopd', clients: 1, doors: 1 },
    ],
    restSteps: 2,
    rotation: [1, 100, 10_000],
    clientRuns: 60,
    flatMinutes,
    flatEveryS: 5,
    lossy: [
      ...points('knock-otp', [GOAL_PATH], runsAtGoal),
      ...points('knock-otp', PATHS, 200),
      ...points('knock', [GOAL_PATH, ...PATHS], 100),
      ...points('fwknop', [GOAL_PATH, ...PATHS], 100),
    ],
  };
}

export const QUICK: Sizes = {
  flood: { kinds: ['random', 'live'], rates: [0, 10_000], knocks: 3, shots: 2, knocksAtMost: 3, watchMs: 500 },
  openings: 5,
  rest: [
    { contestant: 'kernel', clients: 100, doors: 1 },
    { contestant: 'knockd', clients: 1, doors: 1 },
    { contestant: 'fwknopd', clients: 1, doors: 1 },
  ],
  restSteps: 0.1,
  rotation: [100],
  clientRuns: 5,
  flatMinutes: 0.1,
  flatEveryS: 1,
  lossy: [
    ...points('knock-otp', [GOAL_PATH], 6),
    ...points('knock', [GOAL_PATH], 6),
    ...points('fwknop', [GOAL_PATH], 6),
  ],
};

function points(
  program: LossyPoint['program'],
  paths: readonly (readonly [number, number, number])[],
  runs: number,
): readonly LossyPoint[] {
  return paths.map(([lossPercent, reorderPercent, duplicatePercent]) => {
    return { program, runs, lanes: LANES, lossPercent, reorderPercent, duplicatePercent };
  });
}
