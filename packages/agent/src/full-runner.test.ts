import type { Server } from 'node:net';
import { fn } from '@fnfleet/drivers';
import { NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const LAUNCH_MS = 1_500;

let test: TestAgent;
afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
});

it('agent-and-docker 42: a full non-blocking runner refuses one call too many at once', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let calls = 0;
  const sleeper = {
    ...fn((request, response) => {
      calls += 1;
      const answer = calls <= 3 ? undefined : held;
      request.resume().once('end', () => void Promise.resolve(answer).then(() => response.end('ok')));
    }),
    async offer(server: Server, socketPath: string) {
      await new Promise((resolve) => setTimeout(resolve, LAUNCH_MS));
      server.listen(socketPath);
    },
  };
  test = new TestAgent({ sleeper }, { memoryMb: 256, settings: { nonBlocking: true } });
  const call = () => test.answer({ image: 'sleeper', memoryMb: 128 });
  // Quick calls and slow launches: one that comes now would be expected to wait for a container.
  for (let i = 0; i < 3; i += 1) await call();
  const running = [call(), call()];
  while (calls < 5) await new Promise((resolve) => setTimeout(resolve, 5));

  const from = performance.now();
  await expect(call()).rejects.toMatchObject({ code: 'serverBusy' });
  expect(performance.now() - from).toBeLessThan(LAUNCH_MS);
  release();
  await Promise.all(running);
});
