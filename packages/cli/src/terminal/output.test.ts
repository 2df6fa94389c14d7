import { failureText } from './output.js';

it.each`
  cause                                | text
  ${'no route'}                        | ${'cannot build f: no route'}
  ${' no route\n'}                     | ${'cannot build f: no route'}
  ${'unknown instruction: \x1b[2JRUN'} | ${'cannot build f: unknown instruction: \\u001b[2JRUN'}
`('the cause $cause of a failure that has it already, as it is shown, is not said twice', ({ cause, text }) => {
  expect(failureText(new Error(text, { cause: new Error(cause) }))).toBe(text);
  expect(failureText(new Error('cannot', { cause: new Error(cause) }))).toMatch(/^cannot \((?!\s).*(?<!\s)\)$/);
});
