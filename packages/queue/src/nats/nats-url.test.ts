import { parseNatsUrl } from './nats-url.js';

it.each`
  url                                          | says
  ${'nats://n1'}                               | ${{ servers: ['n1:4222'], name: 'fnfleet', shown: 'nats://n1:4222/fnfleet', tls: {} }}
  ${'nats://127.0.0.1:14222/'}                 | ${{ servers: ['127.0.0.1:14222'], tls: false }}
  ${'nats://localhost,[::1]:5/calls-2'}        | ${{ servers: ['localhost:4222', '[::1]:5'], name: 'calls-2', tls: false }}
  ${'nats://localhost,n2'}                     | ${{ servers: ['localhost:4222', 'n2:4222'], tls: {} }}
  ${'nats://me:p%40ss:w%2Fd@n1,n2:5?tls=off'}  | ${{ user: 'me', password: 'p@ss:w/d', token: undefined, tls: false, shown: 'nats://n1:4222,n2:5/fnfleet' }}
  ${'nats://s3cret@n1'}                        | ${{ user: undefined, token: 's3cret' }}
  ${'nats://n1?creds=/run/q.creds&replicas=3'} | ${{ credentialsFile: '/run/q.creds', replicas: 3 }}
  ${'nats://127.0.0.1?tls_ca=/ca.pem'}         | ${{ tls: { caFile: '/ca.pem' } }}
  ${'nats://127.0.0.1?tls=on'}                 | ${{ tls: {} }}
  ${'nats://n1?monitor=http%3A%2F%2Fn1:8222'}  | ${{ monitor: 'http://n1:8222' }}
`('reads $url', ({ url, says }) => {
  expect(parseNatsUrl(url)).toMatchObject(says);
});

it.each`
  url                               | says
  ${'nats://'}                      | ${/not a URL of the form nats:/}
  ${'nats://n1:port'}               | ${/not a URL of the form nats:/}
  ${'nats://n1,,n2'}                | ${/not a URL of the form nats:/}
  ${'nats://a:s3cret%@n1'}          | ${/% that is not the beginning/}
  ${'nats://n1/a.b'}                | ${/the name of the queue/}
  ${'nats://n1?replica=3'}          | ${/unknown parameter "replica"; known: creds/}
  ${'nats://n1?replicas=9'}         | ${/replicas is a number from 1 to 5/}
  ${'nats://n1?tls=maybe'}          | ${/tls is on or off/}
  ${'nats://n1?tls=off&tls_ca=/ca'} | ${/need tls=on/}
  ${'nats://n1?tls_cert=/c'}        | ${/belong together/}
  ${'nats://n1?monitor=8222'}       | ${/monitor is the URL of the monitoring port/}
  ${`nats://${'n'.repeat(5_000)}`}  | ${/at most 4096 characters/}
`('refuses $url without showing a secret', ({ url, says }) => {
  const refused = () => parseNatsUrl(url);
  expect(refused).toThrow(says);
  expect(refused).not.toThrow(/s3cret/);
});
