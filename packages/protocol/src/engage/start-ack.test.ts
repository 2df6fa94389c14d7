import { readStartAckMode, startAckHeader, wantsStart } from './start-ack.js';

it.each(['none', 'announced', 'confirmed'] as const)('a promise comes back as it was: %s', (promise) => {
  expect(readStartAckMode(startAckHeader(promise))).toBe(promise);
});

it.each([undefined, '', '0', '3', 'confirmed', ['1'], 1])('an unknown value is no guarantee: %p', (word) => {
  expect(readStartAckMode(word)).toBe('none');
});

it.each`
  accept                  | wants
  ${undefined}            | ${false}
  ${''}                   | ${false}
  ${'started'}            | ${true}
  ${'other'}              | ${false}
  ${'other, started'}     | ${true}
  ${'started,other'}      | ${true}
  ${'restarted'}          | ${false}
  ${'started-not'}        | ${false}
  ${['other', 'started']} | ${true}
  ${['other']}            | ${false}
`('a balancer that accepts $accept wants start acknowledgements: $wants', ({ accept, wants }) => {
  expect(wantsStart(accept)).toBe(wants);
});
