import { once } from 'node:events';
import { mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fn } from '@fnfleet/drivers';
import { NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

let test: TestAgent;
let folder: string;
let neighbour: Server;
let visits = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fnn'));
  visits = 0;
  neighbour = createServer((_request, response) => {
    visits += 1;
    response.end('of somebody else');
  });
  neighbour.listen(join(folder, 'neighbour.sock'));
  await once(neighbour, 'listening');
});

afterEach(async () => {
  expect(await test.leftovers()).toEqual(NOTHING_LEFT);
  neighbour.close();
  await rm(folder, { recursive: true });
});

it('a function that replaces its socket by that of another function gets no further calls, and neither does the other get them', async () => {
  const hostile = fn((request, response, container) => {
    // The runner has to dial again for the next call.
    response.setHeader('Connection', 'close');
    request.resume().once('end', async () => {
      const swap = join(dirname(container.socketPath), 'swap');
      await symlink(join(folder, 'neighbour.sock'), swap);
      await rename(swap, container.socketPath);
      response.end('harmless');
    });
  });
  test = new TestAgent({ hostile });
  for (const round of [1, 2, 3]) {
    expect(String((await test.answer({ image: 'hostile' })).body)).toBe('harmless');
    expect(test.driver.counters.created).toBe(round);
  }
  expect(visits).toBe(0);
});
