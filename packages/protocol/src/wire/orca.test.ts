import path from 'node:path';
import protobuf from 'protobufjs';
import type { LoadReport } from './load-report.js';
import { decodeOrca, encodeOrca } from './orca.js';

const LOAD: LoadReport = {
  instanceId: 'a1b2c3',
  memoryUsedBytes: 3 * 1024 ** 3 + 1,
  memoryTotalBytes: 7 * 1024 ** 3,
  memoryIdleBytes: 1024 ** 3,
  cpuUsedMillis: 1250,
  cpuTotalMillis: 3000,
  active: 12,
  waiting: 3,
  freeSlots: 2,
  draining: true,
  degraded: false,
  degradedReason: '',
};

/** The schema that @grpc/grpc-js brings along: an independent implementation. */
function orcaType(): protobuf.Type {
  const folder = path.join(path.dirname(require.resolve('@grpc/grpc-js/package.json')), 'proto/xds');
  const root = new protobuf.Root();
  // Validation rules are not needed to read a message.
  root.resolvePath = (_origin, target) => (target.startsWith('validate/') ? null : path.join(folder, target));
  root.loadSync('xds/data/orca/v3/orca_load_report.proto', { keepCase: true });
  return root.lookupType('xds.data.orca.v3.OrcaLoadReport');
}

const type = orcaType();
const read = (trailer: string) => type.toObject(type.decode(Buffer.from(trailer, 'base64')), { longs: Number });

it('is an OrcaLoadReport as gRPC knows it', () => {
  const trailer = encodeOrca(LOAD);
  expect(trailer).toMatch(/^[A-Za-z0-9+/]+$/); // base64 without padding
  const report = read(trailer);
  expect(report).toEqual({
    cpu_utilization: 1250 / 3000,
    mem_utilization: LOAD.memoryUsedBytes / LOAD.memoryTotalBytes,
    named_metrics: {
      'fn.mem_total_bytes': LOAD.memoryTotalBytes,
      'fn.mem_idle_bytes': LOAD.memoryIdleBytes,
      'fn.cpu_total_millis': 3000,
      'fn.active': 12,
      'fn.waiting': 3,
      'fn.draining': 1,
      'fn.degraded': 0,
      'fn.free_slots': 2,
    },
  });
});

it('is the same after a round trip, one report after another', () => {
  const idle = { ...LOAD, memoryUsedBytes: 0, cpuUsedMillis: 0, active: 0, waiting: 0, freeSlots: 0, draining: false };
  for (const load of [LOAD, idle, { ...LOAD, degraded: true }, { ...LOAD, freeSlots: undefined }, LOAD]) {
    expect(decodeOrca(encodeOrca(load), LOAD.instanceId)).toEqual(load);
  }
});

it('has no free slots if it is not about a function', () => {
  expect(Object.keys(read(encodeOrca({ ...LOAD, freeSlots: undefined })).named_metrics)).not.toContain('fn.free_slots');
});

const encoded = (fields: object) => Buffer.from(type.encode(type.fromObject(fields)).finish()).toString('base64');
const totals = { 'fn.mem_total_bytes': 1000, 'fn.cpu_total_millis': 1000 };

it.each([
  ['another kind of runner', encoded({ cpu_utilization: 0.5, rps_fractional: 10, named_metrics: { queue: 1 } })],
  ['a message that is cut off', encoded({ named_metrics: totals }).slice(0, -6)],
  ['a number that is none', encoded({ cpu_utilization: Number.NaN, named_metrics: totals })],
  ['a number below zero', encoded({ named_metrics: { ...totals, 'fn.waiting': -1 } })],
  ['something else altogether', 'not at all'],
  ['nothing', ''],
])('is ignored when it is from %s', (_, trailer) => {
  expect(decodeOrca(trailer, '')).toBeUndefined();
});

/** Where a report of this release has its numbers: two that follow their keys, and one after each name and a key. */
function numbersIn(trailer: string): number[] {
  const bytes = Buffer.from(trailer, 'base64');
  const names = Object.keys(read(trailer).named_metrics);
  return [1, 10, ...names.map((name) => bytes.indexOf(name) + name.length + 1)];
}

it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('is ignored with %d in place of one of its numbers', (number) => {
  const trailer = encodeOrca(LOAD);
  const places = numbersIn(trailer);
  expect(places).toHaveLength(10);
  for (const at of places) {
    const bytes = Buffer.from(trailer, 'base64');
    bytes.writeDoubleLE(number, at);
    expect(decodeOrca(bytes.toString('base64'), LOAD.instanceId)).toBeUndefined();
  }
  expect(decodeOrca(trailer, LOAD.instanceId)).toEqual(LOAD);
  expect(encodeOrca(LOAD)).toBe(trailer);
});

it('is the same from a runner that writes the metrics in another order, or with another name among them', () => {
  const report = read(encodeOrca(LOAD));
  const metrics = Object.fromEntries(Object.entries(report.named_metrics).toReversed());
  expect(decodeOrca(encoded({ ...report, named_metrics: metrics }), LOAD.instanceId)).toEqual(LOAD);
  const renamed = Buffer.from(encodeOrca(LOAD), 'base64');
  renamed.write('fn.free_slotz', renamed.indexOf('fn.free_slots'));
  expect(decodeOrca(renamed.toString('base64'), LOAD.instanceId)).toEqual({ ...LOAD, freeSlots: undefined });
});

it('may have unknown fields', () => {
  const trailer = encoded({
    eps: 1,
    request_cost: { db: 2 },
    named_metrics: { ...totals, 'fn.new': 1 },
    mem_utilization: 0.5,
  });
  expect(decodeOrca(trailer, 'x')).toMatchObject({
    instanceId: 'x',
    memoryUsedBytes: 500,
    freeSlots: undefined,
    active: 0,
  });
});

it('a runner that does not know its totals reports no usage', () => {
  const load = { ...LOAD, memoryTotalBytes: 0, cpuTotalMillis: 0 };
  expect(read(encodeOrca(load))).toMatchObject({ cpu_utilization: 0, mem_utilization: 0 });
  expect(decodeOrca(encodeOrca(load), LOAD.instanceId)).toEqual({ ...load, memoryUsedBytes: 0, cpuUsedMillis: 0 });
});

it('usage is rounded to whole bytes and thousandths of a core', () => {
  const trailer = encoded({ cpu_utilization: 1 / 3, mem_utilization: 2 / 3, named_metrics: totals });
  expect(decodeOrca(trailer, '')).toMatchObject({ cpuUsedMillis: 333, memoryUsedBytes: 667 });
});

it.each(['fn.mem_total_bytes', 'fn.cpu_total_millis'])('is ignored without %s', (name) => {
  const { [name as keyof typeof totals]: _, ...others } = totals;
  expect(decodeOrca(encoded({ named_metrics: others }), '')).toBeUndefined();
});

it.each`
  metric           | value | draining | degraded
  ${'fn.draining'} | ${1}  | ${true}  | ${false}
  ${'fn.degraded'} | ${1}  | ${false} | ${true}
  ${'fn.draining'} | ${0}  | ${false} | ${false}
  ${'fn.degraded'} | ${0}  | ${false} | ${false}
`('$metric of $value means draining: $draining, degraded: $degraded', ({ metric, value, draining, degraded }) => {
  const trailer = encoded({ named_metrics: { ...totals, [metric]: value } });
  expect(decodeOrca(trailer, '')).toMatchObject({ draining, degraded, waiting: 0 });
});

it('a metric with unknown fields is still read', () => {
  const entry = Buffer.concat([
    Buffer.from('7a0178', 'hex'),
    Buffer.from([0x0a, 10]),
    Buffer.from('fn.waiting'),
    Buffer.from('7a0178', 'hex'),
    Buffer.from('110000000000001440', 'hex'),
  ]);
  const bytes = Buffer.concat([
    Buffer.from(encoded({ named_metrics: totals }), 'base64'),
    Buffer.from([0x42, entry.length]),
    entry,
  ]);
  expect(decodeOrca(bytes.toString('base64'), '')?.waiting).toBe(5);
});
