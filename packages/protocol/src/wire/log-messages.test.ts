import { wallMs } from '@fnfleet/core';
import { decodeLogBatch, encodeLogBatch, type LogEntry } from './log-messages.js';
import { protoRoot, runnerService } from './runner-proto.js';

function aLine(text: string, of: Partial<LogEntry> = {}): LogEntry {
  const origin = { callId: 'call1', fnId: 'fn1', appId: 'app1', containerId: 'box1' };
  return { at: wallMs(1_700_000_000_001), source: 'stdout', text: Buffer.from(text), ...origin, ...of };
}

/** What is on the wire for a batch. */
function bytesOf(lines: readonly LogEntry[], dropped = 0): Buffer {
  const method = runnerService().StreamLogs;
  if (method === undefined) throw new Error('no StreamLogs');
  return method.responseSerialize(encodeLogBatch({ lines, dropped }));
}

const LINES = [
  aLine('one'),
  aLine('of another container', { containerId: 'box2', fnId: 'fn2' }),
  aLine('of another call', { callId: 'call2' }),
  aLine('two', { source: 'stderr', at: wallMs(1_700_000_000_002) }),
];

it('groups lines by container, then by call, each in its order', () => {
  const type = protoRoot().lookupType('LogResponseMsg');
  const line = (text: string) => ({ timestamp: 1_700_000_000_001, source: 'STDOUT', data: Buffer.from(text) });
  expect(type.toObject(type.decode(bytesOf(LINES)), { longs: Number, enums: String, defaults: true })).toEqual({
    data: [
      {
        applicationId: 'app1',
        functionId: 'fn1',
        containerId: 'box1',
        data: [
          {
            requestId: 'call1',
            data: [line('one'), { timestamp: 1_700_000_000_002, source: 'STDERR', data: Buffer.from('two') }],
          },
          { requestId: 'call2', data: [line('of another call')] },
        ],
      },
      {
        applicationId: 'app1',
        functionId: 'fn2',
        containerId: 'box2',
        data: [{ requestId: 'call1', data: [line('of another container')] }],
      },
    ],
    dropped: 0,
  });
});

it('preserves every line in a round trip', () => {
  const method = runnerService().StreamLogs;
  const { lines, dropped } = decodeLogBatch(method?.responseDeserialize(bytesOf(LINES, 7)));
  expect(dropped).toBe(7);
  expect(lines.toSorted(byText)).toEqual(LINES.toSorted(byText));
});

it('accepts a batch of a runner that does not report dropped lines', () => {
  const method = runnerService().StreamLogs;
  expect(decodeLogBatch(method?.responseDeserialize(bytesOf([])))).toEqual({ lines: [], dropped: 0 });
});

function byText(a: LogEntry, b: LogEntry): number {
  return Buffer.compare(a.text, b.text);
}
