import type { QueueSetup } from './queue-setup.js';
import { describeAcceptingCalls } from './suite/accepting-calls.js';
import { describeChoosyHolders } from './suite/choosy-holders.js';
import { describeDeadLetters } from './suite/dead-letters.js';
import { describeFailingCalls } from './suite/failing-calls.js';
import { describeFollowUps } from './suite/follow-ups.js';
import { describeLeases } from './suite/leases.js';
import { describeOrder } from './suite/order.js';
import { describeReadiness } from './suite/readiness.js';
import { describeRecords } from './suite/records.js';
import { describeRoomForOthers } from './suite/room-for-others.js';
import { describeWaitingReservations } from './suite/waiting-reservations.js';
import { describeWallClock } from './suite/wall-clock.js';
import { describeWithdrawnCalls } from './suite/withdrawn-calls.js';
import { SUCCESS, TestedQueue } from './tested-queue.js';

/** What every implementation of MessageQueue must do. */
export function describeQueue(name: string, newSetup: () => QueueSetup): void {
  describe(`a queue (${name})`, () => {
    const tested = new TestedQueue(newSetup);
    const { push, reserve, state } = tested;

    beforeEach(() => tested.create());
    afterEach(() => tested.remove());

    describeAcceptingCalls(tested);
    describeRoomForOthers(tested);
    describeOrder(tested);
    describeChoosyHolders(tested);
    describeReadiness(tested);
    describeWaitingReservations(tested);
    describeLeases(tested);
    describeFailingCalls(tested);
    describeWithdrawnCalls(tested);
    describeFollowUps(tested);
    describeDeadLetters(tested);
    describeRecords(tested);
    describeWallClock(tested);

    it('refuses operations after it is closed', async () => {
      await tested.queue.close();
      await tested.queue.close();
      await expect(push()).rejects.toThrow('the queue is closed');
      expect(await reserve()).toEqual([]);
    });

    it('after a kill has what it has acknowledged', async () => {
      const calls = await Promise.all(Array.from({ length: 20 }, () => push()));
      const deliveries = await reserve({ limit: 10 });
      await Promise.all(deliveries.slice(0, 5).map(({ lease }) => tested.queue.complete(lease, SUCCESS)));
      await tested.killAndReopen();
      expect(await Promise.all(calls.map(state))).toEqual([
        ...Array(5).fill('success'),
        ...Array(5).fill('running'),
        ...Array(10).fill('ready'),
      ]);
    });
  });
}
