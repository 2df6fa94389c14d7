import { DeliveryReceipts } from './delivery-receipts.js';

it('a receipt comes with the answer to a PING that was sent afterwards', () => {
  const pings: (() => void)[] = [];
  const receipts = new DeliveryReceipts({ ping: (answered) => pings.push(answered) });
  const read: number[] = [];
  for (let i = 0; i < 6; i += 1) receipts.request(() => read.push(i));
  expect(pings).toHaveLength(4);
  pings[1]?.();
  expect(read).toEqual([1]);
  // Those that had no PING of their own share the next.
  expect(pings).toHaveLength(5);
  pings[4]?.();
  expect(read).toEqual([1, 4, 5]);
});
