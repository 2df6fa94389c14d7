import { FakeClock } from '@fnfleet/core';
import { KeepaliveMonitor } from './keepalive-monitor.js';

function watched({ busy = true, mayPing = true } = {}) {
  const clock = new FakeClock();
  const peer = { bytes: 0, pings: [] as (() => void)[], lost: [] as number[], busy };
  const keepalive = new KeepaliveMonitor({
    ping: (answered) => mayPing && peer.pings.push(answered) > 0,
    bytesRead: () => peer.bytes,
    isBusy: () => peer.busy,
    everyMs: 500,
    limitMs: 2000,
    onLost: (ms) => peer.lost.push(ms),
    clock,
  });
  return { clock, peer, keepalive };
}

it('a peer that others wait for and that sends nothing gets a PING, is unresponsive, and is lost', async () => {
  const { clock, peer, keepalive } = watched();
  await clock.advance(500);
  expect([peer.pings.length, keepalive.isUnresponsive]).toEqual([1, false]);
  await clock.advance(500);
  expect(keepalive.isUnresponsive).toBe(true);
  await clock.advance(1500);
  expect([peer.lost, peer.pings.length, clock.pendingTimers]).toEqual([[2000], 1, 0]);
});

it.each(['an answer', 'anything else it says'])('%s shows that the peer responds', async (what) => {
  const { clock, peer, keepalive } = watched();
  for (let i = 0; i < 20; i += 1) {
    await clock.advance(500);
    if (what === 'an answer') peer.pings.pop()?.();
    else peer.bytes += 1;
  }
  expect([peer.lost, keepalive.isUnresponsive]).toEqual([[], false]);
  keepalive.close();
  expect(clock.pendingTimers).toBe(0);
});

it('a peer that nobody waits for gets PINGs rarely, and one that rejects them never', async () => {
  const idle = watched({ busy: false });
  await idle.clock.advance(9500);
  expect(idle.peer.pings).toHaveLength(0);
  await idle.clock.advance(500);
  expect(idle.peer.pings).toHaveLength(1);
  idle.peer.pings[0]?.();
  await idle.clock.advance(9500);
  expect(idle.peer.pings).toHaveLength(1);
  await idle.clock.advance(500);
  expect([idle.peer.pings.length, idle.peer.lost]).toEqual([2, []]);
  idle.keepalive.close();

  const foreign = watched({ mayPing: false });
  await foreign.clock.advance(60_000);
  expect([foreign.peer.pings.length, foreign.peer.lost]).toEqual([0, []]);
  foreign.keepalive.close();
});
