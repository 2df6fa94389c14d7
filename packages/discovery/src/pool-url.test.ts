import { checkParams, parsePoolUrl } from './pool-url.js';

it.each`
  text                         | parts
  ${'dns://tasks.runner:9190'} | ${{ scheme: 'dns', authority: 'tasks.runner:9190', path: '', user: undefined }}
  ${'DNS+SRV://_grpc._tcp.x'}  | ${{ scheme: 'dns+srv', authority: '_grpc._tcp.x' }}
  ${'file:///etc/a%20b'}       | ${{ scheme: 'file', authority: '', path: '/etc/a b' }}
  ${'static://h1:1,[::1]:2'}   | ${{ authority: 'h1:1,[::1]:2' }}
  ${'etcd://u:p:q%3A@h1/x'}    | ${{ user: { name: 'u', password: 'p:q:' }, authority: 'h1', path: '/x' }}
  ${'etcd://u@h1'}             | ${{ user: { name: 'u', password: '' } }}
  ${'etcd://@h1'}              | ${{ user: { name: '', password: '' }, authority: 'h1' }}
  ${'k8s://ns/svc:1'}          | ${{ authority: 'ns', path: '/svc:1' }}
`('$text is accepted', ({ text, parts }) => {
  expect(parsePoolUrl(text)).toMatchObject(parts);
});

it('has parameters, decoded', () => {
  const { params } = parsePoolUrl('etcd://h1/a?ttl=5&ca=%2Fca.crt&empty=');
  expect([...params]).toEqual([
    ['ttl', '5'],
    ['ca', '/ca.crt'],
    ['empty', ''],
  ]);
});

it.each`
  text                                | shown
  ${'ETCD://lb:secret@h1,h2/a'}       | ${'etcd://h1,h2/a'}
  ${'etcd://lb:secret@h1/a?tls=true'} | ${'etcd://h1/a?tls=true'}
  ${'dns://h1:1?'}                    | ${'dns://h1:1'}
`('is shown without user and password: $shown', ({ text, shown }) => {
  expect(parsePoolUrl(text).shown).toBe(shown);
});

it.each(['h1:9190', '://h1', '1dns://h1', 'dns:/h1', 'dns://h1#part', ' dns://h1', 'd ns://h1'])(
  '%p is no URL',
  (text) => {
    expect(() => parsePoolUrl(text)).toThrow('it is not a URL such as dns://tasks.runner:9190');
  },
);

it('is reported as wrong without being quoted, because it may contain a password', () => {
  for (const text of ['etcd://u:%zz@h1', 'etcd://h1/%zz']) {
    expect(() => parsePoolUrl(text)).toThrow(
      /^a % in it is not followed by two hexadecimal digits; % itself is written %25$/,
    );
  }
});

it('an unknown parameter is rejected, with the known ones', () => {
  const url = parsePoolUrl('dns://h1?sever=1');
  expect(() => checkParams(url, ['server', 'port'])).toThrow('unknown parameter "sever"; known: server, port');
  expect(() => checkParams(url, [])).toThrow('unknown parameter "sever"; dns:// has none');
  expect(() => checkParams(url, ['sever'])).not.toThrow();
});
