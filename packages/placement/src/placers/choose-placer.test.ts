import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '@fnfleet/core';
import { aCall, FleetFixture, requestFor } from '../test-fixture.js';
import { choosePlacer } from './choose-placer.js';
import { warmFirst } from './warm-first.js';

const EXAMPLE = path.resolve(__dirname, '../../../../examples/placer/by-zone.js');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'placer-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const at = path.join(directory, name);
  writeFileSync(at, text);
  return at;
}

it('a name selects a built-in placer', () => {
  expect(choosePlacer('warm-first')).toBe(warmFirst);
  expect(() => choosePlacer('warmest')).toThrow('FN_PLACER: unknown placer "warmest"; known: naive, ch');
});

it('the example: runners of the same zone first, and before all those with a free container', () => {
  process.env.FN_ZONE = 'r1';
  const placer = choosePlacer(EXAMPLE).create({ random: () => 0, clock: systemClock });
  delete process.env.FN_ZONE;
  const fixture = new FleetFixture(12);
  fixture.at(1).offered(requestFor('other'));
  fixture.tell(11, { freeSlots: 1 }, 'fn1');
  const order = [...placer.order(aCall(), fixture.fleet.snapshot(fixture.runners))].map(({ address }) => address);
  expect(order.slice(0, 3)).toEqual(['r11', 'r10', 'r1']);
  expect(new Set(order).size).toBe(12);
});

it('a file may export its placer as the default', () => {
  const at = file('default.js', 'exports.default = { name: "mine", doc: "", create: () => ({ order: () => [] }) };');
  expect(choosePlacer(at).name).toBe('mine');
});

it.each`
  what                        | name             | text                        | message
  ${'does not exist'}         | ${'missing.js'}  | ${undefined}                | ${/cannot load .*missing\.js: Cannot find module/}
  ${'has a mistake'}          | ${'broken.js'}   | ${'this is no script'}      | ${/cannot load .*broken\.js: /}
  ${'exports nothing'}        | ${'empty.js'}    | ${''}                       | ${/empty\.js does not export a placer: \{ name, doc, create/}
  ${'exports null'}           | ${'null.js'}     | ${'module.exports = null;'} | ${/null\.js does not export a placer/}
  ${'exports something else'} | ${'function.js'} | ${'exports.create = 1;'}    | ${/function\.js does not export a placer/}
`('a file that $what: the balancer does not start, and says why', ({ name, text, message }) => {
  const at = text === undefined ? path.join(directory, name) : file(name, text);
  expect(() => choosePlacer(at)).toThrow(message);
});
