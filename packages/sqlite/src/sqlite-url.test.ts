import { sqliteFile, sqlitePath, sqliteUrl } from './sqlite-url.js';

it.each`
  url                              | path            | file
  ${'sqlite3:///var/fn.db'}        | ${'/var/fn.db'} | ${'/var/fn.db'}
  ${'sqlite3://data/fn.db?a=b?c'}  | ${'data/fn.db'} | ${'data/fn.db'}
  ${'sqlite3://:memory:'}          | ${':memory:'}   | ${undefined}
  ${'sqlite3://:memory:?a=b'}      | ${':memory:'}   | ${undefined}
  ${'sqlite3://'}                  | ${undefined}    | ${undefined}
  ${'sqlite3://?a=b'}              | ${undefined}    | ${undefined}
  ${'postgres://host/sqlite3://x'} | ${undefined}    | ${undefined}
  ${'nats://host:4222'}            | ${undefined}    | ${undefined}
  ${''}                            | ${undefined}    | ${undefined}
`('$url has the path $path and the file $file', ({ url, path, file }) => {
  expect([sqlitePath(url), sqliteFile(url)]).toEqual([path, file]);
});

it('a path becomes a URL that has it', () => {
  expect(sqlitePath(sqliteUrl('/var/fn.db'))).toBe('/var/fn.db');
});
