import { wallMs } from '@fnfleet/core';
import { protoRoot } from './runner-proto.js';
import { decodeRunnerStatus, encodeRunnerStatus, NOTHING_CHECKED, type RunnerStatus } from './runner-status.js';

const type = protoRoot().lookupType('RunnerStatus');
const bytesOf = (status: RunnerStatus) =>
  Buffer.from(type.encode(type.fromObject(encodeRunnerStatus(status))).finish());

it('protocol 4: nothing but active is tag 2 varint 1', () => {
  expect(bytesOf({ ...NOTHING_CHECKED, active: 1 })).toEqual(Buffer.from([0x10, 1]));
});

it('is the same after a round trip, with every field', () => {
  const status: RunnerStatus = {
    active: 1,
    requestsReceived: 5_000_000_000,
    requestsHandled: 4,
    call: {
      success: false,
      callId: '01D1ZVPBKV180G40RZJ0000001',
      errorCode: 502,
      errorText: 'function failed',
      createdAt: wallMs(1_548_331_200_123),
      startedAt: wallMs(1_548_331_200_124),
      completedAt: wallMs(1_548_331_200_125),
      schedulerNs: 1,
      executionNs: 2,
      imagePullWaitNs: 3,
      containerPrepareNs: 4,
      containerCreateNs: 5,
      containerInitNs: 6,
    },
    details: '{"ok":true}',
    cached: true,
    kdumpsOnDisk: 7,
    networkDisabled: true,
    customStatus: { disk: 'full' },
    load: {
      instanceId: 'abc',
      memoryUsedBytes: 1,
      memoryTotalBytes: 8 * 1024 ** 3,
      memoryIdleBytes: 2 * 1024 ** 3,
      cpuUsedMillis: 2,
      cpuTotalMillis: 3,
      active: 1,
      waiting: 4,
      freeSlots: undefined,
      draining: true,
      degraded: true,
      degradedReason: 'the engine does not answer',
    },
    about: {
      name: 'box-3',
      version: '1.2.3',
      nowMs: wallMs(1_548_331_200_123),
      httpPort: 8080,
      hotFunctions: 2,
      hotContainers: 5,
      pulls: [{ image: 'a/b:1', receivedBytes: 5_000_000_000, totalBytes: 6_000_000_000 }],
    },
  };
  const decoded = decodeRunnerStatus(bytesOf(status));
  expect(decoded).toEqual(status);
});

it('a runner of Fn reports neither load nor identity', () => {
  const bytes = Buffer.from([0x10, 2, 0x60, 9]); // active 2, requestsReceived 9
  expect(decodeRunnerStatus(bytes)).toMatchObject({
    active: 2,
    requestsReceived: 9,
    load: undefined,
    about: undefined,
    customStatus: {},
  });
});

it('the number of reported pulls is limited', () => {
  const pull = (image: string) => ({ image, receivedBytes: 1, totalBytes: 2 });
  const pulls = [pull('x'.repeat(2_000)), ...Array.from({ length: 40 }, (_, index) => pull(`${index}`))];
  const about = {
    name: '',
    version: '',
    nowMs: wallMs(0),
    httpPort: undefined,
    hotFunctions: 0,
    hotContainers: 0,
    pulls,
  };
  const decoded = decodeRunnerStatus(bytesOf({ ...NOTHING_CHECKED, about }));
  expect(decoded.about?.pulls).toEqual(pulls.slice(1, 17));
});
