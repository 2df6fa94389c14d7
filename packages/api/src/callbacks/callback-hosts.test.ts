import { isIP } from 'node:net';
import { CallbackHosts, hostOf, isPublic, parseAllowedHosts } from './callback-hosts.js';
import { parseSecrets } from './callback-signature.js';

const never = new AbortController().signal;
const judged = (address: string) => isPublic({ address, family: isIP(address) as 4 | 6 });

it.each`
  network                     | first                | last
  ${'this host'}              | ${'0.0.0.0'}         | ${'0.255.255.255'}
  ${'private'}                | ${'10.0.0.0'}        | ${'10.255.255.255'}
  ${'shared (CGNAT)'}         | ${'100.64.0.0'}      | ${'100.127.255.255'}
  ${'loopback'}               | ${'127.0.0.0'}       | ${'127.255.255.255'}
  ${'link-local, metadata'}   | ${'169.254.0.0'}     | ${'169.254.255.255'}
  ${'private'}                | ${'172.16.0.0'}      | ${'172.31.255.255'}
  ${'protocol assignments'}   | ${'192.0.0.0'}       | ${'192.0.0.255'}
  ${'documentation'}          | ${'192.0.2.0'}       | ${'192.0.2.255'}
  ${'relays of 6to4'}         | ${'192.88.99.0'}     | ${'192.88.99.255'}
  ${'private'}                | ${'192.168.0.0'}     | ${'192.168.255.255'}
  ${'benchmarks'}             | ${'198.18.0.0'}      | ${'198.19.255.255'}
  ${'documentation'}          | ${'198.51.100.0'}    | ${'198.51.100.255'}
  ${'documentation'}          | ${'203.0.113.0'}     | ${'203.0.113.255'}
  ${'multicast'}              | ${'224.0.0.0'}       | ${'239.255.255.255'}
  ${'reserved, broadcast'}    | ${'240.0.0.0'}       | ${'255.255.255.255'}
  ${'the host of Azure'}      | ${'168.63.129.16'}   | ${'168.63.129.16'}
  ${'unspecified, loopback'}  | ${'::'}              | ${'::1'}
  ${'mapped IPv4'}            | ${'::ffff:0.0.0.0'}  | ${'::ffff:255.255.255.255'}
  ${'compatible IPv4'}        | ${'::127.0.0.1'}     | ${'::8.8.8.8'}
  ${'NAT64'}                  | ${'64:ff9b::7f00:1'} | ${'64:ff9b::808:808'}
  ${'local NAT64'}            | ${'64:ff9b:1::'}     | ${'64:ff9b:1::7f00:1'}
  ${'discarded'}              | ${'100::'}           | ${'100::ffff'}
  ${'Teredo'}                 | ${'2001::'}          | ${'2001:1ff:ffff::'}
  ${'documentation'}          | ${'2001:db8::'}      | ${'2001:db8:ffff::'}
  ${'6to4'}                   | ${'2002:7f00:1::'}   | ${'2002:ffff::'}
  ${'documentation'}          | ${'3fff::'}          | ${'3fff:fff::'}
  ${'segment routing'}        | ${'5f00::'}          | ${'5f00::1'}
  ${'local, metadata of AWS'} | ${'fc00::'}          | ${'fd00:ec2::254'}
  ${'link-local'}             | ${'fe80::'}          | ${'febf:ffff::'}
  ${'site-local'}             | ${'fec0::'}          | ${'feff::'}
  ${'multicast'}              | ${'ff00::'}          | ${'ffff::'}
`('$network ($first to $last) is not public', ({ first, last }) => {
  expect([judged(first), judged(last)]).toEqual([false, false]);
});

it.each([
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '223.255.255.255',
])('%s is public', (address) => expect(judged(address)).toBe(true));
it.each(['2001:200::1', '2606:4700::1111', '2a00:1450::1', '2003::1', '3ffe::1'])('%s is public', (address) =>
  expect(judged(address)).toBe(true),
);

it.each`
  address           | family
  ${'fe80::1%eth0'} | ${6}
  ${'1.1.1.1'}      | ${6}
  ${'2606:4700::1'} | ${4}
  ${'01.1.1.1'}     | ${4}
  ${'1.1'}          | ${4}
  ${''}             | ${4}
`('what cannot be read as an address of its family is not public: $address', ({ address, family }) => {
  expect(isPublic({ address, family })).toBe(false);
});

const found = (allow: string, url: string, addresses: readonly string[]) => {
  const resolve = async () => addresses.map((address) => ({ address, family: isIP(address) as 4 | 6 }));
  return new CallbackHosts(parseAllowedHosts(allow), { listed: resolve, other: resolve }).addresses(
    new URL(url),
    never,
  );
};

it.each`
  allow               | url                          | addresses                  | used
  ${''}               | ${'https://a.example'}       | ${['1.1.1.1']}             | ${['1.1.1.1']}
  ${''}               | ${'https://a.example'}       | ${['1.1.1.1', '10.0.0.1']} | ${['1.1.1.1']}
  ${''}               | ${'https://1.1.1.1'}         | ${[]}                      | ${['1.1.1.1']}
  ${'10.1.0.0/16'}    | ${'http://a.example'}        | ${['10.1.2.3']}            | ${['10.1.2.3']}
  ${'10.1.0.0/16'}    | ${'http://a.example'}        | ${['10.1.2.3', '1.1.1.1']} | ${['10.1.2.3']}
  ${'hooks.internal'} | ${'http://HOOKS.internal./'} | ${['10.0.0.1', '1.1.1.1']} | ${['10.0.0.1', '1.1.1.1']}
  ${'*.internal'}     | ${'http://hooks.internal'}   | ${['fd00::1']}             | ${['fd00::1']}
  ${'fd00::/8, ::1'}  | ${'http://[::1]'}            | ${[]}                      | ${['::1']}
  ${'64:ff9b::/96'}   | ${'https://a.example'}       | ${['64:ff9b::808:808']}    | ${['64:ff9b::808:808']}
`('with "$allow", $url at $addresses is reached at $used', async ({ allow, url, addresses, used }) => {
  expect((await found(allow, url, addresses)).map(({ address }) => address)).toEqual(used);
});

it.each`
  allow            | url                        | addresses        | problem
  ${''}            | ${'https://a.example'}     | ${['10.0.0.1']}  | ${/^a.example is not a public host \(10.0.0.1\)/}
  ${''}            | ${'http://a.example'}      | ${['1.1.1.1']}   | ${/^a.example would be reached without TLS/}
  ${'10.1.0.0/16'} | ${'http://a.example'}      | ${['10.2.0.1']}  | ${/^a.example is not a public host \(10.2.0.1\)/}
  ${'*.internal'}  | ${'http://internal'}       | ${['10.0.0.1']}  | ${/^internal is not a public host/}
  ${'a.internal'}  | ${'http://b.a.internal'}   | ${['10.0.0.1']}  | ${/^b.a.internal is not a public host/}
  ${'a.internal'}  | ${'http://xa.internal'}    | ${['10.0.0.1']}  | ${/^xa.internal is not a public host/}
  ${'127.0.0.1'}   | ${'http://localhost:3000'} | ${['127.0.0.1']} | ${/^localhost is not a public host/}
  ${''}            | ${'https://a.LOCALHOST./'} | ${['1.1.1.1']}   | ${/^a.localhost is not a public host/}
  ${'a.internal'}  | ${'https://a.internal'}    | ${[]}            | ${/^a.internal has no address/}
`('with "$allow", $url at $addresses is not reached', async ({ allow, url, addresses, problem }) => {
  await expect(found(allow, url, addresses)).rejects.toThrow(problem);
});

it.each([
  '10.0.0.0/33',
  '::/129',
  '10.0.0',
  'a b',
  'http://a',
  'a.example:80',
  '*',
  '*.',
  'fe80::1%lo',
  '10.0.0.0/8/8',
  'a..b',
  '-/8',
])('FN_CALLBACK_ALLOW=%s is refused', (text) =>
  expect(() => parseAllowedHosts(text)).toThrow(/is neither a name, \*.name, address nor network/),
);

it('FN_CALLBACK_SECRET has at most four secrets of at least 32 characters, which no message contains', () => {
  const secret = 's'.repeat(32);
  expect(parseSecrets(` ${secret} , ${secret},`)).toEqual([secret, secret]);
  expect(() => parseSecrets(`${secret},short`)).toThrow('a secret has fewer than 32 characters');
  expect(() => parseSecrets(Array(5).fill(secret).join())).toThrow('there are more than 4 secrets');
});

it('the host of a URL is compared in one spelling', () => {
  expect(
    ['http://A.Example./', 'http://[::FFFF:1.2.3.4]/', 'http://0x7f.1/'].map((url) => hostOf(new URL(url))),
  ).toEqual(['a.example', '::ffff:102:304', '127.0.0.1']);
});

it('names of the hosts file are found only if they are listed', async () => {
  const listed = await new CallbackHosts(['localhost']).addresses(new URL('http://localhost:8080'), never);
  expect(listed).toContainEqual({ address: '127.0.0.1', family: 4 });
});
