import { Deferred } from '@fnfleet/core';
import { KeptDeployed } from './kept-deployed.js';

interface Begun {
  readonly signal: AbortSignal;
  readonly end: Deferred<void>;
}

let begun: Begun[];
let failures: unknown[];
let stop: AbortController;
let kept: KeptDeployed;

const turn = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  begun = [];
  failures = [];
  stop = new AbortController();
  kept = new KeptDeployed({
    deploy: (signal) => {
      const end = new Deferred<void>();
      begun.push({ signal, end });
      signal.addEventListener('abort', () => end.reject(new Error('given up')));
      return end.promise;
    },
    onFailure: (error) => failures.push(error),
    signal: stop.signal,
  });
});

it('deploys once for a change, and again for the next', async () => {
  kept.changed();
  begun[0]?.end.resolve();
  await kept.settled();
  kept.changed();
  begun[1]?.end.resolve();
  await kept.settled();
  expect([begun.length, failures]).toEqual([2, []]);
});

it('cancels a running deployment on a change, and starts the next when that has ended; many changes count as one', async () => {
  kept.changed();
  kept.changed();
  kept.changed();
  expect(begun[0]?.signal.aborted).toBe(true);
  await turn();
  expect(begun).toHaveLength(2);
  begun[1]?.end.resolve();
  await kept.settled();
  expect([begun.length, failures]).toEqual([2, []]);
});

it('reports why a deployment failed, and waits for the next change', async () => {
  kept.changed();
  begun[0]?.end.reject(new Error('a mistake'));
  await kept.settled();
  expect(failures).toEqual([new Error('a mistake')]);
  kept.changed();
  begun[1]?.end.resolve();
  await kept.settled();
  expect(begun).toHaveLength(2);
});

it('cancels a running deployment at the end, and starts no other', async () => {
  kept.changed();
  stop.abort();
  await kept.settled();
  kept.changed();
  await kept.settled();
  expect([begun.length, begun[0]?.signal.aborted, failures]).toEqual([1, true, []]);
});

it('deploys a constantly changing folder: one of four deployments completes, one at a time', async () => {
  for (let times = 0; times < 40; times += 1) {
    kept.changed();
    await turn();
  }
  expect(begun).toHaveLength(4);
  expect(begun.filter(({ signal }) => signal.aborted)).toHaveLength(3);
  begun[3]?.end.resolve();
  await turn();
  // What has changed meanwhile.
  expect(begun).toHaveLength(5);
  kept.changed();
  expect(begun[4]?.signal.aborted).toBe(true);
  await turn();
  stop.abort();
  await kept.settled();
  expect(failures).toEqual([]);
});
