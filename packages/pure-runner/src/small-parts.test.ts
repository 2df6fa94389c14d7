import { VERSION, wallMs } from '@fnfleet/core';
import { aboutRunner } from './about-runner.js';
import { CollectedAnswer } from './collected-answer.js';
import { EngagementCounters } from './engagement-counters.js';

describe('the response of the status image', () => {
  it('is text, however it is split', () => {
    const answer = new CollectedAnswer();
    const euro = Buffer.from('€');
    expect(answer.write(euro.subarray(0, 1))).toBe(true);
    answer.write(euro.subarray(1));
    expect(answer).toMatchObject({ text: '€', tooLarge: false });
  });

  it('is kept up to a MiB, to the byte', () => {
    const answer = new CollectedAnswer();
    answer.write(Buffer.alloc(1024 * 1024, 'x'));
    expect([answer.tooLarge, answer.text.length]).toEqual([false, 1024 * 1024]);
    answer.write(Buffer.from('y'));
    expect([answer.tooLarge, answer.text.length]).toEqual([true, 1024 * 1024]);
  });

  it('never makes the function wait', () => {
    let drained = false;
    new CollectedAnswer().onDrain(() => {
      drained = true;
    });
    expect(drained).toBe(true);
  });
});

it('engagements are counted once when they begin and once when they end', () => {
  const counters = new EngagementCounters();
  const [first, second] = [counters.enter(), counters.enter()];
  expect(counters.snapshot()).toEqual({ active: 2, requestsReceived: 2, requestsHandled: 0 });
  first();
  first();
  expect([counters.active, counters.snapshot()]).toEqual([1, { active: 1, requestsReceived: 2, requestsHandled: 1 }]);
  second();
  expect(counters.snapshot()).toEqual({ active: 0, requestsReceived: 2, requestsHandled: 2 });
});

it('a runner reports its hot functions, its hot containers and the images that it pulls', () => {
  const hotFunctions = [
    { fnId: 'a', hot: 2 },
    { fnId: 'a', hot: 1 },
    { fnId: 'b', hot: 0 },
    { fnId: 'c', hot: 4 },
  ];
  const imagePulls = Array.from({ length: 20 }, (_, index) => ({ image: `${index}`, receivedBytes: 1, totalBytes: 2 }));
  const who = { name: 'box', httpPort: 8080, nowMs: wallMs(5) };
  expect(aboutRunner({ hotFunctions, imagePulls } as never, who)).toEqual({
    ...who,
    version: VERSION,
    hotFunctions: 2,
    hotContainers: 7,
    pulls: imagePulls.slice(0, 16),
  });
});
