import { parsePoolUrl } from '../pool-url.js';
import { parseEtcdUrl } from './etcd-url.js';

const parse = (url: string, extra?: string[]) => parseEtcdUrl(parsePoolUrl(url), extra);
const none = { ca: undefined, cert: undefined, key: undefined };

it('has the members, the prefix and the user; missing parts have defaults', () => {
  expect(parse('etcd://h1')).toEqual({
    endpoints: ['http://h1:2379'],
    prefix: '/fnfleet/runners/',
    user: undefined,
    tls: none,
  });
  expect(parse('etcd://lb:s%40cret@h1:1,10.0.0.2,[::1],[::2]:4/blue/runners')).toEqual({
    endpoints: ['http://h1:1', 'http://10.0.0.2:2379', 'http://[::1]:2379', 'http://[::2]:4'],
    prefix: '/blue/runners/',
    user: { name: 'lb', password: 's@cret' },
    tls: none,
  });
});

it.each`
  path      | prefix
  ${''}     | ${'/fnfleet/runners/'}
  ${'/'}    | ${'/fnfleet/runners/'}
  ${'/a'}   | ${'/a/'}
  ${'/a/'}  | ${'/a/'}
  ${'/a/b'} | ${'/a/b/'}
`('the path "$path" is the prefix $prefix', ({ path, prefix }) => {
  expect(parse(`etcd://h1${path}`).prefix).toBe(prefix);
});

it.each`
  params                        | scheme
  ${'tls=true'}                 | ${'https'}
  ${'tls=false'}                | ${'http'}
  ${'ca=/ca.crt'}               | ${'https'}
  ${'cert=/me.crt&key=/me.key'} | ${'https'}
  ${'ca=/ca.crt&tls=false'}     | ${'http'}
`('with $params it uses $scheme', ({ params, scheme }) => {
  expect(parse(`etcd://h1?${params}`).endpoints).toEqual([`${scheme}://h1:2379`]);
});

it('has the names of the files', () => {
  expect(parse('etcd://h1?ca=/ca&cert=/crt&key=/key').tls).toEqual({ ca: '/ca', cert: '/crt', key: '/key' });
});

it('may have further parameters only if the caller reads them', () => {
  expect(parse('etcd://h1?ttl=5', ['ttl']).endpoints).toEqual(['http://h1:2379']);
  expect(() => parse('etcd://h1?ttl=5')).toThrow('unknown parameter "ttl"; known: tls, ca, cert, key');
});

it.each`
  url                         | message
  ${'etcd://'}                | ${'expected etcd://host:port,host:port/prefix'}
  ${'etcd://h1,'}             | ${'expected etcd://host:port,host:port/prefix'}
  ${'etcd://h1:0'}            | ${'"h1:0": the port is not a number from 1 to 65535; expected etcd://'}
  ${'etcd://a b'}             | ${'"a b" is not a host'}
  ${'etcd://h1?tls=yes'}      | ${'tls: expected true or false, got "yes"'}
  ${'etcd://h1?cert=/me.crt'} | ${'cert and key must be given together'}
  ${'etcd://h1?key=/me.key'}  | ${'cert and key must be given together'}
`('$url is rejected: $message', ({ url, message }) => {
  expect(() => parse(url)).toThrow(message);
});
