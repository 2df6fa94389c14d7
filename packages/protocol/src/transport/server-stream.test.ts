import { encodeBinaryTrace, hasTrace, type MonoMs, traceStateOf } from '@fnfleet/core';
import type { RunnerMessage } from '../engage/messages.js';
import { ACCEPT_HEADER, STARTED_HEADER } from '../engage/start-ack.js';
import type { RunnerStreamHandler } from '../engage/stream.js';
import { encodeClientMessage, NOTHING_REPORTED } from '../wire/codec.js';
import { INSTANCE_ID_HEADER, LOAD_TRAILER } from '../wire/orca.js';
import { DeliveryReceipts } from './delivery-receipts.js';
import { frameMessage } from './grpc-frames.js';
import { HpackDecoder } from './hpack/decoder.js';
import { encodeHeaders } from './hpack/encoder.js';
import { EngageHeads } from './response-heads.js';
import { EngagementStream } from './runner-stream.js';
import { ServerCall } from './server-call.js';
import { frame, uint32 } from './test-kit/frames.js';
import { Wired } from './test-kit/wired.js';
import { FLAG, FRAME, H2_ERROR } from './wire.js';

const MAX_MESSAGE_BYTES = 1000;
const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM;
const HEADS = new EngageHeads('run-1');

const open = (...fields: [string, string][]) =>
  frame(
    FRAME.HEADERS,
    FLAG.END_HEADERS,
    1,
    encodeHeaders([[':method', 'POST'], [':scheme', 'http'], [':path', '/x'], ...fields]),
  );
const data = (bytes: Buffer, flags = 0) => frame(FRAME.DATA, flags, 1, bytes);
const end = data(Buffer.alloc(0), FLAG.END_STREAM);
const TRAILERS = frame(FRAME.HEADERS, ENDS, 1, encodeHeaders([['x', 'y']]));
const reset = frame(FRAME.RST_STREAM, 0, 1, uint32(H2_ERROR.CANCEL));
const PING_ACK = (payload: Buffer) => frame(FRAME.PING, FLAG.ACK, 0, payload);

const FINISHED: RunnerMessage = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };
const STARTED: RunnerMessage = { kind: 'started' };

/** What the client receives, one line per frame; header fields in full. */
async function sent(wired: Wired): Promise<string[]> {
  await wired.turn();
  return wired.news().map(({ type, flags, payload }) => {
    if (type === FRAME.RST_STREAM) return `RST_STREAM ${payload.readUInt32BE(0)}`;
    const last = type !== FRAME.PING && (flags & FLAG.END_STREAM) !== 0 ? ', end' : '';
    if (type !== FRAME.HEADERS) return `${Object.keys(FRAME)[type]}${last}`;
    const list = new HpackDecoder(10_000).decode(payload, 0, payload.length);
    return `${JSON.stringify(list?.asObject)}${last}`;
  });
}

const ANSWER = { ':status': '200', 'content-type': 'application/grpc' };
const headLine = (more: Record<string, string> = {}) => JSON.stringify({ ...ANSWER, ...more });
const PLAIN = headLine({ [INSTANCE_ID_HEADER]: 'run-1' });
const CUT = 'RST_STREAM 0';

/** An engagement at a runner; the test is the balancer. */
async function engagement({
  fields = [] as [string, string][],
  receipts = false,
  handler = {} as Partial<RunnerStreamHandler>,
} = {}) {
  const wired = await Wired.ready('server');
  wired.say(open(...fields));
  const { stream, head } = wired.opened[0] ?? fail();
  const events: string[] = [];
  const engaged = new EngagementStream(wired.connection, stream, head, {
    maxMessageBytes: MAX_MESSAGE_BYTES,
    nowMs: 5000 as MonoMs,
    heads: HEADS,
    receipts: receipts ? new DeliveryReceipts(wired.connection) : undefined,
  });
  engaged.attach(
    {
      onMessage: ({ kind }) => void events.push(kind),
      onWritable: () => void events.push('writable'),
      onHalfClose: () => void events.push('half-closed'),
      onCancelled: () => void events.push('cancelled'),
      onOversize: (bytes, max) => void events.push(`oversize ${bytes} > ${max}`),
      ...handler,
    },
    () => void events.push('over'),
  );
  return { wired, engaged, events };
}

/** An RPC other than Engage. */
async function beside() {
  const wired = await Wired.ready('server');
  wired.say(open());
  const events: string[] = [];
  const call = new ServerCall(wired.connection, (wired.opened[0] ?? fail()).stream, MAX_MESSAGE_BYTES);
  call.attach(
    () => ({
      onMessage: (message) => void events.push(String(message)),
      onHalfClose: () => void events.push('half-closed'),
      onCancelled: () => void events.push('cancelled'),
    }),
    () => void events.push('over'),
  );
  return { wired, call, events };
}

const isEmpty = ({ connection, closes, faults }: Wired) =>
  expect([connection.openStreams, connection.assembly.bytes, closes, faults]).toEqual([0, 0, [], []]);

describe('an engagement', () => {
  const TRY = frameMessage(encodeClientMessage({ kind: 'try', callJson: '{}', slotHash: '', extensions: {} }));

  it('delivers its messages and its end, and answers with head, messages, status and load', async () => {
    const { wired, engaged, events } = await engagement();
    wired.say(data(TRY.subarray(0, 3)), data(TRY.subarray(3)), end);
    expect(events).toEqual(['try', 'half-closed']);
    expect(engaged.send(FINISHED)).toBe(true);
    engaged.end(0, '', 'bG9hZA');
    const status = `${JSON.stringify({ 'grpc-status': '0', [LOAD_TRAILER]: 'bG9hZA' })}, end`;
    expect(await sent(wired)).toEqual([PLAIN, 'DATA', status]);
    expect(events).toEqual(['try', 'half-closed', 'over']);
    isEmpty(wired);
  });

  it.each`
    what                      | code | details  | load         | fields
    ${'OK'}                   | ${0} | ${''}    | ${undefined} | ${{ 'grpc-status': '0' }}
    ${'a text'}               | ${8} | ${'a b'} | ${undefined} | ${{ 'grpc-status': '8', 'grpc-message': 'a b' }}
    ${'no text'}              | ${8} | ${''}    | ${undefined} | ${{ 'grpc-status': '8' }}
    ${'a message and a load'} | ${5} | ${'ä'}   | ${'bG9hZA'}  | ${{ 'grpc-status': '5', 'grpc-message': '%C3%A4', [LOAD_TRAILER]: 'bG9hZA' }}
  `('ends with $what, and cuts off the rest of the request', async ({ code, details, load, fields }) => {
    const { wired, engaged, events } = await engagement();
    engaged.end(code, details, load);
    engaged.end(13, 'again');
    expect(await sent(wired)).toEqual([PLAIN, `${JSON.stringify(fields)}, end`, CUT]);
    expect([engaged.send(FINISHED), events]).toEqual([false, ['over']]);
    engaged.sendNow(STARTED, () => events.push('never'));
    wired.say(data(TRY), end);
    expect([await sent(wired), events]).toEqual([[], ['over']]);
    isEmpty(wired);
  });

  it.each`
    what                                      | accept          | receipts | word
    ${'the balancer does not ask'}            | ${undefined}    | ${true}  | ${undefined}
    ${'the balancer asks for something else'} | ${'finished'}   | ${true}  | ${undefined}
    ${'it does not cross a network'}          | ${'started'}    | ${false} | ${'1'}
    ${'it crosses a network'}                 | ${'x, started'} | ${true}  | ${'2'}
  `('the guarantee for `started` is announced at once: $what', async ({ accept, receipts, word }) => {
    const { wired, engaged } = await engagement({ fields: accept ? [[ACCEPT_HEADER, accept]] : [], receipts });
    expect(engaged.wantsStart).toBe(word !== undefined);
    const promise = headLine({ [INSTANCE_ID_HEADER]: 'run-1', [STARTED_HEADER]: word });
    expect(await sent(wired)).toEqual(word ? [promise] : []);
    engaged.end(0, '');
    expect((await sent(wired))[0]).toBe(word ? '{"grpc-status":"0"}, end' : PLAIN);
  });

  it('a message sent at once counts when the socket has it; across a network, when it has been read', async () => {
    const near = await engagement();
    near.wired.socket.open = false;
    near.engaged.sendNow(STARTED, () => near.events.push('sent'));
    expect([await sent(near.wired), near.events]).toEqual([[PLAIN, 'DATA'], []]);
    near.wired.socket.drain();
    expect(near.events).toEqual(['sent']);

    const far = await engagement({ receipts: true });
    far.engaged.sendNow(STARTED, () => far.events.push('read'));
    await far.wired.turn();
    const frames = far.wired.news();
    expect([frames.map(({ type }) => type), far.events]).toEqual([[FRAME.HEADERS, FRAME.DATA, FRAME.PING], []]);
    far.wired.say(PING_ACK(frames.at(-1)?.payload ?? fail()));
    expect(far.events).toEqual(['read']);
  });

  it.each`
    what                | fields                        | deadlineAt
    ${'none'}           | ${[]}                         | ${undefined}
    ${'a second'}       | ${[['grpc-timeout', '1S']]}   | ${6000}
    ${'an invalid one'} | ${[['grpc-timeout', 'soon']]} | ${undefined}
  `('its deadline: $what', async ({ fields, deadlineAt }) => {
    expect((await engagement({ fields })).engaged.deadlineAt).toBe(deadlineAt);
  });

  it('belongs to the trace of its request, unless that has two', async () => {
    const bytes = [0, 0, ...Buffer.alloc(16, 7), 1, ...Buffer.alloc(8, 9), 2, 1];
    const binary: [string, string] = ['grpc-trace-bin', Buffer.from(bytes).toString('base64')];
    const { trace } = (await engagement({ fields: [binary, ['tracestate', 'a=b']] })).engaged;
    expect([encodeBinaryTrace(trace), traceStateOf(trace)]).toEqual([binary[1], 'a=b']);
    for (const fields of [[], [binary, binary]]) {
      expect(hasTrace((await engagement({ fields })).engaged.trace)).toBe(false);
    }
  });

  it('a message that is too large is not read; the handler gets its size, and ends the stream', async () => {
    const { wired, engaged, events } = await engagement();
    wired.say(data(Buffer.from([0, 0, 0, 3, 233])), end);
    expect(events[0]).toBe('oversize 1001 > 1000');
    engaged.end(8, 'too large');
    expect((await sent(wired)).slice(0, 2)).toEqual([PLAIN, '{"grpc-status":"8","grpc-message":"too large"}, end']);
    isEmpty(wired);
  });

  it.each`
    what                      | bytes
    ${'a compressed message'} | ${Buffer.from([1, 0, 0, 0, 0])}
  `('$what ends it with RESOURCE_EXHAUSTED, and its call is cancelled', async ({ bytes }) => {
    const { wired, events } = await engagement();
    wired.say(data(bytes), data(TRY), end);
    const [, status] = await sent(wired);
    expect(status).toMatch(/^\{"grpc-status":"8","grpc-message":".+"\}, end$/);
    expect(events).toEqual(['cancelled', 'over']);
    isEmpty(wired);
  });

  it('a message that cannot be decoded ends it with INTERNAL', async () => {
    const { wired, events } = await engagement();
    wired.say(data(frameMessage(Buffer.from([0x0a, 0xff]))), data(TRY), end);
    expect((await sent(wired))[1]).toMatch(/^\{"grpc-status":"13","grpc-message":".+"\}, end$/);
    expect(events).toEqual(['cancelled', 'over']);
    isEmpty(wired);
  });

  it('a handler that throws after it has ended the stream is an internal fault, which costs one stream', async () => {
    const { wired, engaged } = await engagement({
      handler: {
        onMessage: () => {
          engaged.end(0, '');
          throw new Error('a fault');
        },
      },
    });
    wired.say(data(TRY));
    await wired.turn();
    expect([wired.faults.map(({ message }) => message), wired.closes, wired.connection.openStreams]).toEqual([
      ['a fault'],
      [],
      0,
    ]);
  });

  it.each`
    what                     | says
    ${'the balancer resets'} | ${reset}
    ${'it violated HTTP/2'}  | ${frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(0))}
  `('$what: cancelled, and over', async ({ says }) => {
    const { wired, engaged, events } = await engagement();
    wired.say(data(TRY.subarray(0, 7)), says);
    expect(events).toEqual(['cancelled', 'over']);
    expect(engaged.send(FINISHED)).toBe(false);
    engaged.end(0, '');
    expect((await sent(wired)).filter((line) => !line.startsWith('RST'))).toEqual([]);
    isEmpty(wired);
  });

  it('the connection is lost: cancelled, and over, although the handler throws', async () => {
    const { wired, events } = await engagement({
      handler: {
        onCancelled: () => {
          throw new Error('a fault');
        },
      },
    });
    wired.connection.destroy(new Error('cut'));
    expect([events, wired.faults.length, wired.closes.length]).toEqual([['over'], 1, 1]);
  });

  it('one that was answered is not cancelled when the balancer leaves before it has the answer', async () => {
    const { wired, engaged, events } = await engagement();
    wired.say(end, frame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
    engaged.send({ kind: 'data', data: Buffer.from('answer'), eof: true });
    engaged.end(0, '');
    wired.say(reset);
    expect(events).toEqual(['half-closed', 'over']);
    isEmpty(wired);
  });

  it('bytes of an answer that wait for the balancer are copied: their memory is used again', async () => {
    const { wired, engaged } = await engagement();
    const whole = Buffer.alloc(70_000, 'x');
    const answer = Buffer.from('answer');
    engaged.send({ kind: 'data', data: whole, eof: false });
    expect(engaged.send({ kind: 'data', data: answer, eof: false })).toBe(false);
    answer.fill('!');
    await wired.turn();
    wired.news();
    wired.say(frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(100_000)), frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(100_000)));
    await wired.turn();
    const rest = Buffer.concat(wired.news().map(({ payload }) => payload));
    expect(rest.toString().endsWith('answer')).toBe(true);
    engaged.end(0, '');
  });

  it('can be paused and resumed; the handler of a slow balancer is asked to wait, and called when it may continue', async () => {
    const { wired, engaged, events } = await engagement();
    engaged.pause();
    wired.say(data(TRY), end);
    expect(events).toEqual([]);
    engaged.resume();
    await wired.turn();
    expect(events).toEqual(['try', 'half-closed']);
    expect(engaged.send({ kind: 'data', data: Buffer.alloc(70_000), eof: false })).toBe(false);
    await wired.turn();
    expect(events).toHaveLength(2);
    wired.say(frame(FRAME.WINDOW_UPDATE, 0, 1, uint32(70_000)), frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(70_000)));
    await wired.turn();
    expect(events).toEqual(['try', 'half-closed', 'writable']);
  });
});

describe('an RPC other than Engage', () => {
  it('its handler may keep messages: they are copies', async () => {
    const { wired, call } = await beside();
    const kept: Buffer[] = [];
    call.attach(
      () => ({
        onMessage: (message) => void kept.push(message),
        onHalfClose: () => undefined,
        onCancelled: () => undefined,
      }),
      () => undefined,
    );
    wired.say(data(frameMessage(Buffer.from('one'))), data(frameMessage(Buffer.from('two')), FLAG.END_STREAM));
    expect(kept.map(String)).toEqual(['one', 'two']);
    call.end(0, '');
  });

  it('delivers its messages and its end, and is answered', async () => {
    const { wired, call, events } = await beside();
    call.open();
    expect(await sent(wired)).toEqual([headLine()]);
    wired.say(data(frameMessage(Buffer.from('ask'))), TRAILERS);
    expect(events).toEqual(['ask', 'half-closed']);
    expect(call.send(Buffer.from('answer'))).toBe(true);
    call.end(0, '');
    call.end(2, 'again');
    expect(await sent(wired)).toEqual(['DATA', '{"grpc-status":"0"}, end']);
    expect([call.send(Buffer.from('late')), events]).toEqual([false, ['ask', 'half-closed', 'over']]);
    isEmpty(wired);
  });

  it('one that is over receives no messages, and sends none', async () => {
    const { wired, call, events } = await beside();
    call.end(12, 'no such method');
    wired.say(data(frameMessage(Buffer.from('ask'))), end);
    expect(await sent(wired)).toEqual([headLine(), '{"grpc-status":"12","grpc-message":"no such method"}, end', CUT]);
    expect(events).toEqual(['over']);
    isEmpty(wired);
  });

  it.each`
    what                             | says                                    | status
    ${'a message that is too large'} | ${data(Buffer.from([0, 0, 0, 3, 233]))} | ${'8'}
    ${'a compressed message'}        | ${data(Buffer.from([1, 0, 0, 0, 0]))}   | ${'8'}
  `('$what ends it, and its call is cancelled', async ({ says, status }) => {
    const { wired, events } = await beside();
    wired.say(says, end);
    expect((await sent(wired))[1]).toMatch(new RegExp(`^{"grpc-status":"${status}","grpc-message":"[^"]+"}, end$`));
    expect(events).toEqual(['cancelled', 'over']);
    isEmpty(wired);
  });

  it('is cancelled when the client resets it', async () => {
    const { wired, events } = await beside();
    wired.say(reset);
    expect(events).toEqual(['cancelled', 'over']);
    isEmpty(wired);
  });
});

function fail(): never {
  throw new Error('no such thing');
}
