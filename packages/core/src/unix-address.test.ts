import { hostOfAddress, problemOfUnixAddress, SOCKET_PATH_MAX_BYTES, unixPathOf } from './unix-address.js';

it.each`
  address                      | path
  ${'unix:/run/r.sock'}        | ${'/run/r.sock'}
  ${'unix:///run/r.sock'}      | ${'/run/r.sock'}
  ${'unix://run/r.sock'}       | ${undefined}
  ${'unix:////run/r.sock'}     | ${undefined}
  ${'unix:run/r.sock'}         | ${undefined}
  ${'unix-abstract:/run/r'}    | ${undefined}
  ${'unix:9190'}               | ${undefined}
  ${'host:9190'}               | ${undefined}
  ${'http://unix:/run/r:9190'} | ${undefined}
`('the path of $address is $path', ({ address, path }) => {
  expect(unixPathOf(address)).toBe(path);
});

const longest = `unix:/${'a'.repeat(SOCKET_PATH_MAX_BYTES - 1)}`;

it.each`
  address                    | problem
  ${'unix:/run/r.sock'}      | ${undefined}
  ${'unix:///a-b/c_d/+=@~1'} | ${undefined}
  ${longest}                 | ${undefined}
  ${`${longest}a`}           | ${`its path has ${SOCKET_PATH_MAX_BYTES + 1} bytes`}
  ${'unix:r.sock'}           | ${'an absolute path'}
  ${'unix:'}                 | ${'an absolute path'}
  ${'unix:/'}                | ${'must name a file'}
  ${'unix:/run/'}            | ${'must name a file'}
  ${'unix:/run/../r.sock'}   | ${'must name a file'}
  ${'unix:/run/./r.sock'}    | ${'must name a file'}
  ${'unix:/run//r.sock'}     | ${'must name a file'}
  ${'unix:/run/r sock'}      | ${'may only have letters'}
  ${'unix:/run/r,s'}         | ${'may only have letters'}
  ${'unix:/run/r%20s'}       | ${'may only have letters'}
  ${'unix:/run/r?a=b'}       | ${'may only have letters'}
  ${'unix:/run/r#s'}         | ${'may only have letters'}
  ${'unix:/run/\u0000s'}     | ${'may only have letters'}
  ${'unix:/run/ü'}           | ${'may only have letters'}
`('$address: $problem', ({ address, problem }) => {
  if (problem === undefined) expect(problemOfUnixAddress(address)).toBeUndefined();
  else expect(problemOfUnixAddress(address)).toContain(problem);
});

it.each`
  address            | host
  ${'h1:9190'}       | ${'h1'}
  ${'[::1]:9190'}    | ${'::1'}
  ${'unix:/run/r.s'} | ${'localhost'}
`('the host of $address is $host', ({ address, host }) => {
  expect(hostOfAddress(address)).toBe(host);
});
