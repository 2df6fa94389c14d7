import { LineAssembler, MAX_LINE_BYTES } from './line-assembler.js';

function linesOf(...chunks: string[]): string[] {
  const lines: string[] = [];
  const assembler = new LineAssembler();
  for (const chunk of chunks) assembler.push(Buffer.from(chunk), (line) => lines.push(String(line)));
  assembler.flush((line) => lines.push(`${line} (unended)`));
  expect(assembler.pending).toBe(false);
  return lines;
}

it.each([
  [['one\ntwo\n'], ['one', 'two']],
  [
    ['o', 'ne', '\nt', 'wo'],
    ['one', 'two (unended)'],
  ],
  [['\n\nthree\n'], ['', '', 'three']],
  [[''], []],
])('makes lines of %j', (chunks, lines) => {
  expect(linesOf(...chunks)).toEqual(lines);
});

it('splits lines that are too long without losing any bytes', () => {
  const long = 'x'.repeat(2 * MAX_LINE_BYTES + 5);
  const expected = [long.slice(0, MAX_LINE_BYTES), long.slice(0, MAX_LINE_BYTES), 'xxxxx'];
  expect(linesOf(`${long}\n`)).toEqual(expected);
  expect(linesOf(long.slice(0, 100), long.slice(100, 70_000), `${long.slice(70_000)}\n`)).toEqual(expected);
});

it('a line of exactly the maximum length is one line', () => {
  const line = 'x'.repeat(MAX_LINE_BYTES);
  expect(linesOf(`${line}\nnext\n`)).toEqual([line, 'next']);
});

it('retains nothing of the buffer of a chunk', () => {
  const assembler = new LineAssembler();
  const chunk = Buffer.from('mine\n');
  let line: Buffer | undefined;
  assembler.push(chunk, (made) => {
    line = made;
  });
  chunk.fill('x');
  expect(String(line)).toBe('mine');
});
