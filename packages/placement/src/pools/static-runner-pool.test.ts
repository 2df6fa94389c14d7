import { FakeRunner } from '../fake-runner.js';
import { aCall } from '../test-call.js';
import { newStaticRunnerPool } from './static-runner-pool.js';

const create = (address: string) => new FakeRunner(address);

it('keeps the order of the addresses and trims them', async () => {
  const pool = newStaticRunnerPool([' b:9190', 'a:9190 '], create);
  const { runners } = await pool.runners(aCall());
  expect(runners.map((runner) => runner.address)).toEqual(['b:9190', 'a:9190']);
});

it('refuses an address that is listed twice', () => {
  expect(() => newStaticRunnerPool(['a:9190', ' a:9190'], create)).toThrow('runner a:9190 is listed twice');
});

it('closes all its runners, once', async () => {
  const runners: FakeRunner[] = [];
  const closes: string[] = [];
  const pool = newStaticRunnerPool(['a:9190', 'b:9190'], (address) => {
    const runner = new FakeRunner(address);
    runner.close = async () => void closes.push(address);
    runners.push(runner);
    return runner;
  });
  await Promise.all([pool.close(), pool.close()]);
  expect(closes).toEqual(['a:9190', 'b:9190']);
});
