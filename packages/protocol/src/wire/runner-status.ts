import type protobuf from 'protobufjs';
import type { CallReport } from '../engage/messages.js';
import { NOTHING_REPORTED } from './codec.js';
import type { LoadReport } from './load-report.js';
import type { AboutPull, RunnerAbout } from './runner-about.js';
import { protoRoot } from './runner-proto.js';
import { instant, instantOf } from './wire-dates.js';

/** Operators look at one of them. */
export const MAX_ABOUT_PULLS = 16;
const MAX_IMAGE_CHARACTERS = 1024;

/** What a runner says of itself (`Status`). */
export interface RunnerStatus {
  /** Engagements open now. */
  readonly active: number;
  /** Engagements opened, and ended, since the runner started; refusals count. */
  readonly requestsReceived: number;
  readonly requestsHandled: number;
  /** How the call of the status image went; a runner without one reports no more than the counts above. */
  readonly call: Omit<CallReport, 'errorUser' | 'image' | 'errorDetail' | 'retryAfterSeconds'>;
  /** What the status image answered. */
  readonly details: string;
  /** The answer of an earlier check was still fresh. */
  readonly cached: boolean;
  readonly kdumpsOnDisk: number;
  readonly networkDisabled: boolean;
  /** What the operator's own health check says. */
  readonly customStatus: Readonly<Record<string, string>>;
  /** A runner of Fn tells none. */
  readonly load: LoadReport | undefined;
  /** Likewise. */
  readonly about: RunnerAbout | undefined;
}

/** The status of a runner that has done nothing and knows nothing. */
export const NOTHING_CHECKED: RunnerStatus = {
  active: 0,
  requestsReceived: 0,
  requestsHandled: 0,
  call: { ...NOTHING_REPORTED, success: true },
  details: '',
  cached: false,
  kdumpsOnDisk: 0,
  networkDisabled: false,
  customStatus: {},
  load: undefined,
  about: undefined,
};

/** @throws Error when the bytes are not a message */
export function decodeRunnerStatus(bytes: Buffer): RunnerStatus {
  const type = statusType();
  const fields = type.toObject(type.decode(bytes), { longs: Number, defaults: true });
  return {
    active: fields.active,
    requestsReceived: fields.requestsReceived,
    requestsHandled: fields.requestsHandled,
    call: {
      success: !fields.failed,
      callId: fields.id,
      errorCode: fields.errorCode,
      errorText: fields.errorStr,
      createdAt: instantOf(fields.createdAt),
      startedAt: instantOf(fields.startedAt),
      completedAt: instantOf(fields.completedAt),
      schedulerNs: fields.schedulerDuration,
      executionNs: fields.executionDuration,
      imagePullWaitNs: fields.imagePullWaitDuration,
      containerPrepareNs: fields.ctrPrepDuration,
      containerCreateNs: fields.ctrCreateDuration,
      containerInitNs: fields.initStartTime,
    },
    details: fields.details,
    cached: fields.cached,
    kdumpsOnDisk: fields.kdumpsOnDisk,
    networkDisabled: fields.isNetworkDisabled,
    customStatus: fields.customStatus,
    load: fields.load ? { ...fields.load, active: fields.active, freeSlots: undefined } : undefined,
    about: fields.about ? aboutOf(fields.about) : undefined,
  };
}

function aboutOf(about: RunnerAbout): RunnerAbout {
  const { httpPort, pulls } = about;
  return { ...about, httpPort: httpPort || undefined, pulls: pulls.filter(isShort).slice(0, MAX_ABOUT_PULLS) };
}

/** What is longer is no image, and is not kept. */
function isShort({ image }: AboutPull): boolean {
  return image.length <= MAX_IMAGE_CHARACTERS;
}

/** The message object that a gRPC handler answers with. */
export function encodeRunnerStatus(status: RunnerStatus): Record<string, unknown> {
  const { call, load, about } = status;
  return withoutDefaults({
    active: status.active,
    requestsReceived: status.requestsReceived,
    requestsHandled: status.requestsHandled,
    failed: !call.success,
    id: call.callId,
    details: status.details,
    errorCode: call.errorCode,
    errorStr: call.errorText,
    createdAt: instant(call.createdAt),
    startedAt: instant(call.startedAt),
    completedAt: instant(call.completedAt),
    cached: status.cached,
    kdumpsOnDisk: status.kdumpsOnDisk,
    schedulerDuration: call.schedulerNs,
    executionDuration: call.executionNs,
    isNetworkDisabled: status.networkDisabled,
    customStatus: status.customStatus,
    imagePullWaitDuration: call.imagePullWaitNs,
    ctrPrepDuration: call.containerPrepareNs,
    ctrCreateDuration: call.containerCreateNs,
    initStartTime: call.containerInitNs,
    load: load && withoutDefaults({ ...load, active: undefined, freeSlots: undefined }),
    about: about && withoutDefaults({ ...about }),
  });
}

/** A field that is set to its default would be sent nevertheless. */
function withoutDefaults(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

let cachedType: protobuf.Type | undefined;

function statusType(): protobuf.Type {
  cachedType ??= protoRoot().lookupType('RunnerStatus');
  return cachedType;
}
