import { freePort, freePorts } from './free-ports.js';

it('ports that somebody has got and does not use yet are not given to others', async () => {
  const given: number[] = [];
  for (let turn = 0; turn < 30; turn += 1) {
    const first = await freePorts(6);
    given.push(...Array.from({ length: 6 }, (_, index) => first + index));
    given.push(...(await Promise.all(Array.from({ length: 6 }, () => freePort()))));
  }
  expect(new Set(given).size).toBe(given.length);
});

it('a file that needs more ports than there are gets the first ones again', async () => {
  for (let turn = 0; turn < 300; turn += 1) await freePorts(12);
});
