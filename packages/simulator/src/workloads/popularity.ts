import { type Random, randomStream } from '../random.js';
import { simulatedId } from './azure.js';
import { meanExecMs, memoryMb } from './call-times.js';
import { type FunctionDemand, openLoop } from './open-loop.js';
import type { WorkloadFactory } from './workload.js';

const FUNCTIONS = 424;
const MEMORY_LIMIT_MB = 1024;
const HOT_SHARE = 0.27;

/**
 * Invocations of each of the 424 functions in the Azure Functions trace of 2021 by rank, interpolated log-log between
 * these points. The published shares: first 27.0 %, first two 37.8, five 57.1, ten 72.6, twenty 84.4, first tenth 92.3,
 * first fifth 97.8.
 */
const AZURE_2021_BY_RANK: readonly (readonly [rank: number, invocations: number])[] = [
  [1, 535_667],
  [2, 213_900],
  [4, 125_000],
  [8, 60_000],
  [15, 22_500],
  [31, 6900],
  [63, 2300],
  [106, 836],
  [212, 28],
  [318, 4],
  [424, 1],
];

export const azure2021: WorkloadFactory = {
  name: 'azure-2021',
  doc: '424 functions as popular as in the Azure Functions trace of 2021: the first makes 27 % of all calls',
  create: (need) => openLoop('azure-2021', functionsBy(need.seed, azure2021Popularity), need),
};

export const uniform: WorkloadFactory = {
  name: 'uniform',
  doc: '424 functions, all equally popular',
  create: (need) =>
    openLoop(
      'uniform',
      functionsBy(need.seed, () => 1),
      need,
    ),
};

export const oneHot: WorkloadFactory = {
  name: 'one-hot',
  doc: '424 functions, one of which makes 27 % of all calls, the others equal shares',
  create: (need) => openLoop('one-hot', functionsBy(need.seed, oneHotPopularity), need),
};

/** @param rank starting at 1 */
export function azure2021Popularity(rank: number): number {
  const above = Math.max(
    1,
    AZURE_2021_BY_RANK.findIndex(([at]) => at >= rank),
  );
  const [lowAt, low] = AZURE_2021_BY_RANK[above - 1] as readonly [number, number];
  const [highAt, high] = AZURE_2021_BY_RANK[above] as readonly [number, number];
  return low * (high / low) ** (Math.log(rank / lowAt) / Math.log(highAt / lowAt));
}

function oneHotPopularity(rank: number): number {
  return rank === 1 ? HOT_SHARE : (1 - HOT_SHARE) / (FUNCTIONS - 1);
}

/** Every function gets its own app, because these traces have no apps. */
function functionsBy(seed: number, popularity: (rank: number) => number): FunctionDemand[] {
  const random: Random = randomStream(seed, 'functions');
  return Array.from({ length: FUNCTIONS }, (_, i) => ({
    appId: simulatedId(0, i),
    fnId: simulatedId(1, i),
    memoryMb: memoryMb(random, MEMORY_LIMIT_MB),
    perSecond: popularity(i + 1),
    meanExecMs: meanExecMs(random),
    burst: 1,
  }));
}
