import type { WallMs } from '@fnfleet/core';
import type protobuf from 'protobufjs';
import type { CallReport } from '../engage/messages.js';
import { NOTHING_REPORTED } from './codec.js';
import type { LoadReport } from './load-report.js';
import { protoRoot } from './runner-proto.js';
import { instant, instantOf } from './wire-dates.js';

/** What a runner says about itself in `Status`, for operators. Runners of Fn send none of this. */
export interface RunnerAbout {
  /** FN_RUNNER_NAME. */
  readonly name: string;
  readonly version: string;
  /** The time of the answer, by the runner's wall clock. */
  readonly nowMs: WallMs;
  /** HTTP port, at the host of its address. Undefined if not reported. */
  readonly httpPort: number | undefined;
  /** Functions with hot containers on it. */
  readonly hotFunctions: number;
  readonly hotContainers: number;
  /** Images that it is pulling for calls; only some of them if there are many. */
  readonly pulls: readonly AboutPull[];
}

/** An image that a runner is pulling. */
export interface AboutPull {
  readonly image: string;
  /** Bytes of the layers whose download has begun; both 0 if unknown. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** Limit for reported pulls; they are meant for operators. */
export const MAX_ABOUT_PULLS = 16;
const MAX_IMAGE_CHARACTERS = 1024;

/** The answer to `Status`. */
export interface RunnerStatus {
  /** Engagements open now. */
  readonly active: number;
  /** Engagements opened, and ended, since the runner started; refusals count. */
  readonly requestsReceived: number;
  readonly requestsHandled: number;
  /** How the call of the status image went; a runner without one reports only the counts above. */
  readonly call: Omit<CallReport, 'errorUser' | 'image' | 'errorDetail' | 'retryAfterSeconds' | 'log'>;
  /** The answer of the status image. */
  readonly details: string;
  /** The result of an earlier check was still valid. */
  readonly cached: boolean;
  readonly kdumpsOnDisk: number;
  readonly networkDisabled: boolean;
  /** The result of the operator's own health check. */
  readonly customStatus: Readonly<Record<string, string>>;
  /** Undefined for a runner of Fn. */
  readonly load: LoadReport | undefined;
  /** Undefined for a runner of Fn. */
  readonly about: RunnerAbout | undefined;
}

/** The status of an idle runner without any checks. */
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

/** @throws Error if the bytes are not a message */
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

/** Longer texts are not image names, and are dropped. */
function isShort({ image }: AboutPull): boolean {
  return image.length <= MAX_IMAGE_CHARACTERS;
}

/** The message object for a gRPC handler. */
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

/** Removes fields with default values, which would be sent otherwise. */
function withoutDefaults(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

let cachedType: protobuf.Type | undefined;

function statusType(): protobuf.Type {
  cachedType ??= protoRoot().lookupType('RunnerStatus');
  return cachedType;
}
