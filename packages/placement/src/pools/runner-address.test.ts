import { joinAddress, problemOfAddress } from './runner-address.js';

it.each([
  'h1:9190',
  'runner_1.app_default:9190',
  'Runner.Example.:1',
  '10.0.0.1:65535',
  '[::1]:9190',
  '[2001:db8::7]:9190',
])('%s is the address of a runner', (address) => {
  expect(problemOfAddress(address)).toBeUndefined();
});

it.each`
  address                | problem
  ${''}                  | ${'the port is missing'}
  ${'h1'}                | ${'the port is missing'}
  ${'h1:'}               | ${'the port is not a number'}
  ${'h1:0'}              | ${'the port is not a number from 1 to 65535'}
  ${'h1:65536'}          | ${'the port is not a number from 1 to 65535'}
  ${'h1:9190x'}          | ${'the port is not a number'}
  ${'http://h1:9190'}    | ${'it is a URL'}
  ${'::1'}               | ${'as in [::1]:9190'}
  ${'::1:9190'}          | ${'as in [::1:9190]:9190'}
  ${'2001:db8::zz:9190'} | ${'as in [2001:db8::zz]:9190'}
  ${'[::1:9190'}         | ${'[::1 is not an IPv6 address'}
  ${'[fe80::1%lo]:9190'} | ${'[fe80::1%lo] is not an IPv6 address'}
  ${'[10.0.0.1]:9190'}   | ${'[10.0.0.1] is not an IPv6 address'}
  ${'10.0.0.256:9190'}   | ${'"10.0.0.256" is not a host'}
  ${'h 1:9190'}          | ${'"h 1" is not a host'}
  ${'a..b:9190'}         | ${'"a..b" is not a host'}
  ${':9190'}             | ${'"" is not a host'}
  ${'user@h1:9190'}      | ${'"user@h1" is not a host'}
`('"$address" is none: $problem', ({ address, problem }) => {
  expect(problemOfAddress(address)).toContain(problem);
});

it('an address of either family is joined with a port', () => {
  expect(joinAddress('10.0.0.1', 9190)).toBe('10.0.0.1:9190');
  expect(joinAddress('::1', 9190)).toBe('[::1]:9190');
});
