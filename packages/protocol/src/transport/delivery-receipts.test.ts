import type http2 from 'node:http2';
import { DeliveryReceipts } from './delivery-receipts.js';

type Answer = (error: Error | null) => void;

function receiptsOf() {
  const pings: Answer[] = [];
  const session = { destroyed: false, ping: (answer: Answer) => pings.push(answer) > 0 };
  return { pings, session, receipts: new DeliveryReceipts(session as unknown as http2.Http2Session) };
}

it('a receipt comes with the answer to a ping that was sent afterwards', () => {
  const { pings, receipts } = receiptsOf();
  const read: number[] = [];
  for (let i = 0; i < 6; i += 1) receipts.request(() => read.push(i));
  expect(pings).toHaveLength(4);
  pings[1]?.(null);
  expect(read).toEqual([1]);
  // Those that had no ping of their own share the next.
  expect(pings).toHaveLength(5);
  pings[4]?.(null);
  expect(read).toEqual([1, 4, 5]);
});

it('a connection that is lost gives none', () => {
  const { pings, session, receipts } = receiptsOf();
  const read: number[] = [];
  receipts.request(() => read.push(0));
  pings[0]?.(new Error('cancelled'));
  session.destroyed = true;
  receipts.request(() => read.push(1));
  expect([read, pings.length]).toEqual([[], 1]);
});
