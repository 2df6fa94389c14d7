import { addressKey, checkAddresses, joinAddress, problemOfAddress, problemOfOwnAddress } from './runner-address.js';

it.each([
  'h1:9190',
  'runner_1.app_default:9190',
  'Runner.Example.:1',
  '10.0.0.1:65535',
  '[::1]:9190',
  '[2001:db8::7]:9190',
])('%s is a valid runner address', (address) => {
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
  ${'unix:/run/r.sock'}  | ${'only FN_RUNNER_ADDRESSES may list unix sockets'}
  ${'unix:9190'}         | ${'only FN_RUNNER_ADDRESSES may list unix sockets'}
  ${'http://h1:9190'}    | ${'got a URL'}
  ${'::1'}               | ${'needs brackets: [::1]:9190'}
  ${'::1:9190'}          | ${'needs brackets: [::1:9190]:9190'}
  ${'2001:db8::zz:9190'} | ${'needs brackets: [2001:db8::zz]:9190'}
  ${'[::1:9190'}         | ${'[::1 is not an IPv6 address'}
  ${'[fe80::1%lo]:9190'} | ${'[fe80::1%lo] is not an IPv6 address'}
  ${'[10.0.0.1]:9190'}   | ${'[10.0.0.1] is not an IPv6 address'}
  ${'10.0.0.256:9190'}   | ${'"10.0.0.256" is not a host'}
  ${'h 1:9190'}          | ${'"h 1" is not a host'}
  ${'a..b:9190'}         | ${'"a..b" is not a host'}
  ${':9190'}             | ${'"" is not a host'}
  ${'user@h1:9190'}      | ${'"user@h1" is not a host'}
  ${'h1:09190'}          | ${'the port is not a number from 1 to 65535'}
  ${'h1:x9190'}          | ${'the port is not a number from 1 to 65535'}
  ${'h1:100000'}         | ${'the port is not a number from 1 to 65535'}
  ${'12.34:9190'}        | ${'"12.34" is not a host'}
  ${'a.:.b:9190'}        | ${'an IPv6 address needs brackets'}
  ${'h1/path:9190'}      | ${'"h1/path" is not a host'}
  ${'[::1]x:9190'}       | ${'[::1]x is not an IPv6 address'}
`('"$address" is invalid: $problem', ({ address, problem }) => {
  expect(problemOfAddress(address)).toContain(problem);
});

it('an address that an operator wrote may also be a unix socket', () => {
  expect(problemOfOwnAddress('unix:/run/r.sock')).toBeUndefined();
  expect(problemOfOwnAddress('h1:9190')).toBeUndefined();
  expect(problemOfOwnAddress('unix:r.sock')).toContain('an absolute path');
  expect(problemOfOwnAddress('h1')).toContain('the port is missing');
});

it('an address of either family is joined with a port', () => {
  expect(joinAddress('10.0.0.1', 9190)).toBe('10.0.0.1:9190');
  expect(joinAddress('::1', 9190)).toBe('[::1]:9190');
});

it('a host may be as long as DNS allows, and a part of its name as well', () => {
  const [part, rest] = ['a'.repeat(63), 'b'.repeat(61)];
  const longest = [part, part, part, rest].join('.');
  expect(problemOfAddress(`${longest}:1`)).toBeUndefined();
  expect(problemOfAddress(`${longest}b:1`)).toContain('is not a host');
  expect(problemOfAddress(`${part}a:1`)).toContain('is not a host');
  expect(problemOfAddress(`h.${part}a:1`)).toContain('is not a host');
  expect(problemOfAddress('h..:1')).toContain('is not a host');
});

it.each`
  one             | other                       | same
  ${'H1:9190'}    | ${'h1:9190'}                | ${true}
  ${'h1:9190'}    | ${'h1:9191'}                | ${false}
  ${'[::1]:9190'} | ${'[0:0:0:0:0:0:0:1]:9190'} | ${true}
  ${'[::A]:9190'} | ${'[::a]:9190'}             | ${true}
  ${'[::1]:9190'} | ${'[::2]:9190'}             | ${false}
  ${'H1'}         | ${'h1'}                     | ${true}
  ${'unix:/r.s'}  | ${'unix:///r.s'}            | ${true}
  ${'unix:/r.s'}  | ${'unix:/R.s'}              | ${false}
`('$one and $other are the same runner: $same', ({ one, other, same }) => {
  expect(addressKey(one) === addressKey(other)).toBe(same);
});

it('a list of addresses is checked: each must be valid, and none may be listed twice', () => {
  expect(checkAddresses(['h1:1', 'h2:1', 'h1:2'])).toEqual(['h1:1', 'h2:1', 'h1:2']);
  expect(() => checkAddresses(['h1:1', 'h2'])).toThrow('runner "h2": the port is missing');
  expect(() => checkAddresses(['h1:1', 'H1:1'])).toThrow('runner H1:1 is listed twice');
  expect(checkAddresses(['unix:/run/a', 'h1:1', 'unix:/run/b'])).toHaveLength(3);
  expect(() => checkAddresses(['unix:/a', 'unix:///a'])).toThrow('runner unix:///a is listed twice');
  expect(() => checkAddresses(['unix:a'])).toThrow('runner "unix:a": expected unix:/path, an absolute path');
});
