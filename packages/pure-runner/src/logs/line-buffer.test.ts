import type { OutputLine } from '@fnfleet/agent';
import { wallMs } from '@fnfleet/core';
import { LineBuffer } from './line-buffer.js';

/** A line of ten bytes costs 266: its text and what it takes beside that. */
const COST = 266;

function line(name: number): OutputLine {
  const of = { callId: '', fnId: '', appId: '', image: '', containerId: '' };
  return { at: wallMs(name), source: 'stdout', text: Buffer.from(String(name).padStart(10, '0')), ...of };
}

function filled(limitBytes: number, lines: number): { buffer: LineBuffer; dropped: number } {
  const buffer = new LineBuffer(limitBytes);
  let dropped = 0;
  for (let name = 0; name < lines; name += 1) dropped += buffer.push(line(name)).length;
  return { buffer, dropped };
}

const names = (lines: Iterable<OutputLine>) => [...lines].map(({ text }) => Number(text));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

it('keeps lines in order of arrival, up to its limit to the byte', () => {
  const { buffer, dropped } = filled(3 * COST, 3);
  expect([names(buffer), dropped]).toEqual([[0, 1, 2], 0]);
});

it('drops the oldest lines for the newest, and returns them', () => {
  const { buffer } = filled(3 * COST, 3);
  expect(names(buffer.push(line(3)))).toEqual([0]);
  expect(names(buffer)).toEqual([1, 2, 3]);
  expect(names(buffer.push({ ...line(4), text: Buffer.alloc(10 + COST) }))).toEqual([1, 2]);
});

it('a line larger than the whole buffer is not kept, and neither are those before it', () => {
  const { buffer } = filled(3 * COST, 2);
  expect(buffer.push({ ...line(9), text: Buffer.alloc(3 * COST) })).toHaveLength(3);
  expect([names(buffer), buffer.isEmpty]).toEqual([[], true]);
});

it.each`
  maxBytes    | taken
  ${0}        | ${[0]}
  ${1}        | ${[0]}
  ${COST}     | ${[0]}
  ${COST + 1} | ${[0, 1]}
  ${1e9}      | ${[0, 1, 2, 3]}
`('taking $maxBytes bytes of four lines yields $taken', ({ maxBytes, taken }) => {
  const { buffer } = filled(10 * COST, 4);
  expect(names(buffer.take(maxBytes))).toEqual(taken);
  expect(names(buffer)).toEqual(range(taken.length, 4));
});

it('take on an empty buffer returns nothing, and later lines are kept', () => {
  const { buffer } = filled(10 * COST, 2);
  buffer.take(1e9);
  expect([buffer.isEmpty, buffer.take(1e9)]).toEqual([true, []]);
  buffer.push(line(7));
  expect([buffer.isEmpty, names(buffer)]).toEqual([false, [7]]);
});

it('memory stays bounded: taken and dropped lines are released', () => {
  const { buffer, dropped } = filled(10 * COST, 5000);
  expect([names(buffer), dropped]).toEqual([range(4990, 5000), 4990]);
  expect(names(buffer.take(1e9))).toEqual(range(4990, 5000));
  expect(Object.values(buffer).find(Array.isArray)?.length).toBeLessThan(2100);
});
