import { wallMs } from '../clock.js';
import { newFn } from '../resources/fn.js';
import { callbacksOf } from './callbacks.js';

const annotations = (value: unknown) => ({ 'fnfleet/callbacks': value });
const made = (value: unknown) =>
  newFn({ name: 'f', appId: 'app', image: 'img', annotations: annotations(value) }, 'id', wallMs(1000));

it('the owner of a function names who receives the outcome of its asynchronous calls', () => {
  const { annotations: kept } = made({
    on_success: { url: 'https://shop.example/done' },
    on_failure: { fn_id: '01M8' },
  });
  expect(callbacksOf(kept)).toEqual({
    onSuccess: { kind: 'url', url: 'https://shop.example/done' },
    onFailure: { kind: 'fn', fnId: '01M8' },
  });
  expect(callbacksOf(made({ on_failure: { url: 'https://shop.example:8443/' } }).annotations)).toEqual({
    onSuccess: undefined,
    onFailure: { kind: 'url', url: 'https://shop.example:8443/' },
  });
  expect(callbacksOf({})).toEqual({ onSuccess: undefined, onFailure: undefined });
});

const url = (text: string) => ({ on_success: { url: text } });

it.each`
  what                       | value                                                       | problem
  ${'a text'}                | ${'https://shop.example'}                                   | ${'it should be an object with on_success, on_failure or both'}
  ${'a list'}                | ${[]}                                                       | ${'it should be an object with on_success, on_failure or both'}
  ${'an unknown outcome'}    | ${{ on_end: { url: 'https://a.example' } }}                 | ${'there is no "on_end", only on_success and on_failure'}
  ${'an inherited name'}     | ${JSON.parse('{"__proto__":{"url":"https://a.example"}}')}  | ${'there is no "__proto__", only on_success and on_failure'}
  ${'no target'}             | ${{ on_success: {} }}                                       | ${'on_success: it should have either url or fn_id'}
  ${'two targets'}           | ${{ on_failure: { url: 'https://a.example', fn_id: 'f' } }} | ${'on_failure: it should have either url or fn_id'}
  ${'a number as a URL'}     | ${{ on_success: { url: 7 } }}                               | ${'on_success: it should have either url or fn_id'}
  ${'a path'}                | ${url('/done')}                                             | ${'on_success: url is not an absolute URL'}
  ${'a file'}                | ${url('file:///etc/passwd')}                                | ${'on_success: url should begin with https://'}
  ${'another protocol'}      | ${url('gopher://a.example/_x')}                             | ${'on_success: url should begin with https://'}
  ${'a user'}                | ${url('https://me:secret@a.example/')}                      | ${'on_success: url must not contain a user or a password'}
  ${'a fragment'}            | ${url('https://a.example/#x')}                              | ${'on_success: url must not contain a fragment'}
  ${'the port of mail'}      | ${url('https://a.example:25/')}                             | ${'on_success: the port of url should be 80, 443, or 1024 or more'}
  ${'port 0'}                | ${url('https://a.example:0/')}                              | ${'on_success: the port of url should be 80, 443, or 1024 or more'}
  ${'a path as function id'} | ${{ on_failure: { fn_id: '../apps/x' } }}                   | ${'on_failure: fn_id is not the id of a function'}
`('$what is refused: $problem', ({ value, problem }) => {
  expect(() => made(value)).toThrow(`annotation fnfleet/callbacks is not valid: ${problem}`);
  // It may have bypassed the API.
  expect(callbacksOf(annotations(value))).toEqual({ onSuccess: undefined, onFailure: undefined });
});

it('a URL that is longer than an annotation may be is refused', () => {
  expect(() => made(url(`https://shop.example/${'x'.repeat(500)}`))).toThrow(/Invalid annotation value/);
});
