import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePostgresUrl, tlsOptions } from './postgres-url.js';

it('reads who connects to which database where, with encoded characters', () => {
  const target = parsePostgresUrl('postgresql://us%20er:p%2Fw%3A@db.example:6543/fn%20db?sslmode=disable', 'FN_DB_URL');
  expect(target).toEqual({
    setting: 'FN_DB_URL',
    host: 'db.example',
    port: 6543,
    user: 'us er',
    password: 'p/w:',
    database: 'fn db',
    applicationName: 'fnfleet',
    tls: false,
    shown: 'postgres://us%20er@db.example:6543/fn%20db',
  });
});

it.each`
  url                                                 | host                     | port
  ${'postgres://u@h/db'}                              | ${'h'}                   | ${5432}
  ${'postgres://u@[::1]:1234/db'}                     | ${'::1'}                 | ${1234}
  ${'postgres://u@/db?host=/var/run/postgresql'}      | ${'/var/run/postgresql'} | ${5432}
  ${'postgres://u@localhost/db?host=%2Ftmp&sslmode='} | ${'/tmp'}                | ${5432}
  ${'postgres://u@h/db?connect_timeout=10'}           | ${'h'}                   | ${5432}
`('$url: host $host, port $port', ({ url, host, port }) => {
  expect(parsePostgresUrl(url.replace('&sslmode=', ''), 'FN_DB_URL')).toMatchObject({ host, port, password: '' });
});

const CA = 'sslrootcert=/etc/ca.pem';

it.each`
  host           | query                     | verified     | named
  ${'db'}        | ${''}                     | ${false}     | ${false}
  ${'db'}        | ${'?sslmode=require'}     | ${false}     | ${false}
  ${'db'}        | ${`?${CA}`}               | ${true}      | ${false}
  ${'db'}        | ${'?sslmode=verify-ca'}   | ${true}      | ${false}
  ${'db'}        | ${'?sslmode=verify-full'} | ${true}      | ${true}
  ${'localhost'} | ${'?sslmode=verify-full'} | ${true}      | ${true}
  ${'db'}        | ${'?sslmode=disable'}     | ${undefined} | ${undefined}
  ${'localhost'} | ${''}                     | ${undefined} | ${undefined}
  ${'127.0.0.1'} | ${''}                     | ${undefined} | ${undefined}
  ${'[::1]'}     | ${''}                     | ${undefined} | ${undefined}
`(
  'TLS to $host with "$query": certificate verified: $verified, name checked: $named',
  ({ host, query, verified, named }) => {
    const { tls } = parsePostgresUrl(`postgres://u:p@${host}/db${query}`, 'FN_DB_URL');
    expect(tls === false ? {} : { verified: tls.verified, named: tls.named }).toEqual(
      verified === undefined ? {} : { verified, named },
    );
  },
);

it.each`
  url                                                          | says
  ${'postgres://u:secret@h:port/db'}                           | ${/encode special characters/}
  ${'postgres://u:sec/ret@h/db'}                               | ${/encode special characters/}
  ${'postgres://u:secret%@h/db'}                               | ${/%XX/}
  ${'postgres://:secret@h/db'}                                 | ${/names the user/}
  ${'postgres://u:secret@h'}                                   | ${/names the database/}
  ${'postgres://u:secret@h/db?sslmode=prefer'}                 | ${/sslmode="prefer" is not supported; known: disable, require, verify-ca, verify-full/}
  ${'postgres://u:secret@h/db?sslmdoe=disable'}                | ${/unknown parameter "sslmdoe"; known: host, sslmode/}
  ${'postgres://u:secret@h/db?sslmode=disable&sslcert=/c'}     | ${/sslcert and sslkey belong together/}
  ${'postgres://u:secret@h/db?sslmode=disable&sslrootcert=/c'} | ${/need sslmode=verify-full/}
`('refuses $url without showing the password', ({ url, says }) => {
  const error = refusal(() => parsePostgresUrl(url, 'FN_DB_URL'));
  expect(error).toMatch(says);
  expect(error).toMatch(/^FN_DB_URL: /);
  expect(error).not.toContain('sec');
});

it('reads the files of TLS, and names one that it cannot read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fnfleet-pgtls-'));
  try {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, 'a CA');
    const optionsOf = (caFile: string) => {
      const { tls } = parsePostgresUrl(`postgres://u@h/db?sslmode=verify-full&sslrootcert=${caFile}`, 'FN_DB_URL');
      return tls === false ? {} : tlsOptions(tls, 'FN_DB_URL');
    };
    expect(optionsOf(file)).toMatchObject({ ca: 'a CA', rejectUnauthorized: true });
    expect(refusal(() => optionsOf(folder))).toMatch(/FN_DB_URL: sslrootcert=.*: it is not a file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}
