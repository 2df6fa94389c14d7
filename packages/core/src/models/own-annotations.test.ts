import { wallMs } from '../clock.js';
import { newApp } from '../resources/app.js';
import { newFn } from '../resources/fn.js';
import { newTrigger } from '../resources/trigger.js';
import { CallTemplate } from './call-template.js';
import { invokeTypeOf, isIdempotent } from './own-annotations.js';

it('what deploy records, and how asynchronous calls are run, is not sent with calls and does not change the slot key', () => {
  const now = wallMs(1_000);
  const app = newApp({ name: 'a' }, 'a1', now);
  const annotations = {
    'fnfleet/deployed': ['memory'],
    'fnfleet/deployed.2': ['config A'],
    'fnfleet/async': { attempts: 5 },
    'fnfleet/callbacks': { on_failure: { url: 'https://example.com/' } },
    'fnfleet/deployedness': 'other',
    team: 'x',
  };
  const fn = newFn({ name: 'f', appId: 'a1', image: 'i:1', annotations }, 'f1', now);
  const call = new CallTemplate(app, fn).call({
    id: 'c1',
    type: 'sync',
    method: 'POST',
    url: '/',
    headers: {},
    createdAt: now,
  });
  expect(call.annotations).toEqual({ 'fnfleet/deployedness': 'other', team: 'x' });
});

const input = (annotations: Record<string, unknown>) => ({ name: 'f', appId: 'app', image: 'img', annotations });

it.each([true, false])('a function may allow its calls to run again: %s', (value) => {
  const fn = newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000));
  expect(isIdempotent(fn.annotations)).toBe(value);
});

it.each(['true', 1, {}])('a value that is neither true nor false is rejected: %p', (value) => {
  expect(() => newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000))).toThrow(
    'annotation fnfleet/idempotent is not valid. It should be true or false',
  );
  // It may have bypassed the API.
  expect(isIdempotent({ 'fnfleet/idempotent': value })).toBe(false);
});

const trigger = (value: unknown) => ({
  ...{ name: 't', appId: 'app', fnId: 'f', type: 'http', source: '/t' },
  annotations: { 'fnfleet/invoke-type': value },
});

it.each(['sync', 'async'])('a trigger may say how its function is called: %s', (value) => {
  expect(invokeTypeOf(newTrigger(trigger(value), 'id', wallMs(1000)).annotations)).toBe(value);
});

it.each(['detached', 'Async', true, {}])('a trigger cannot say anything else: %p', (value) => {
  expect(() => newTrigger(trigger(value), 'id', wallMs(1000))).toThrow(
    'annotation fnfleet/invoke-type is not valid. It should be "sync" or "async"',
  );
  // It may have bypassed the API.
  expect(invokeTypeOf({ 'fnfleet/invoke-type': value })).toBeUndefined();
});
