// needs: docker
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { completeBody, readSettings } from '@fnfleet/core';
import { dockerDriver, dockerSettings } from '@fnfleet/drivers';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { fromModelAndInput, withWriter } from './call/call-options.js';
import { newAgent } from './new-agent.js';
import { agentSettings } from './settings.js';

// The engine of a busy machine may take its time to start a pull.
const PULL_MS = 4_000;

describe('a registry that accepts connections and never answers', () => {
  let registry: Server;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    registry = createServer((socket) => sockets.push(socket.on('error', () => undefined).resume()));
    registry.listen(0, '127.0.0.1');
    await once(registry, 'listening');
  });

  afterEach(async () => {
    registry.close();
    for (const socket of sockets) socket.destroy();
    await once(registry, 'close');
  });

  it('agent-and-docker 61: delays a call by no more than the pull timeout', async () => {
    const agent = newAgent({
      driver: dockerDriver({ settings: readSettings(dockerSettings, {}) }),
      settings: { ...readSettings(agentSettings, {}), hotPullTimeoutMs: PULL_MS },
    });
    try {
      await agent.ready;
      // When the test fails earlier, nothing waits for it.
      const connected = once(registry, 'connection', { signal: AbortSignal.timeout(5 * PULL_MS) });
      connected.catch(() => undefined);
      const image = `127.0.0.1:${(registry.address() as AddressInfo).port}/hung:1`;
      const call = await agent.getCall(
        fromModelAndInput(aCall({ image }), completeBody(Buffer.alloc(0))),
        withWriter(new RecordingWriter()),
      );
      await expect(agent.submit(call)).rejects.toMatchObject({ code: 'imagePullTimeout', status: 504 });
      await connected;
      expect(agent.utilization).toMatchObject({ memoryUsedBytes: 0, cpuUsedMillis: 0 });
    } finally {
      await agent.close();
    }
  });
});
