import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type App, completeBody, type Fn, later, systemClock, wallMs } from '@fnfleet/core';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import {
  fromModel,
  fromModelAndInput,
  invokeDetached,
  withDeadline,
  withExtensions,
  withSignal,
  withSlotKey,
  withTrigger,
  withWriter,
} from './call/call-options.js';
import { fromHttpRequest } from './call/from-http-request.js';
import { echo, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

describe('building a call', () => {
  let test: TestAgent;

  const setUp = (...args: ConstructorParameters<typeof TestAgent>) => {
    test = new TestAgent(...args);
    return test.agent;
  };

  afterEach(async () => {
    expect(await test.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('agent-and-docker 1: a call that needs more than the machine has is refused at once', async () => {
    const agent = setUp({}, { memoryMb: 280 });
    const tooBig = { status: 400, message: 'Requested CPU/Memory cannot be allocated' };
    await expect(agent.getCall(fromModel(aCall({ memoryMb: 281 })))).rejects.toMatchObject(tooBig);
    await expect(agent.getCall(fromModel(aCall({ memoryMb: 280, tmpfsMb: 1 })))).rejects.toMatchObject(tooBig);
    await expect(agent.getCall(fromModel(aCall({ cpuMillis: 8001 })))).rejects.toMatchObject(tooBig);
    expect(test.driver.counters.created).toBe(0);
  });

  it('agent-and-docker 2: a call that needs exactly all memory is accepted', async () => {
    setUp({ echo }, { memoryMb: 280 });
    await test.answer({ memoryMb: 280, cpuMillis: 0 });
  });

  it('agent-and-docker 3: a call needs a model', async () => {
    const agent = setUp({});
    await expect(agent.getCall()).rejects.toThrow('no model or request provided for call');
  });

  it('agent-and-docker 4: the configuration of a function cannot override how it listens', async () => {
    setUp({ echo });
    await test.answer({ config: { FN_FORMAT: 'x', FN_LISTENER: 'y', MINE: 'z' } });
    expect(test.driver.containers[0]?.spec.env).toEqual({
      FN_FORMAT: 'http-stream',
      FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock',
      MINE: 'z',
    });
  });

  it('agent-and-docker 6: the overrider may change the model and replaces the extensions for the driver', async () => {
    setUp(
      { echo, other: echo },
      {
        overrider: async (model, extensions) => {
          model.memoryMb = 64;
          return { ...extensions, added: 'yes' };
        },
      },
    );
    await test.answer({ options: [withExtensions({ given: 'yes' })] });
    expect(test.driver.containers[0]?.spec).toMatchObject({
      memoryMb: 64,
      extensions: { given: 'yes', added: 'yes' },
    });
  });

  it('agent-and-docker 6: an error of the overrider fails the call, and no container is used', async () => {
    const agent = setUp(
      { echo },
      {
        overrider: () => {
          throw new Error('not you');
        },
      },
    );
    await expect(agent.getCall(fromModel(aCall()))).rejects.toThrow('not you');
    expect(test.driver.counters.created).toBe(0);
  });

  it('agent-and-docker 7: options that need a model throw when it is missing', async () => {
    const agent = setUp({});
    const early = [
      withSignal(new AbortController().signal),
      withDeadline(systemClock.now()),
      withTrigger('t'),
      invokeDetached(),
    ];
    for (const option of early) {
      await expect(agent.getCall(option, fromModel(aCall()))).rejects.toThrow('comes after the option that supplies');
    }
  });

  it('agent-and-docker 7: the signal and the deadline of the caller end the call', async () => {
    const agent = setUp({ echo });
    const gone = AbortSignal.abort();
    const call = await agent.getCall(fromModel(aCall({ image: 'echo' })), withSignal(gone));
    expect(await outcomeOf(agent.submit(call))).toBe('CancelledError');
    const late = await agent.getCall(fromModel(aCall({ image: 'echo' })), withDeadline(later(systemClock.now(), -1)));
    expect(await outcomeOf(agent.submit(late))).toBe('serverBusy');
    expect(test.driver.counters.created).toBe(0);
  });

  it('agent-and-docker 8: options of the agent are applied after those of the call', async () => {
    const writer = new RecordingWriter();
    const agent = setUp({ echo }, { callOptions: [withWriter(writer), withExtensions({ from: 'agent' })] });
    const call = await agent.getCall(
      fromModelAndInput(aCall({ image: 'echo' }), completeBody(Buffer.from('hi'))),
      withWriter(new RecordingWriter()),
      withExtensions({ from: 'call' }),
    );
    await agent.submit(call);
    expect(writer.body.toString()).toBe('hi');
    expect(call.extensions).toEqual({ from: 'agent' });
  });

  it('protocol 66: sets trigger and type, and keeps the slot key of the balancer', async () => {
    const agent = setUp({});
    const call = await agent.getCall(fromModel(aCall()), withTrigger('t1'), invokeDetached(), withSlotKey('abcd'));
    expect(call.model).toMatchObject({ triggerId: 't1', type: 'detached' });
    expect(call.slotKey).toBe('abcd');
    const own = await agent.getCall(fromModel(aCall()), withSlotKey(''));
    expect(own.slotKey).toMatch(/^[0-9a-f]{64}$/);
  });

  it('agent-and-docker 5: builds a call from an app, a function and an HTTP request', async () => {
    const agent = setUp({ echo });
    const server = createServer(async (req, res) => {
      const writer = new RecordingWriter();
      const call = await agent.getCall(fromHttpRequest(APP, FN, req), withWriter(writer));
      await agent.submit(call);
      res.end(JSON.stringify({ model: call.model, body: writer.body.toString() }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;

    for (const send of ['at once', 'in pieces'] as const) {
      const client = request({ port, method: 'PUT', path: '/invoke/f1?x=1', headers: { 'X-Mine': ['1', '2'] } });
      if (send === 'in pieces') client.flushHeaders();
      client.write('hel');
      if (send === 'in pieces') await new Promise((resolve) => setImmediate(resolve));
      client.end('lo');
      const [answer] = await once(client, 'response');
      const { model, body } = JSON.parse((await answer.toArray()).join(''));
      expect(body).toBe('hello');
      expect(model).toMatchObject({
        image: 'echo',
        method: 'PUT',
        url: `http://localhost:${port}/invoke/f1?x=1`,
        memoryMb: 64,
        tmpfsMb: 0,
        cpuMillis: 0,
        config: { K: '2', FN_MEMORY: '64', FN_TYPE: 'sync', FN_FN_ID: 'f1', FN_APP_ID: 'a1' },
        annotations: { kept: 1 },
        syslogUrl: 'tcp://logs:514',
        headers: { 'X-Mine': ['1', '2'] },
      });
    }
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
});

const DATES = { createdAt: wallMs(0), updatedAt: wallMs(0) };
const APP: App = {
  ...DATES,
  id: 'a1',
  name: 'app',
  config: { K: '1' },
  annotations: { kept: 1, dropped: 2 },
  syslogUrl: 'tcp://logs:514',
  shape: '',
};
const FN: Fn = {
  ...DATES,
  id: 'f1',
  name: 'fn',
  appId: 'a1',
  image: 'echo',
  memoryMb: 64,
  timeoutSeconds: 30,
  idleTimeoutSeconds: 30,
  config: { K: '2' },
  annotations: { dropped: '' },
  shape: '',
};
