import { systemClock } from '../clock.js';
import { headersFromRaw } from '../headers.js';
import { changedApp, newApp, parseAppInput } from '../resources/app.js';
import { changedFn, newFn } from '../resources/fn.js';
import { changedTrigger, newTrigger } from '../resources/trigger.js';
import { KIB, MIB } from '../units.js';
import { encodeCall } from './call-json.js';
import { CallTemplate } from './call-template.js';

const nowMs = systemClock.wallNow();
const failsWith = (code: string) => expect.objectContaining({ name: 'FnError', code, status: 400 });
const appWith = (input: object) => newApp({ name: 'a', ...input }, 'id', nowMs);
const fnWith = (input: object) => newFn({ name: 'f', appId: 'a', image: 'i', ...input }, 'id', nowMs);
const triggerWith = (input: object) =>
  newTrigger({ name: 't', appId: 'a', fnId: 'f', type: 'http', source: '/', ...input }, 'id', nowMs);

/** A configuration whose JSON has the given size. */
const configOf = (bytes: number) => ({ K: 'v'.repeat(bytes - '{"K":""}'.length) });
const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i += 1) value = [value];
  return value;
};

describe.each([
  ['an app', appWith, changedApp],
  ['a function', fnWith, changedFn],
] as const)('the configuration of %s', (_name, make, change) => {
  const changed = (current: never, config: Record<string, string>) => change(current, { config }, nowMs);

  it.each`
    what                                               | config                            | code
    ${'64 KiB'}                                        | ${configOf(64 * KIB)}             | ${undefined}
    ${'a byte more'}                                   | ${configOf(64 * KIB + 1)}         | ${'configTooLarge'}
    ${'5 MiB'}                                         | ${configOf(5 * MIB)}              | ${'configTooLarge'}
    ${'multi-byte characters'}                         | ${{ K: 'é'.repeat(33 * KIB) }}    | ${'configTooLarge'}
    ${'control characters, which take six bytes each'} | ${{ K: '\x01'.repeat(11 * KIB) }} | ${'configTooLarge'}
    ${'1000 keys'}                                     | ${keys(1000)}                     | ${undefined}
    ${'1001 keys'}                                     | ${keys(1001)}                     | ${'configTooManyKeys'}
    ${'an empty key'}                                  | ${{ '': 'v' }}                    | ${'configKeyInvalid'}
    ${'a key with ='}                                  | ${{ 'A=B': 'v' }}                 | ${'configKeyInvalid'}
    ${'keys with other characters'}                    | ${{ 'a.b-c d': 'v' }}             | ${undefined}
    ${'a NUL in a value'}                              | ${{ K: 'a\0b' }}                  | ${'configHasNul'}
    ${'a NUL in a key'}                                | ${{ 'a\0b': 'v' }}                | ${'configHasNul'}
  `('with $what: $code', ({ config, code }) => {
    if (code === undefined) expect(make({ config })).toMatchObject({ config });
    else expect(() => make({ config })).toThrow(failsWith(code));
  });

  it('is measured after a change, as a whole', () => {
    const current = make({ config: configOf(40 * KIB) }) as never;
    expect(() => changed(current, { L: 'v'.repeat(30 * KIB) })).toThrow(failsWith('configTooLarge'));
    expect(changed(current, { L: 'v'.repeat(20 * KIB) })).toMatchObject({ config: { L: expect.any(String) } });
  });

  it('that is already too large, in an old database, can be made smaller and nothing else', () => {
    const old = { ...make({}), config: { ...configOf(5 * MIB), L: 'v' } } as never;
    expect(() => changed(old, { L: 'w' })).toThrow(failsWith('configTooLarge'));
    expect(changed(old, { K: '' })).toMatchObject({ config: { L: 'v' } });
  });
});

it('that is invalid but stored in an old database may stay or be removed', () => {
  const old = { ...fnWith({}), image: 'Old/Image', config: { 'A=B': 'v' } };
  expect(changedFn(old, { memoryMb: 256 }, nowMs)).toMatchObject({ memoryMb: 256, image: 'Old/Image' });
  expect(changedFn(old, { image: 'new:1', config: { 'A=B': '' } }, nowMs)).toMatchObject({
    image: 'new:1',
    config: {},
  });
  expect(() => changedFn(old, { config: { 'A=B': 'w' } }, nowMs)).toThrow(failsWith('configKeyInvalid'));
  expect(() => changedFn(old, { image: 'New:$V' }, nowMs)).toThrow(failsWith('fnImageInvalid'));
  expect(() => fnWith({ image: 'Team/Fn:1' })).toThrow(failsWith('fnImageInvalid'));
});

it.each`
  what                   | make                                                                                | code
  ${'an image'}          | ${() => fnWith({ image: 'i'.repeat(1025) })}                                        | ${'fnImageTooLong'}
  ${'a changed image'}   | ${() => changedFn(fnWith({}), { image: 'i'.repeat(1025) }, nowMs)}                  | ${'fnImageTooLong'}
  ${'a source'}          | ${() => triggerWith({ source: `/${'s'.repeat(2048)}` })}                            | ${'triggerSourceTooLong'}
  ${'a changed source'}  | ${() => changedTrigger(triggerWith({}), { source: `/${'s'.repeat(2048)}` }, nowMs)} | ${'triggerSourceTooLong'}
  ${'a syslog address'}  | ${() => appWith({ syslogUrl: `udp://${'h'.repeat(2048)}` })}                        | ${'syslogUrlInvalid'}
  ${'a changed address'} | ${() => changedApp(appWith({}), { syslogUrl: `udp://${'h'.repeat(2048)}` }, nowMs)} | ${'syslogUrlInvalid'}
`('$what must not be too long', ({ make, code }) => {
  expect(make).toThrow(failsWith(code));
});

it('images, sources and addresses that are long but valid are accepted', () => {
  expect(fnWith({ image: 'i'.repeat(1024) })).toMatchObject({ image: expect.any(String) });
  expect(triggerWith({ source: `/${'s'.repeat(2047)}` })).toMatchObject({ source: expect.any(String) });
});

it.each`
  what                              | annotations                                                     | code
  ${'nested 100 000 levels deep'}   | ${{ k: nested(100_000) }}                                       | ${'annotationValueTooLong'}
  ${'an infinite number'}           | ${parseAppInput('{"annotations":{"k":1e400}}').annotations}     | ${'annotationValueInvalid'}
  ${'an infinite number in a list'} | ${parseAppInput('{"annotations":{"k":[[1e400]]}}').annotations} | ${'annotationValueInvalid'}
`('an annotation value is rejected if it is $what', ({ annotations, code }) => {
  expect(() => appWith({ annotations })).toThrow(failsWith(code));
  expect(() => fnWith({ annotations })).toThrow(failsWith(code));
  expect(() => triggerWith({ annotations })).toThrow(failsWith(code));
});

it('a call of the largest possible function with the largest head is far below the message limit', () => {
  const annotations = (name: string) =>
    Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`${name}${i}`.padEnd(128, 'k'), '"'.repeat(255)] as const),
    );
  const config = (name: string) => ({ [name]: '"'.repeat(32 * KIB - 8) });
  const app = appWith({ name: 'n'.repeat(255), config: config('A'), annotations: annotations('a') });
  const fn = fnWith({ image: 'i'.repeat(1024), config: config('F'), annotations: annotations('f') });
  const url = `http://h/t/app/${'"'.repeat(500 * KIB)}`;
  // As a trigger passes them on: the URL is repeated as a header.
  const headers = headersFromRaw(['X', '"'.repeat(12 * KIB), 'Fn-Http-Request-Url', url]);
  const call = new CallTemplate(app, fn).call({ id: 'c', type: 'sync', method: 'GET', url, headers, createdAt: nowMs });
  expect(Buffer.byteLength(encodeCall(call))).toBeLessThan(3 * MIB);
});
