import { RunnerPeer } from './runner-peer.js';
import { frame } from './test-kit/frames.js';
import { Wired } from './test-kit/wired.js';
import { FRAME } from './wire.js';

const PING = frame(FRAME.PING, 0, 0, Buffer.alloc(8));

async function connected() {
  const wired = await Wired.ready('client');
  return { wired, peer: new RunnerPeer(wired.connection) };
}

it.each`
  what                                        | notes                       | sick
  ${'nothing'}                                | ${[]}                       | ${false}
  ${'two refusals'}                           | ${[7, 7]}                   | ${false}
  ${'three refusals'}                         | ${[7, 7, 7]}                | ${true}
  ${'an answer among three refusals'}         | ${[7, 7, 'answer', 7]}      | ${false}
  ${'an answer after three refusals'}         | ${[7, 7, 7, 'answer']}      | ${false}
  ${'other resets'}                           | ${[8, 8, 8, 8, 2]}          | ${false}
  ${'ENHANCE_YOUR_CALM'}                      | ${[11]}                     | ${true}
  ${'ENHANCE_YOUR_CALM, although it answers'} | ${['answer', 11, 'answer']} | ${true}
`('after $what a connection accepts no more streams: $sick', async ({ notes, sick }) => {
  const { peer } = await connected();
  for (const note of notes) {
    if (note === 'answer') peer.noteAnswer();
    else peer.noteReset(note);
  }
  expect([peer.isSick, peer.takesStreams]).toEqual([sick, !sick]);
  expect(peer.hasAnswered).toBe(notes.includes('answer'));
});

it('a connection that leaves accepts none, however healthy it is', async () => {
  const { wired, peer } = await connected();
  wired.connection.closeGracefully();
  expect([peer.isSick, peer.takesStreams]).toEqual([false, false]);
});

it('each caller that waits for a PING of the runner is notified of the next one, once, unless it has given up', async () => {
  const { wired, peer } = await connected();
  const notified: string[] = [];
  peer.onNextPing(() => notified.push('one'));
  const giveUp = peer.onNextPing(() => notified.push('two'));
  peer.onNextPing(() => notified.push('three'));
  giveUp();
  wired.say(PING, PING);
  expect(notified).toEqual(['one', 'three']);
  peer.onNextPing(() => notified.push('four'));
  wired.say(PING);
  expect(notified).toEqual(['one', 'three', 'four']);
});

it('callers that give up do not accumulate on a connection without PINGs', async () => {
  const { wired, peer } = await connected();
  const asked = jest.spyOn(wired.connection, 'onNextPing');
  const notified: string[] = [];
  for (let i = 0; i < 1000; i += 1) peer.onNextPing(() => notified.push('gave up'))();
  peer.onNextPing(() => notified.push('waits'));
  expect(asked).toHaveBeenCalledTimes(1);
  wired.say(PING);
  expect(notified).toEqual(['waits']);
});

it('a caller that waits again when notified is notified of the PING after that', async () => {
  const { wired, peer } = await connected();
  let notified = 0;
  const again = () => {
    notified += 1;
    peer.onNextPing(again);
  };
  peer.onNextPing(again);
  wired.say(PING);
  expect(notified).toBe(1);
  wired.say(PING);
  expect(notified).toBe(2);
});

it('a stream that lingers is destroyed with the second look, once; one that ends is not', async () => {
  const { wired, peer } = await connected();
  const cut: string[] = [];
  const [stays, ends, throws] = ['stays', 'ends', 'throws'].map((name) => ({
    destroy: () => {
      cut.push(name);
      if (name === 'throws') throw new Error('a fault');
    },
  }));
  if (!stays || !ends || !throws) return;
  for (const stream of [throws, stays, ends]) peer.linger(stream);
  peer.look(true);
  peer.ended(ends);
  expect(cut).toEqual([]);
  peer.look(true);
  peer.look(true);
  expect([cut, wired.faults.length, wired.closes]).toEqual([['throws', 'stays'], 1, []]);
});

it('one whose socket accepts nothing is disconnected if it is one of ours', async () => {
  const { wired, peer } = await connected();
  wired.socket.open = false;
  wired.say(PING);
  await wired.turn();
  for (let i = 0; i < 10; i += 1) peer.look(false);
  expect(wired.closes).toEqual([]);
  peer.look(true);
  expect(wired.closes).toMatchObject([{ message: 'the peer does not read' }]);
});
