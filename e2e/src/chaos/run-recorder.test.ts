import { gatewayOf, RunRecorder } from './run-recorder.js';

it.each`
  what                                     | config                                                | gateway
  ${'named'}                               | ${{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.9' }} | ${'172.18.0.9'}
  ${'not named, as after the first start'} | ${{ Subnet: '172.17.0.0/16' }}                        | ${'172.17.0.1'}
  ${'of a network without addresses'}      | ${undefined}                                          | ${undefined}
`('the gateway of a network, $what, is $gateway', ({ config, gateway }) => {
  expect(gatewayOf(config)).toBe(gateway);
});

it('uses a connection for one report, so that no function fails because of one that is closed when it reports', async () => {
  const recorder = await RunRecorder.start();
  const run = { callId: 'c1', attempt: 1, label: 'quick', instance: 'i' };
  const response = await fetch(recorder.url, { method: 'POST', body: JSON.stringify(run) });
  expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
  expect(recorder.runs).toEqual([run]);
  await recorder.close();
});
