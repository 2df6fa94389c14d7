import { runInNewContext } from 'node:vm';
import { wallMs } from '../clock.js';
import { changedApp, newApp, parseAppInput } from '../resources/app.js';
import { changedFn, newFn, parseFnInput } from '../resources/fn.js';
import { changedTrigger, newTrigger, parseTriggerInput } from '../resources/trigger.js';
import { appToJson, parseApp } from './app.js';
import { parseBody } from './body-json.js';
import { fnToJson, parseFn } from './fn.js';
import { parseTrigger, triggerToJson } from './trigger.js';

const failsWith = (code: string) => expect.objectContaining({ name: 'FnError', code });

describe('a body', () => {
  it.each([
    ['{"name":"a"} {"name":"b"}', 'a'],
    ['{"name":"}{\\"\\\\"}]', '}{"\\'],
    ['  {"other":{"name":"x"},"NAME":"a"}garbage', 'a'],
    ['{"name":"a","Name":"b"}', 'b'],
    ['{"name":"a","NAME":null}', 'a'],
    ['null', undefined],
    [' null and more', undefined],
  ])('ends with its first value: %s', (json, name) => {
    expect(parseBody(json).text('name')).toBe(name);
  });

  it.each(['', ' ', '{', '[{}]', '"{}"', 'true {}', '{"a" 1} {}', 'nul'])('%j is invalid', (json) => {
    expect(() => parseBody(json)).toThrow(failsWith('invalidJson'));
  });
});

describe('a body that is not JSON', () => {
  const MIB = 1024 * 1024;

  it.each`
    what                                | text
    ${'unterminated objects and texts'} | ${'{"'.repeat(MIB / 2)}
    ${'a text of escaped quotes'}       | ${`{"${'\\"'.repeat(MIB / 2)}`}
    ${'unterminated lists'}             | ${'['.repeat(MIB)}
    ${'unterminated objects'}           | ${'{"a":'.repeat(MIB / 5)}
    ${'backslashes'}                    | ${`{"${'\\'.repeat(MIB)}`}
    ${'texts side by side'}             | ${'{"a"'.repeat(MIB / 4)}
    ${'white space and nothing else'}   | ${' '.repeat(MIB)}
  `('is rejected in linear time: $what', ({ text }) => {
    const refuse = () => {
      try {
        parseBody(text);
        return 'taken';
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    // A body of 100 kB once took seconds; one of 1 MB would have taken a quarter of an hour.
    expect(runInNewContext('refuse()', { refuse }, { timeout: 15_000 })).toBe('invalidJson');
  });

  it('is rejected however deep it is nested, and however much of it is well-formed', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect(() => parseBody(deep)).toThrow(failsWith('invalidJson'));
    expect(() => parseBody(`{"name":${deep}}`).text('name')).toThrow(failsWith('invalidJson'));
  });
});

describe('an app', () => {
  it('is the same after it was read back from its JSON', () => {
    const app = newApp(
      { name: 'a', config: { B: '', A: '1' }, annotations: { k: [1] }, syslogUrl: 'udp://l:1', shape: 'GENERIC_ARM' },
      'id',
      wallMs(1000),
    );
    const json = JSON.stringify(appToJson(app));
    expect(parseApp(json)).toEqual(app);
    expect(json).toContain('"config":{"A":"1","B":""}');
  });

  it('http-api 21-23, 25, 36: reports the first problem', () => {
    const wrong = { id: 'x', name: 'a b', annotations: { '': 1 }, syslogUrl: 'yo', shape: 'BAD' };
    expect(() => newApp(wrong, 'id', wallMs(0))).toThrow(failsWith('appIdProvided'));
    expect(() => newApp({ ...wrong, id: '', name: '' }, 'id', wallMs(0))).toThrow(failsWith('missingName'));
    expect(() => newApp({ ...wrong, id: '', name: ' '.repeat(256) }, 'id', wallMs(0))).toThrow(
      failsWith('appNameTooLong'),
    );
    expect(() => newApp({ ...wrong, id: '' }, 'id', wallMs(0))).toThrow(failsWith('appNameInvalid'));
    expect(() => newApp({ ...wrong, id: '', name: 'a' }, 'id', wallMs(0))).toThrow(failsWith('annotationKeyInvalid'));
    const plain = { name: 'a', syslogUrl: 'yo', shape: 'BAD' };
    expect(() => newApp(plain, 'id', wallMs(0))).toThrow(failsWith('syslogUrlInvalid'));
    expect(() => newApp({ ...plain, syslogUrl: ' tcp+tls://h:1 ' }, 'id', wallMs(0))).toThrow(
      failsWith('appShapeInvalid'),
    );
  });

  it('http-api 33: gets a later date with a change, even within a millisecond, and keeps it without one', () => {
    const app = newApp({ name: 'a', config: { A: '1' } }, 'id', wallMs(1000));
    expect(changedApp(app, parseAppInput('{"config":{"A":"1"},"shape":"BAD","name":"a"}'), wallMs(2000))).toBe(app);
    expect(changedApp(app, { config: { A: '2' } }, wallMs(1000))).toEqual({
      ...app,
      config: { A: '2' },
      updatedAt: 1001,
    });
    expect(app.config).toEqual({ A: '1' });
  });
});

describe('a function', () => {
  const fn = newFn({ name: 'f', appId: 'a', image: 'i' }, 'id', wallMs(1000));

  it('is the same after it was read back from its JSON', () => {
    expect(parseFn(JSON.stringify(fnToJson(fn)))).toEqual(fn);
  });

  it('http-api 45: has defaults for limits of 0, and no shape from a client', () => {
    const input = parseFnInput('{"name":"f","app_id":"a","image":"i","memory":0,"timeout":0,"shape":"GENERIC_ARM"}');
    expect(newFn(input, 'id', wallMs(1000))).toEqual(fn);
    expect(fn).toMatchObject({ memoryMb: 128, timeoutSeconds: 30, idleTimeoutSeconds: 30 });
  });

  it('http-api 53: is validated again as a whole when it changes', () => {
    expect(() => changedFn(fn, { timeoutSeconds: 301 }, wallMs(2000))).toThrow(failsWith('fnTimeoutInvalid'));
    expect(() => changedFn(fn, { annotations: { k: 'v'.repeat(600) } }, wallMs(2000))).toThrow(
      failsWith('annotationValueTooLong'),
    );
    expect(changedFn(fn, { name: 'other', appId: 'other', timeoutSeconds: 300 }, wallMs(2000))).toEqual({
      ...fn,
      timeoutSeconds: 300,
      updatedAt: 2000,
    });
  });
});

describe('a trigger', () => {
  const trigger = newTrigger({ name: 't', appId: 'a', fnId: 'f', type: 'http', source: '/' }, 'id', wallMs(1000));

  it('is the same after it was read back from its JSON', () => {
    expect(parseTrigger(JSON.stringify(triggerToJson(trigger)))).toEqual(trigger);
  });

  it('http-api 65: has no date before it exists', () => {
    const input = parseTriggerInput('{"created_at":"","updated_at":"0001-01-01T00:00:00Z"}');
    expect(input).toMatchObject({ createdAt: 0, updatedAt: undefined });
    expect(() => newTrigger(input, 'id', wallMs(1000))).toThrow(failsWith('triggerCreatedAtProvided'));
  });

  it('http-api 66: can change name, function, source and annotations, nothing else', () => {
    const change = { name: 'n', fnId: 'g', source: '/n', annotations: { k: 1 }, appId: 'x', type: 'x' };
    expect(changedTrigger(trigger, change, wallMs(2000))).toEqual({
      ...trigger,
      name: 'n',
      fnId: 'g',
      source: '/n',
      annotations: { k: 1 },
      updatedAt: 2000,
    });
    expect(changedTrigger(trigger, {}, wallMs(2000))).toBe(trigger);
  });
});
