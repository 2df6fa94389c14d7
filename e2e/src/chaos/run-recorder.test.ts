import { gatewayOf } from './run-recorder.js';

it.each`
  what                                     | config                                                | gateway
  ${'named'}                               | ${{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.9' }} | ${'172.18.0.9'}
  ${'not named, as after the first start'} | ${{ Subnet: '172.17.0.0/16' }}                        | ${'172.17.0.1'}
  ${'of a network without addresses'}      | ${undefined}                                          | ${undefined}
`('the gateway of a network, $what, is $gateway', ({ config, gateway }) => {
  expect(gatewayOf(config)).toBe(gateway);
});
