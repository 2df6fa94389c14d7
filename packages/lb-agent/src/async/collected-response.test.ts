import { decodeQueuedResponse } from '@fnfleet/core';
import { CollectedResponse } from './collected-response.js';

it('the result of an asynchronous call has all headers of its response, whatever their names', () => {
  const response = new CollectedResponse(2, (status, headers) => ({
    status,
    headers: headers.flat(),
    contentLength: undefined,
  }));
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
