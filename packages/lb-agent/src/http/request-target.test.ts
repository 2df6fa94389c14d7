import { parseTarget } from './request-target.js';

it.each`
  url                   | fnId
  ${'/invoke/fn1'}      | ${'fn1'}
  ${'/invoke/fn1?a=/b'} | ${'fn1'}
  ${'/invoke/f%6E1'}    | ${'fn1'}
  ${'/%69nvoke/fn1'}    | ${'fn1'}
  ${'/invoke/a%3Fb?c'}  | ${'a?b'}
`('$url invokes $fnId', ({ url, fnId }) => {
  expect(parseTarget(url)).toEqual({ kind: 'invoke', fnId });
});

it.each`
  url                   | appName   | source
  ${'/t/shop/cart'}     | ${'shop'} | ${'/cart'}
  ${'/t/shop'}          | ${'shop'} | ${'/'}
  ${'/t/shop/'}         | ${'shop'} | ${'/'}
  ${'/t/shop?x=/y'}     | ${'shop'} | ${'/'}
  ${'/t/shop/a/b?x'}    | ${'shop'} | ${'/a/b'}
  ${'/t/shop//a//'}     | ${'shop'} | ${'//a//'}
  ${'/t/sh%2Fop/a'}     | ${'sh'}   | ${'/op/a'}
  ${'/t/shop/a%20b%3F'} | ${'shop'} | ${'/a b?'}
  ${'/t/s/%25'}         | ${'s'}    | ${'/%'}
`('$url is the trigger $source of $appName', ({ url, appName, source }) => {
  expect(parseTarget(url)).toEqual({ kind: 'trigger', appName, source });
});

it.each([
  '',
  '/',
  '/invoke',
  '/invoke/',
  '/invoke/?x',
  '/invoke/a/b',
  '/invoke/a%2Fb',
  '/invoke/%zz',
  '/t',
  '/t/',
  '/t//cart',
  '/t/%zz',
  '/T/shop',
  '/v2/apps',
  'x/invoke/fn1',
  '/?/invoke/fn1',
])('%p is not an invocation', (url) => {
  expect(parseTarget(url)).toBeUndefined();
});
