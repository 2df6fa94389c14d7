import { newStaticRunnerPool } from './static-runner-pool.js';

const create = (address: string) => ({ address, close: async () => undefined });

it('keeps the order of the addresses and trims them', async () => {
  const pool = newStaticRunnerPool([' b:9190', 'a:9190 '], create);
  const { runners } = pool.runners();
  expect(runners.map((runner) => runner.address)).toEqual(['b:9190', 'a:9190']);
});

it('rejects an address that is listed twice', () => {
  expect(() => newStaticRunnerPool(['a:9190', ' a:9190'], create)).toThrow('runner a:9190 is listed twice');
});

it('closes all its runners, once', async () => {
  const closes: string[] = [];
  const pool = newStaticRunnerPool(['a:9190', 'b:9190'], (address) => ({
    address,
    close: async () => void closes.push(address),
  }));
  await Promise.all([pool.close(), pool.close()]);
  expect(closes).toEqual(['a:9190', 'b:9190']);
});
