import { VERSION, wallMs } from '@fnfleet/core';
import { aboutRunner } from './runner-status-report.js';

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
