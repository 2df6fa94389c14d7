import protobuf from 'protobufjs/minimal.js';
import type { LoadReport } from './load-report.js';

/**
 * Encodes a load report as trailing metadata: an `xds.data.orca.v3.OrcaLoadReport`, the format that gRPC balancers understand.
 * CPU and memory are the standard utilizations, everything else is a named metric.
 *
 * It is written once per call and must be cheap: the names never change, and only numbers are written into a prepared message.
 */
export const LOAD_TRAILER = 'endpoint-load-metrics-bin';

/** Initial metadata, because ORCA has only numbers. */
export const INSTANCE_ID_HEADER = 'fnfleet-incarnation';

const CPU_UTILIZATION = 1;
const MEM_UTILIZATION = 2;
const NAMED_METRICS = 8;

const MEM_TOTAL = 'fn.mem_total_bytes';
const MEM_IDLE = 'fn.mem_idle_bytes';
const CPU_TOTAL = 'fn.cpu_total_millis';
const ACTIVE = 'fn.active';
const WAITING = 'fn.waiting';
const DRAINING = 'fn.draining';
const DEGRADED = 'fn.degraded';
const FREE_SLOTS = 'fn.free_slots';

/** In encoding order. The last one is omitted if the report is not about a function. */
const NAMES = [MEM_TOTAL, MEM_IDLE, CPU_TOTAL, ACTIVE, WAITING, DRAINING, DEGRADED, FREE_SLOTS] as const;

const BYTES = 2;
const FIXED64 = 1;
const DOUBLE_BYTES = 8;
const tag = (field: number, wireType: number) => (field << 3) | wireType;

const UTILIZATION_BYTES = 1 + DOUBLE_BYTES;
/** Each entry ends with its number. */
const TEMPLATE = Buffer.concat([utilization(CPU_UTILIZATION), utilization(MEM_UTILIZATION), ...NAMES.map(namedMetric)]);
const WITHOUT_FREE_SLOTS = TEMPLATE.subarray(0, TEMPLATE.length - namedMetric(FREE_SLOTS).length);
const CPU_AT = UTILIZATION_BYTES - DOUBLE_BYTES;
const MEM_AT = CPU_AT + UTILIZATION_BYTES;
/** Where the number of each named metric is. */
const AT = Object.fromEntries(
  NAMES.map((name, index) => {
    const upTo = NAMES.slice(0, index + 1).reduce((bytes, each) => bytes + namedMetric(each).length, 0);
    return [name, 2 * UTILIZATION_BYTES + upTo - DOUBLE_BYTES];
  }),
) as Record<(typeof NAMES)[number], number>;
const ALL_AT: readonly number[] = [CPU_AT, MEM_AT, ...Object.values(AT)];

/** The value of the trailer. */
export function encodeOrca(load: LoadReport): string {
  const { memoryTotalBytes, memoryIdleBytes, cpuTotalMillis, active, waiting, draining, degraded, freeSlots } = load;
  TEMPLATE.writeDoubleLE(share(load.cpuUsedMillis, cpuTotalMillis), CPU_AT);
  TEMPLATE.writeDoubleLE(share(load.memoryUsedBytes, memoryTotalBytes), MEM_AT);
  TEMPLATE.writeDoubleLE(memoryTotalBytes, AT[MEM_TOTAL]);
  TEMPLATE.writeDoubleLE(memoryIdleBytes ?? 0, AT[MEM_IDLE]);
  TEMPLATE.writeDoubleLE(cpuTotalMillis, AT[CPU_TOTAL]);
  TEMPLATE.writeDoubleLE(active, AT[ACTIVE]);
  TEMPLATE.writeDoubleLE(waiting, AT[WAITING]);
  TEMPLATE.writeDoubleLE(Number(draining), AT[DRAINING]);
  TEMPLATE.writeDoubleLE(Number(degraded), AT[DEGRADED]);
  TEMPLATE.writeDoubleLE(freeSlots ?? 0, AT[FREE_SLOTS]);
  const bytes = freeSlots === undefined ? WITHOUT_FREE_SLOTS : TEMPLATE;
  // gRPC requires it without padding.
  const padding = (3 - (bytes.length % 3)) % 3;
  const padded = bytes.toString('base64');
  return padding === 0 ? padded : padded.slice(0, -padding);
}

/** Undefined if it is unreadable or not from one of our runners. A bad load report is no reason to fail a call. */
export function decodeOrca(trailer: string, instanceId: string): LoadReport | undefined {
  const bytes = Buffer.from(trailer, 'base64');
  if (isOfThisRelease(bytes)) return readInPlace(bytes, instanceId);
  const read = readNumbers(bytes);
  if (read === undefined) return undefined;
  const { cpu, memory, named } = read;
  const memoryTotalBytes = named.get(MEM_TOTAL);
  const cpuTotalMillis = named.get(CPU_TOTAL);
  if (memoryTotalBytes === undefined || cpuTotalMillis === undefined) return undefined;
  return {
    instanceId,
    memoryUsedBytes: Math.round(memory * memoryTotalBytes),
    memoryTotalBytes,
    memoryIdleBytes: named.get(MEM_IDLE),
    cpuUsedMillis: Math.round(cpu * cpuTotalMillis),
    cpuTotalMillis,
    active: named.get(ACTIVE) ?? 0,
    waiting: named.get(WAITING) ?? 0,
    freeSlots: named.get(FREE_SLOTS),
    draining: (named.get(DRAINING) ?? 0) > 0,
    degraded: (named.get(DEGRADED) ?? 0) > 0,
    degradedReason: '',
  };
}

/** Compares with what `encodeOrca` writes: the same bytes, except for the numbers. */
function isOfThisRelease(bytes: Buffer): boolean {
  if (bytes.length !== TEMPLATE.length) return false;
  for (const at of ALL_AT) bytes.copy(TEMPLATE, at, at, at + DOUBLE_BYTES);
  return bytes.equals(TEMPLATE);
}

/** Reads the numbers where `encodeOrca` has written them, which costs a balancer less for each call than to read any report. */
function readInPlace(bytes: Buffer, instanceId: string): LoadReport | undefined {
  for (const at of ALL_AT) {
    const value = bytes.readDoubleLE(at);
    if (!Number.isFinite(value) || value < 0) return undefined;
  }
  const memoryTotalBytes = bytes.readDoubleLE(AT[MEM_TOTAL]);
  const cpuTotalMillis = bytes.readDoubleLE(AT[CPU_TOTAL]);
  return {
    instanceId,
    memoryUsedBytes: Math.round(bytes.readDoubleLE(MEM_AT) * memoryTotalBytes),
    memoryTotalBytes,
    memoryIdleBytes: bytes.readDoubleLE(AT[MEM_IDLE]),
    cpuUsedMillis: Math.round(bytes.readDoubleLE(CPU_AT) * cpuTotalMillis),
    cpuTotalMillis,
    active: bytes.readDoubleLE(AT[ACTIVE]),
    waiting: bytes.readDoubleLE(AT[WAITING]),
    freeSlots: bytes.readDoubleLE(AT[FREE_SLOTS]),
    draining: bytes.readDoubleLE(AT[DRAINING]) > 0,
    degraded: bytes.readDoubleLE(AT[DEGRADED]) > 0,
    degradedReason: '',
  };
}

interface Numbers {
  readonly cpu: number;
  readonly memory: number;
  readonly named: ReadonlyMap<string, number>;
}

function readNumbers(bytes: Buffer): Numbers | undefined {
  const reader = protobuf.Reader.create(bytes);
  const named = new Map<string, number>();
  let cpu = 0;
  let memory = 0;
  try {
    while (reader.pos < reader.len) {
      const key = reader.uint32();
      if (key === tag(CPU_UTILIZATION, FIXED64)) cpu = reader.double();
      else if (key === tag(MEM_UTILIZATION, FIXED64)) memory = reader.double();
      else if (key === tag(NAMED_METRICS, BYTES)) readNamed(reader, named);
      else reader.skipType(key & 7);
    }
  } catch {
    return undefined;
  }
  const sound = [cpu, memory, ...named.values()].every((value) => Number.isFinite(value) && value >= 0);
  return sound ? { cpu, memory, named } : undefined;
}

function readNamed(reader: protobuf.Reader, into: Map<string, number>): void {
  const end = reader.uint32() + reader.pos;
  let name = '';
  let value = 0;
  while (reader.pos < end) {
    const key = reader.uint32();
    if (key === tag(1, BYTES)) name = reader.string();
    else if (key === tag(2, FIXED64)) value = reader.double();
    else reader.skipType(key & 7);
  }
  into.set(name, value);
}

function share(used: number, total: number): number {
  return total > 0 ? used / total : 0;
}

function utilization(field: number): Buffer {
  return Buffer.from([tag(field, FIXED64), ...Array<number>(DOUBLE_BYTES).fill(0)]);
}

function namedMetric(name: string): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(NAMED_METRICS, BYTES)).fork();
  writer.uint32(tag(1, BYTES)).string(name).uint32(tag(2, FIXED64)).double(0);
  return Buffer.from(writer.ldelim().finish());
}
