import { Registry } from '@fnfleet/core';
import { azure } from './azure.js';
import { azure2021, oneHot, uniform } from './popularity.js';
import type { WorkloadFactory } from './workload.js';

/** The choices of `--workload`. */
export const workloads = new Registry<WorkloadFactory>('--workload', 'workload', [azure, azure2021, uniform, oneHot]);
