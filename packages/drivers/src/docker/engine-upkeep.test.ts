import { instanceHash } from './engine-upkeep.js';

it.each`
  text        | hash
  ${''}       | ${0xcbf29ce484222325n}
  ${'a'}      | ${0xaf63bd4c8601b7ben}
  ${'foobar'} | ${0x340d8765a4dda9c2n}
`('the hash of "$text" is that of FNV-1', ({ text, hash }) => {
  expect(BigInt.asUintN(64, instanceHash(text))).toBe(hash);
});
