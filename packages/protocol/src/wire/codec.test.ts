import { wallMs } from '@fnfleet/core';
import type { CallReport } from '../engage/messages.js';
import {
  decodeClientMessage,
  decodeRunnerMessage,
  encodeClientMessage,
  encodeRunnerMessage,
  NOTHING_REPORTED,
  oversize,
} from './codec.js';
import { protoRoot } from './runner-proto.js';

const root = protoRoot();
const clientMsg = root.lookupType('ClientMsg');
const runnerMsg = root.lookupType('RunnerMsg');
const asObject = (type: typeof clientMsg, bytes: Buffer) => type.toObject(type.decode(bytes), { longs: Number });
const bytesOf = (type: typeof clientMsg, object: Record<string, unknown>) =>
  Buffer.from(type.encode(type.fromObject(object)).finish());

const FULL_REPORT: CallReport = {
  success: true,
  callId: '01D1ZVPBKV180G40RZJ0000001',
  errorCode: 502,
  errorText: 'größer',
  errorDetail: 'exit code 9',
  errorUser: true,
  retryAfterSeconds: 12,
  log: 'it broke\n',
  createdAt: wallMs(1_548_331_200_123),
  startedAt: wallMs(1_548_331_200_124),
  completedAt: wallMs(1_548_331_200_125),
  schedulerNs: 1_000_001,
  executionNs: 5_000_000_000_000,
  image: 'fnproject/hello',
  imagePullWaitNs: 1,
  containerPrepareNs: 2,
  containerCreateNs: 3,
  containerInitNs: 4,
};

const WIRE_REPORT = {
  success: true,
  details: '01D1ZVPBKV180G40RZJ0000001',
  errorCode: 502,
  errorStr: 'größer',
  errorDetail: 'exit code 9',
  retryAfterSeconds: 12,
  log: 'it broke\n',
  createdAt: '2019-01-24T12:00:00.123Z',
  startedAt: '2019-01-24T12:00:00.124Z',
  completedAt: '2019-01-24T12:00:00.125Z',
  schedulerDuration: 1_000_001,
  executionDuration: 5_000_000_000_000,
  errorUser: true,
  image: 'fnproject/hello',
  imagePullWaitDuration: 1,
  ctrPrepDuration: 2,
  ctrCreateDuration: 3,
  initStartTime: 4,
};

describe('the codec agrees with proto/runner.proto', () => {
  it('protocol 1: the service is RunnerProtocol and no name has a package', () => {
    expect(root.lookupService('RunnerProtocol').fullName).toBe('.RunnerProtocol');
    expect(clientMsg.fullName).toBe('.ClientMsg');
    expect(root.lookupType('TryCall').fullName).toBe('.TryCall');
  });

  it('started, which a Go peer reads as an empty message', () => {
    const bytes = encodeRunnerMessage({ kind: 'started' });
    expect(asObject(runnerMsg, bytes)).toEqual({ started: {} });
    expect(decodeRunnerMessage(bytes)).toEqual({ kind: 'started' });
    expect(decodeRunnerMessage(bytesOf(runnerMsg, { started: {} }))).toEqual({ kind: 'started' });
    // Field 1000, length-delimited, empty: every reader that does not know it skips it.
    expect(bytes.toString('hex')).toBe('c23e00');
  });

  it('try', () => {
    const message = {
      kind: 'try',
      callJson: '{"id":"ü"}',
      slotHash: 'ab12',
      extensions: { k: 'v', empty: '' },
    } as const;
    const wire = { try: { modelsCallJson: '{"id":"ü"}', slotHashId: 'ab12', extensions: { k: 'v', empty: '' } } };
    expect(asObject(clientMsg, encodeClientMessage(message))).toEqual(wire);
    expect(decodeClientMessage(bytesOf(clientMsg, wire))).toEqual(message);
  });

  it.each([0, 1, 127, 128, 10_240, 16_383, 16_384, 70_000])('data of %i bytes, both directions', (size) => {
    const data = Buffer.alloc(size, 7);
    for (const eof of [false, true]) {
      const message = { kind: 'data', data, eof } as const;
      expect(decodeClientMessage(bytesOf(clientMsg, { data: { data, eof } }))).toEqual(message);
      expect(decodeRunnerMessage(bytesOf(runnerMsg, { data: { data, eof } }))).toEqual(message);
      for (const [type, bytes] of [
        [clientMsg, encodeClientMessage(message)],
        [runnerMsg, encodeRunnerMessage(message)],
      ] as const) {
        const { data: frame } = asObject(type, bytes);
        expect(Buffer.from(frame.data ?? []).equals(data)).toBe(true);
        expect(frame.eof ?? false).toBe(eof);
      }
    }
  });

  it('protocol 3: result_start carries http under tag 100', () => {
    const message = {
      kind: 'resultStart',
      status: 200,
      headers: [
        ['Set-Cookie', 'a'],
        ['Set-Cookie', 'b'],
      ],
    } as const;
    const bytes = encodeRunnerMessage(message);
    const http = {
      statusCode: 200,
      headers: [
        { key: 'Set-Cookie', value: 'a' },
        { key: 'Set-Cookie', value: 'b' },
      ],
    };
    expect(asObject(runnerMsg, bytes)).toEqual({ resultStart: { http } });
    expect(bytes.includes(Buffer.from([0xa2, 0x06]))).toBe(true); // (100 << 3 | 2) as a varint
    expect(decodeRunnerMessage(bytesOf(runnerMsg, { resultStart: { http } }))).toEqual(message);
  });

  it('finished', () => {
    expect(asObject(runnerMsg, encodeRunnerMessage({ kind: 'finished', report: FULL_REPORT }))).toEqual({
      finished: WIRE_REPORT,
    });
    expect(decodeRunnerMessage(bytesOf(runnerMsg, { finished: WIRE_REPORT }))).toEqual({
      kind: 'finished',
      report: FULL_REPORT,
    });
  });

  it.each([0, 1, 127, 128, 16_383, 16_384, 70_000])(
    'finished with a log of %i letters, and headers as long',
    (letters) => {
      for (const letter of ['a', 'ü', '€', '😀']) {
        const log = letter.repeat(letters);
        const report = { ...FULL_REPORT, log };
        const { finished } = asObject(runnerMsg, encodeRunnerMessage({ kind: 'finished', report }));
        expect({ log: '', ...finished }).toEqual({ ...WIRE_REPORT, log });
        const headers = [['X-Long', log]] as const;
        const { resultStart } = asObject(runnerMsg, encodeRunnerMessage({ kind: 'resultStart', status: 200, headers }));
        expect(resultStart.http.headers).toEqual([{ key: 'X-Long', value: log }]);
      }
    },
  );

  it.each`
    number                     | read
    ${1}                       | ${1}
    ${127}                     | ${127}
    ${128}                     | ${128}
    ${2 ** 32}                 | ${2 ** 32}
    ${Number.MAX_SAFE_INTEGER} | ${Number.MAX_SAFE_INTEGER}
    ${-1}                      | ${-1}
    ${-(2 ** 40)}              | ${-(2 ** 40)}
    ${1.9}                     | ${1}
    ${Number.NaN}              | ${undefined}
    ${1 / 0}                   | ${undefined}
  `('a duration of $number is read as $read', ({ number, read }) => {
    const report = { ...FULL_REPORT, executionNs: number };
    const { finished } = asObject(runnerMsg, encodeRunnerMessage({ kind: 'finished', report }));
    expect(finished.executionDuration).toBe(read);
    expect(finished.image).toBe(WIRE_REPORT.image);
  });

  it('a message that cannot be encoded leaves nothing in the next one', () => {
    const headers = [['X', undefined as unknown as string]] as const;
    expect(() => encodeRunnerMessage({ kind: 'resultStart', status: 200, headers })).toThrow(TypeError);
    const bytes = encodeRunnerMessage({ kind: 'finished', report: FULL_REPORT });
    expect(asObject(runnerMsg, bytes)).toEqual({ finished: WIRE_REPORT });
  });

  it('protocol 6: fields omitted by an older runner have default values', () => {
    const { image, imagePullWaitDuration, ctrPrepDuration, ctrCreateDuration, initStartTime, ...old } = WIRE_REPORT;
    const decoded = decodeRunnerMessage(bytesOf(runnerMsg, { finished: old }));
    expect(decoded).toMatchObject({ report: { success: true, image: '', imagePullWaitNs: 0, containerInitNs: 0 } });
  });

  it('protocol 4: RunnerStatus starts at tag 2', () => {
    const status = root.lookupType('RunnerStatus');
    expect(Buffer.from(status.encode({ active: 1 }).finish())).toEqual(Buffer.from([0x10, 0x01]));
  });
});

describe('messages of other peers', () => {
  it('protocol 5: fields of a newer peer are skipped', () => {
    const known = encodeRunnerMessage({ kind: 'finished', report: FULL_REPORT });
    // A string under tag 99 inside `finished`, and a varint under tag 77 next to it.
    const inner = Buffer.concat([known.subarray(3), Buffer.from([0x9a, 0x06, 0x02, 0x68, 0x69])]);
    const length = inner.length;
    const grown = Buffer.concat([
      Buffer.from([0x1a, (length & 127) | 128, length >> 7]),
      inner,
      Buffer.from([0xe8, 0x04, 0x01]),
    ]);
    expect(decodeRunnerMessage(grown)).toEqual({ kind: 'finished', report: FULL_REPORT });
  });

  it('protocol 63: an empty or unknown message is unknown', () => {
    expect(decodeRunnerMessage(Buffer.alloc(0))).toEqual({ kind: 'unknown' });
    expect(decodeClientMessage(Buffer.from([0x2a, 0x01, 0x00]))).toEqual({ kind: 'unknown' });
    expect(decodeRunnerMessage(bytesOf(runnerMsg, { resultStart: {} }))).toEqual({ kind: 'unknown' });
  });

  it('an unreadable date does not lose the outcome', () => {
    const decoded = decodeRunnerMessage(bytesOf(runnerMsg, { finished: { success: true, createdAt: 'yesterday' } }));
    expect(decoded).toEqual({ kind: 'finished', report: { ...NOTHING_REPORTED, success: true } });
  });

  it.each([
    ['cut off', Buffer.from([0x0a, 0x7f, 0x01])],
    ['not protobuf', Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
  ])('bytes that are not a message are rejected: %s', (_, bytes) => {
    expect(() => decodeClientMessage(bytes)).toThrow();
    expect(() => decodeRunnerMessage(bytes)).toThrow();
  });
});

/** A field that nobody knows yet: a text under tag 15. */
const NEW_FIELD = Buffer.from('7a026869', 'hex');
/** A length-delimited field. */
const field = (number: number, ...parts: (Buffer | string)[]) => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), content]);
};

describe('fields of a newer peer are skipped wherever they are', () => {
  const pair = field(3, NEW_FIELD, field(1, 'k'), NEW_FIELD, field(2, 'v'), NEW_FIELD);

  it('in try, in its extensions and next to it', () => {
    const message = Buffer.concat([
      NEW_FIELD,
      field(1, NEW_FIELD, field(1, '{}'), pair, field(2, 'ab'), NEW_FIELD),
      NEW_FIELD,
    ]);
    expect(decodeClientMessage(message)).toEqual({
      kind: 'try',
      callJson: '{}',
      slotHash: 'ab',
      extensions: { k: 'v' },
    });
  });

  it('in data', () => {
    const data = field(2, NEW_FIELD, field(1, 'hi'), NEW_FIELD, Buffer.from([0x10, 1]), NEW_FIELD);
    const message = { kind: 'data', data: Buffer.from('hi'), eof: true };
    expect(decodeClientMessage(data)).toEqual(message);
    expect(decodeRunnerMessage(data)).toEqual(message);
  });

  it('in result_start, in its HTTP part and in its headers', () => {
    const header = field(2, NEW_FIELD, field(2, 'v'), field(1, 'K'), NEW_FIELD);
    const http = Buffer.concat([NEW_FIELD, Buffer.from([0x08, 0xc8, 0x01]), header, NEW_FIELD]);
    const outer = Buffer.concat([NEW_FIELD, Buffer.from([0xa2, 0x06, http.length]), http, NEW_FIELD]);
    expect(decodeRunnerMessage(field(1, outer))).toEqual({ kind: 'resultStart', status: 200, headers: [['K', 'v']] });
  });
});

it('a header without a name or a value has an empty one', () => {
  const http = Buffer.concat([field(2, field(2, 'v')), field(2, field(1, 'K'))]);
  const message = field(1, Buffer.concat([Buffer.from([0xa2, 0x06, http.length]), http]));
  const headers = [
    ['', 'v'],
    ['K', ''],
  ];
  expect(decodeRunnerMessage(message)).toEqual({ kind: 'resultStart', status: 0, headers });
});

describe('unset fields take no bytes', () => {
  it.each`
    message                                                                 | hex
    ${{ kind: 'try', callJson: '', slotHash: '', extensions: {} }}          | ${'0a00'}
    ${{ kind: 'try', callJson: '', slotHash: 'ab', extensions: {} }}        | ${'0a0412026162'}
    ${{ kind: 'try', callJson: '{}', slotHash: '', extensions: { k: '' } }} | ${'0a0b0a027b7d1a050a016b1200'}
    ${{ kind: 'try', callJson: '', slotHash: '', extensions: { k: 'v' } }}  | ${'0a081a060a016b120176'}
    ${{ kind: 'data', data: Buffer.alloc(0), eof: false }}                  | ${'1200'}
    ${{ kind: 'data', data: Buffer.alloc(0), eof: true }}                   | ${'12021001'}
    ${{ kind: 'unknown' }}                                                  | ${''}
  `('in $message.kind from a balancer: $hex', ({ message, hex }) => {
    expect(encodeClientMessage(message).toString('hex')).toBe(hex);
  });

  it.each`
    message                                            | hex
    ${{ kind: 'resultStart', status: 0, headers: [] }} | ${'0a03a20600'}
    ${{ kind: 'finished', report: NOTHING_REPORTED }}  | ${'1a00'}
    ${{ kind: 'unknown' }}                             | ${''}
  `('in $message.kind from a runner: $hex', ({ message, hex }) => {
    expect(encodeRunnerMessage(message).toString('hex')).toBe(hex);
  });
});

describe('durations', () => {
  const executionNs = (hex: string) => {
    const decoded = decodeRunnerMessage(field(3, Buffer.from(`48${hex}`, 'hex')));
    return decoded.kind === 'finished' ? decoded.report.executionNs : undefined;
  };

  it.each`
    what                             | hex                       | ns
    ${'of one byte'}                 | ${'7f'}                   | ${127}
    ${'of two bytes'}                | ${'8001'}                 | ${128}
    ${'of four bytes'}               | ${'ffffff7f'}             | ${2 ** 28 - 1}
    ${'of the largest exact number'} | ${'ffffffffffffff0f'}     | ${Number.MAX_SAFE_INTEGER}
    ${'longer than that: unknown'}   | ${'8080808080808010'}     | ${0}
    ${'below zero: unknown'}         | ${'ffffffffffffffffff01'} | ${0}
  `('$what are read', ({ hex, ns }) => {
    expect(executionNs(hex)).toBe(ns);
  });

  it('a truncated one is not a message, even if other bytes follow in memory', () => {
    expect(() => executionNs('80')).toThrow('truncated number');
    const [whole, cut] = [Buffer.from('1a0348800100', 'hex'), 4];
    expect(() => decodeRunnerMessage(whole.subarray(0, cut))).toThrow();
  });
});

describe('the size of a message is known before it is sent', () => {
  const MAX = 1000;
  const trying = (callJson: string, extensions = {}) => ({ kind: 'try', callJson, slotHash: '', extensions }) as const;

  /** The longest JSON whose message is within the limit. */
  const longest = 'x'.repeat(MAX - encodeClientMessage(trying('x'.repeat(500))).length + 500);

  it('a message of exactly the limit is not too large', () => {
    expect(encodeClientMessage(trying(longest))).toHaveLength(MAX);
    expect(oversize(trying(longest), MAX)).toBeUndefined();
  });

  it('one more byte is, and the size is reported', () => {
    expect(oversize(trying(`${longest}x`), MAX)).toBe(MAX + 1);
  });

  it('multi-byte texts are counted in bytes', () => {
    const text = '€'.repeat(400);
    expect(oversize(trying(text), MAX)).toBe(encodeClientMessage(trying(text)).length);
  });

  it.each`
    what                      | message
    ${'a slot key'}           | ${{ ...trying(''), slotHash: 'x'.repeat(MAX) }}
    ${'a value'}              | ${trying('', { key: 'x'.repeat(MAX) })}
    ${'a key'}                | ${trying('', { ['x'.repeat(MAX)]: '' })}
    ${'many small entries'}   | ${trying('', Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, ''])))}
    ${'a header'}             | ${{ kind: 'resultStart', status: 200, headers: [['X-Large', 'x'.repeat(MAX)]] }}
    ${'the name of a header'} | ${{ kind: 'resultStart', status: 200, headers: [['X'.repeat(MAX), '']] }}
    ${'many small headers'}   | ${{ kind: 'resultStart', status: 200, headers: Array(300).fill(['A', '']) }}
  `('$what can make it too large', ({ message }) => {
    const bytes = message.kind === 'try' ? encodeClientMessage(message) : encodeRunnerMessage(message);
    expect(oversize(message, MAX)).toBe(bytes.length);
  });
});
