import { firstBytes } from './first-bytes.js';
import type { Lease, MessageQueue } from './message-queue.js';
import { openSqliteQueue } from './sqlite/sqlite-queue.js';

it.each`
  text             | max   | expected
  ${''}            | ${0}  | ${''}
  ${'abc'}         | ${3}  | ${'abc'}
  ${'abcd'}        | ${3}  | ${'abc'}
  ${'éé'}          | ${4}  | ${'éé'}
  ${'éé'}          | ${3}  | ${'é'}
  ${'a€'}          | ${3}  | ${'a'}
  ${'😀😀'}        | ${8}  | ${'😀😀'}
  ${'😀😀'}        | ${7}  | ${'😀'}
  ${'abc😀'}       | ${4}  | ${'abc'}
  ${'é'.repeat(9)} | ${10} | ${'é'.repeat(5)}
`('of $text, $max bytes are "$expected"', ({ text, max, expected }) => {
  expect(firstBytes(text, max)).toBe(expected);
});

describe('the log of a call', () => {
  let queue: MessageQueue;
  beforeEach(async () => {
    queue = await openSqliteQueue({ path: ':memory:', bounds: { maxResultBytes: 1_000 } });
  });
  afterEach(() => queue.close());

  const log = 'é'.repeat(1_000);
  it.each`
    what         | end
    ${'success'} | ${(lease: Lease) => queue.complete(lease, { head: '{}', body: Buffer.alloc(0), log })}
    ${'failure'} | ${(lease: Lease) => queue.retry(lease, { kind: 'function', code: 'functionFailed', message: '', log })}
  `('is kept up to the size of a result in bytes after a $what', async ({ end }) => {
    await queue.push({ callId: 'c', fnId: 'f', head: '{}', body: Buffer.alloc(0) });
    const [delivery] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 });
    await end(delivery?.lease);
    expect(await queue.log('c')).toBe('é'.repeat(500));
  });
});
