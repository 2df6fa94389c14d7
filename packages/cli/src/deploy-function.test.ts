import { type ApiServer, apiSettings, newApiServer } from '@fnfleet/api';
import { readSettings } from '@fnfleet/core';
import { ApiClient } from './api-client.js';
import { deployFunction, deployTriggers, invokeUrl, triggerUrl } from './deploy-function.js';

let server: ApiServer;
let api: ApiClient;

beforeAll(async () => {
  const settings = readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:', FN_PUBLIC_LB_URL: 'http://lb:8081' });
  server = newApiServer({ settings, host: '127.0.0.1', port: 0 });
  await server.ready;
  api = new ApiClient(server.address.url);
});
afterAll(() => server.close());

it('creates app and function the first time, and updates the same function the second', async () => {
  const first = await deployFunction(api, 'shop', { name: 'cart', image: 'cart:1', memory: 64 });
  const second = await deployFunction(api, 'shop', { name: 'cart', image: 'cart:2' });
  expect(second.id).toBe(first.id);
  expect(invokeUrl(second)).toBe(`http://lb:8081/invoke/${first.id}`);
  const app = await api.findApp('shop');
  expect(await api.findFn(app?.id ?? '', 'cart')).toMatchObject({ image: 'cart:2', memory: 64 });
});

it('creates triggers the first time, and moves them the second', async () => {
  const fn = await deployFunction(api, 'shop', { name: 'till', image: 'till:1' });
  const trigger = { name: 'pay', type: 'http', source: '/pay' } as const;
  const [first] = await deployTriggers(api, fn, [trigger]);
  const [second] = await deployTriggers(api, fn, [{ ...trigger, source: '/pay-now' }]);
  expect(second?.id).toBe(first?.id);
  expect([first, second].map((ref) => ref && triggerUrl(ref))).toEqual([
    'http://lb:8081/t/shop/pay',
    'http://lb:8081/t/shop/pay-now',
  ]);
  await expect(deployTriggers(api, fn, [{ ...trigger, name: 'again', source: '/pay-now' }])).rejects.toThrow(/409/);
});

it('passes on what the API node objects to', async () => {
  await expect(deployFunction(api, 'shop', { name: 'big', image: 'a', memory: 10_000 })).rejects.toThrow(
    /400 memory value/,
  );
});

it('says so when nobody answers', async () => {
  await expect(new ApiClient('http://127.0.0.1:1').findApp('a')).rejects.toThrow(/no API node answers at http/);
});
