import { addressesOf, type EndpointSlice, type SliceEndpoint } from './endpoint-slice.js';

const GRPC = [{ name: 'grpc', port: 9190 }];

function slice(parts: Omit<EndpointSlice, 'metadata'>): EndpointSlice {
  return { metadata: { name: 's' }, ports: GRPC, ...parts };
}

const at = (host: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint => ({ addresses: [host], ...parts });

it.each`
  conditions                                            | counts
  ${undefined}                                          | ${true}
  ${{}}                                                 | ${true}
  ${{ ready: null }}                                    | ${true}
  ${{ ready: true, serving: true, terminating: false }} | ${true}
  ${{ ready: false }}                                   | ${false}
  ${{ ready: false, serving: true, terminating: true }} | ${false}
  ${{ ready: true, serving: true, terminating: true }}  | ${false}
`('an endpoint with conditions $conditions counts: $counts', ({ conditions, counts }) => {
  const endpoints = [at('10.0.0.1', { conditions })];
  expect(addressesOf([slice({ endpoints })], undefined)).toEqual(counts ? ['10.0.0.1:9190'] : []);
});

it('merges slices, in a stable order, and counts no endpoint twice', () => {
  const slices = [
    slice({ endpoints: [at('10.0.0.3'), at('10.0.0.1')] }),
    slice({ endpoints: [at('10.0.0.1'), at('10.0.0.2')] }),
    slice({ endpoints: null, ports: null }),
  ];
  expect(addressesOf(slices, undefined)).toEqual(['10.0.0.1:9190', '10.0.0.2:9190', '10.0.0.3:9190']);
});

it('treats a pod with addresses of two families as one runner', () => {
  const pod = { targetRef: { uid: 'pod-1' } };
  const slices = [
    slice({
      addressType: 'IPv6',
      endpoints: [at('2001:db8::1', pod), at('2001:db8::2', { targetRef: { uid: 'pod-2' } })],
    }),
    slice({ addressType: 'IPv4', endpoints: [at('10.0.0.1', pod)] }),
  ];
  expect(addressesOf(slices, undefined)).toEqual(['10.0.0.1:9190', '[2001:db8::2]:9190']);
});

describe('the port', () => {
  const endpoints = [at('10.0.0.1')];
  const several = [
    { name: 'http', port: 8080 },
    { name: 'grpc', port: 9190 },
    { name: 'debug', port: 6060 },
  ];
  it.each`
    ports                         | wanted       | port
    ${[{ name: '', port: 7000 }]} | ${undefined} | ${7000}
    ${several}                    | ${undefined} | ${9190}
    ${several}                    | ${'debug'}   | ${6060}
    ${several}                    | ${8080}      | ${8080}
    ${null}                       | ${9190}      | ${9190}
  `('$wanted of $ports is $port', ({ ports, wanted, port }) => {
    expect(addressesOf([slice({ ports, endpoints })], wanted)).toEqual([`10.0.0.1:${port}`]);
  });

  it.each`
    ports                                               | wanted       | message
    ${several}                                          | ${'grpcs'}   | ${'the pods of the service have no port grpcs; ports: http (8080), grpc (9190), debug (6060)'}
    ${several}                                          | ${80}        | ${'the pods of the service have no port 80'}
    ${[{ name: 'a', port: 1 }, { name: 'b', port: 2 }]} | ${undefined} | ${'several ports or none, and none is named grpc; ports: a (1), b (2)'}
    ${null}                                             | ${undefined} | ${'ports: none'}
  `('$wanted of $ports is ambiguous', ({ ports, wanted, message }) => {
    expect(() => addressesOf([slice({ ports, endpoints })], wanted)).toThrow(message);
  });
});
