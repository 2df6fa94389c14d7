// needs: nothing
import { judge } from './caller.js';

const answer = (status: number, body = '') => ({ status, body: Buffer.from(body) });
const failure = (message: string) => JSON.stringify({ message });

it.each`
  what                                | expected                                          | ending
  ${'the status and body'}            | ${{ status: 200, body: { text: 'a', bytes: 1 } }} | ${answer(200, 'a')}
  ${'so many bytes'}                  | ${{ status: 200, bodyBytes: 3 }}                  | ${answer(200, 'abc')}
  ${'the status and message'}         | ${{ status: 504, message: 'Timed out' }}          | ${answer(504, failure('Timed out'))}
  ${'a broken connection'}            | ${'broken'}                                       | ${{ broken: 'reset' }}
  ${'a failure that came with bytes'} | ${{ status: 502, message: 'x', orBroken: true }}  | ${{ broken: 'reset' }}
  ${'a client that left'}             | ${'left'}                                         | ${{ left: true }}
`('$what is right', ({ expected, ending }) => {
  expect(judge(expected, ending)).toBeUndefined();
});

it.each`
  what                                | expected                                          | ending
  ${'another status'}                 | ${{ status: 200 }}                                | ${answer(503)}
  ${'the answer of another call'}     | ${{ status: 200, body: { text: 'a', bytes: 1 } }} | ${answer(200, 'b')}
  ${'half an answer'}                 | ${{ status: 200, bodyBytes: 3 }}                  | ${answer(200, 'ab')}
  ${'another message'}                | ${{ status: 504, message: 'Timed out' }}          | ${answer(504, failure('Image pull timed out'))}
  ${'a broken connection'}            | ${{ status: 502 }}                                | ${{ broken: 'reset' }}
  ${'an answer that should be none'}  | ${'broken'}                                       | ${answer(200)}
  ${'an answer to one who should go'} | ${'left'}                                         | ${answer(200)}
  ${'no answer in time'}              | ${'broken'}                                       | ${{ unanswered: true }}
`('$what is wrong, and said to be', ({ expected, ending }) => {
  expect(judge(expected, ending)).toEqual(expect.any(String));
});
