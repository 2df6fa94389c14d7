import path from 'node:path';
import protobuf from 'protobufjs';
import type { LoadReport } from './load-report.js';
import { decodeOrca, encodeOrca } from './orca.js';

const LOAD: LoadReport = {
  incarnation: 'a1b2c3',
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

/** The schema that @grpc/grpc-js brings along: an independent opinion. */
function orcaType(): protobuf.Type {
  const folder = path.join(path.dirname(require.resolve('@grpc/grpc-js/package.json')), 'proto/xds');
  const root = new protobuf.Root();
  // Rules for validation are not needed to read a message.
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

it('comes back as it was, one report after another', () => {
  const idle = { ...LOAD, memoryUsedBytes: 0, cpuUsedMillis: 0, active: 0, waiting: 0, freeSlots: 0, draining: false };
  for (const load of [LOAD, idle, { ...LOAD, degraded: true }, { ...LOAD, freeSlots: undefined }, LOAD]) {
    expect(decodeOrca(encodeOrca(load), LOAD.incarnation)).toEqual(load);
  }
});

it('says nothing of free slots where no function is spoken of', () => {
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
])('is left alone when it is from %s', (_, trailer) => {
  expect(decodeOrca(trailer, '')).toBeUndefined();
});

it('may have fields that we do not know', () => {
  const trailer = encoded({
    eps: 1,
    request_cost: { db: 2 },
    named_metrics: { ...totals, 'fn.new': 1 },
    mem_utilization: 0.5,
  });
  expect(decodeOrca(trailer, 'x')).toMatchObject({
    incarnation: 'x',
    memoryUsedBytes: 500,
    freeSlots: undefined,
    active: 0,
  });
});
