import { readdirSync } from 'node:fs';
import { residentBytes } from '../harness/memory.js';
import { request } from '../harness/requests.js';
import { inspect } from './inspector.js';

/** A node of the fleet under soak. */
export interface SoakedNode {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly inspectorUrl: string;
}

/** What a node holds at one moment. */
export interface Vitals {
  readonly node: SoakedNode;
  readonly descriptors: number;
  readonly residentBytes: number;
  /** Reachable memory, bytes; what waits to be collected is not in it. */
  readonly usedBytes: number;
  /** What keeps its event loop busy, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** The quickest of some answers to a question that costs nothing, milliseconds. */
  readonly answerMs: number;
}

/** Gauges that are 0 when nothing goes on. */
const GAUGES =
  /^fn_(queued|running|container_(?:wait|start|idle|paused|busy)_total|util_(?:mem|cpu)_used)(?:\{[^}]*\})? (\S+)/gm;
const QUESTIONS = 20;

export async function vitalsOf(node: SoakedNode): Promise<Vitals> {
  const answerMs = await quickestAnswerMs(node.url);
  const { usedBytes, resources } = await inspect(node.inspectorUrl);
  return {
    node,
    answerMs,
    usedBytes,
    resources,
    residentBytes: residentBytes(node.pid),
    descriptors: descriptors(node),
  };
}

export function descriptors({ pid }: SoakedNode): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Gauges that are not 0, with their values. */
export async function busyGauges({ url }: SoakedNode): Promise<Record<string, number>> {
  const text = await metricsOf(url);
  const values = [...text.matchAll(GAUGES)].map(([, name = '', value]) => [name, Number(value)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== 0));
}

/** A counter, or the count of a histogram, over all its labels; 0 if there is none yet. */
export async function counter({ url }: SoakedNode, name: string): Promise<number> {
  const text = await metricsOf(url);
  const pattern = new RegExp(`^fn_${name}(?:\\{[^}]*\\})? (\\S+)`, 'gm');
  return [...text.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function metricsOf(url: string): Promise<string> {
  const { body } = await request(`${url}/metrics`);
  return body.text();
}

async function quickestAnswerMs(url: string): Promise<number> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let question = 0; question < QUESTIONS; question += 1) {
    const startedAt = performance.now();
    const { body } = await request(`${url}/version`);
    await body.text();
    quickest = Math.min(quickest, performance.now() - startedAt);
  }
  return quickest;
}
