import { SettingsError } from '@fnfleet/core';
import { checkQueueSettings, queueUrl } from './queue-access.js';

const DB = 'sqlite3:///data/fn.db';

it.each([
  ['bolt:///data/fn.mq', 'bolt'],
  ['memory://', 'memory'],
  ['redis://host:6379/fn', 'redis'],
  ['__proto__://x', '__proto__'],
  ['data/fn.mq', ''],
])('http-api 126: FN_MQ_URL=%s stops the start', (mqUrl, scheme) => {
  const check = () => checkQueueSettings({ dbUrl: DB, mqUrl });
  expect(check).toThrow(SettingsError);
  expect(check).toThrow(`FN_MQ_URL: mq type not supported ${scheme}`);
});

it.each`
  dbUrl                            | mqUrl
  ${DB}                            | ${DB}
  ${'sqlite3://data/fn.db?x=1'}    | ${'sqlite3://./data//fn.db'}
  ${'sqlite3:///data/../a/./b.db'} | ${'sqlite3:///a/b.db'}
`('a queue in the file of the database stops the start: $dbUrl and $mqUrl', ({ dbUrl, mqUrl }) => {
  const check = () => checkQueueSettings({ dbUrl, mqUrl });
  expect(check).toThrow(SettingsError);
  expect(check).toThrow('FN_MQ_URL: names the file of FN_DB_URL; a queue has a file of its own');
});

it.each`
  dbUrl                     | mqUrl                     | url
  ${DB}                     | ${''}                     | ${'sqlite3:///data/fn-mq.db'}
  ${'sqlite3://data/fn'}    | ${''}                     | ${'sqlite3://data/fn-mq.db'}
  ${DB}                     | ${'sqlite3:///other.db'}  | ${'sqlite3:///other.db'}
  ${'sqlite3://:memory:'}   | ${''}                     | ${undefined}
  ${'postgres://u@host/fn'} | ${''}                     | ${'postgres://u@host/fn'}
  ${DB}                     | ${'postgres://u@host/mq'} | ${'postgres://u@host/mq'}
`('with the database $dbUrl and FN_MQ_URL=$mqUrl the queue is $url', ({ dbUrl, mqUrl, url }) => {
  const settings = { dbUrl, mqUrl };
  expect(() => checkQueueSettings(settings)).not.toThrow();
  expect(queueUrl(settings)).toBe(url);
});
