import { wallMs } from '../clock.js';
import { decodeQueuedRequest, decodeQueuedResponse, encodeQueuedRequest, encodeQueuedResponse } from './queued-call.js';

it('a request is read as it was written', () => {
  const request = {
    method: 'POST',
    url: 'http://lb/invoke/é',
    headers: { 'X-A': ['1', '2'] },
    triggerId: 't',
    createdAt: wallMs(1_000),
    trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    hops: 2,
  };
  expect(decodeQueuedRequest(encodeQueuedRequest(request))).toEqual(request);
  const direct = { ...request, triggerId: '', hops: undefined };
  expect(decodeQueuedRequest(encodeQueuedRequest(direct))).toEqual(direct);
});

it('a response is read as it was written, and anything else as an unknown one', () => {
  const response = { status: 200, headers: { 'X-A': ['1'] }, size: 9 };
  expect(decodeQueuedResponse(encodeQueuedResponse(response))).toEqual(response);
  const unknown = { status: 0, headers: {}, size: 0 };
  for (const text of ['', '{', '7', '{"status":"x"}', '{"headers":[]}']) {
    expect(decodeQueuedResponse(text)).toEqual(unknown);
  }
});
