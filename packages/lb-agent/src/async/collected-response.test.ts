import { decodeQueuedResponse } from '@fnfleet/core';
import { CollectedResponse } from './collected-response.js';

const keeping = (bytes: number) =>
  new CollectedResponse(bytes, (status, headers) => ({ status, headers: headers.flat(), contentLength: undefined }));

it('the result of an asynchronous call has all headers of its response, whatever their names', () => {
  const response = keeping(2);
  response.writeHead(201, [
    ['x-tag', 'a'],
    ['__proto__', 'b'],
    ['constructor', 'c'],
    ['X-Tag', 'd'],
  ]);
  response.write(Buffer.from('body'));
  const { head, body } = response.result();
  const { status, headers, size } = decodeQueuedResponse(head);
  expect([status, size, Buffer.from(body).toString()]).toEqual([201, 4, 'bo']);
  expect(Object.entries(headers)).toEqual([
    ['X-Tag', ['a', 'd']],
    ['__proto__', ['b']],
    ['Constructor', ['c']],
  ]);
  expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
});

it('the result keeps the first bytes of a response, and how long the whole was', () => {
  const response = keeping(5);
  response.writeHead(200, []);
  const lent = Buffer.from('abc');
  for (const piece of ['abc', 'def', 'ghi']) {
    // What is lent is overwritten afterwards.
    lent.write(piece);
    expect(response.write(lent)).toBe(true);
  }
  const { head, body } = response.result();
  expect([Buffer.from(body).toString(), decodeQueuedResponse(head).size]).toEqual(['abcde', 9]);
});

it('the first head of a response counts', () => {
  const response = keeping(0);
  response.writeHead(404, [['x-one', '1']]);
  response.writeHead(200, [['x-two', '2']]);
  expect(decodeQueuedResponse(response.result().head)).toMatchObject({ status: 404, headers: { 'X-One': ['1'] } });
});

it('the headers of a result are limited to 8 KiB: those up to the first that does not fit are kept', () => {
  const response = keeping(0);
  response.writeHead(200, [
    ['x-half', 'a'.repeat(4_000)],
    ['x-rest', 'b'.repeat(4_180)],
    ['o', ''],
  ]);
  expect(Object.keys(decodeQueuedResponse(response.result().head).headers)).toEqual(['X-Half', 'X-Rest']);
});
