import type { WallMs } from '../clock.js';
import type { HeaderMap } from '../headers.js';
import type { App } from './app.js';
import type { Call, CallType } from './call.js';
import { type CommonFields, encodeOnce } from './call-json.js';
import type { Fn } from './fn.js';
import { mergeAnnotations } from './maps.js';
import { annotationsOfCalls } from './own-annotations.js';

/** The part that is the same for every call of one function. Built once while the function is cached. */
export class CallTemplate {
  private readonly common: CommonFields;

  constructor(
    readonly app: App,
    readonly fn: Fn,
  ) {
    const config = {
      ...app.config,
      ...fn.config,
      FN_MEMORY: String(fn.memoryMb),
      FN_TYPE: 'sync', // also for detached calls: it tells a function how it runs, not how it was called
      FN_FN_ID: fn.id,
      FN_APP_ID: app.id,
    };
    this.common = {
      image: fn.image,
      fnId: fn.id,
      appId: app.id,
      appName: app.name,
      config,
      annotations: annotationsOfCalls(mergeAnnotations(app.annotations, fn.annotations)),
      syslogUrl: app.syslogUrl,
      timeoutSeconds: fn.timeoutSeconds,
      idleTimeoutSeconds: fn.idleTimeoutSeconds,
      memoryMb: fn.memoryMb,
      tmpfsMb: 0,
      cpuMillis: 0,
    };
    encodeOnce(this.common);
  }

  call(parts: CallParts): Call {
    const { common } = this;
    return {
      id: parts.id,
      image: common.image,
      type: parts.type,
      fnId: common.fnId,
      appId: common.appId,
      appName: common.appName,
      triggerId: '',
      method: parts.method,
      url: parts.url,
      headers: parts.headers,
      config: common.config,
      annotations: common.annotations,
      syslogUrl: common.syslogUrl,
      timeoutSeconds: common.timeoutSeconds,
      idleTimeoutSeconds: common.idleTimeoutSeconds,
      memoryMb: common.memoryMb,
      tmpfsMb: common.tmpfsMb,
      cpuMillis: common.cpuMillis,
      status: 'queued',
      createdAt: parts.createdAt,
      startedAt: undefined,
      completedAt: undefined,
    };
  }
}

/** The part that is specific to each call. */
export interface CallParts {
  readonly id: string;
  readonly type: CallType;
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderMap;
  readonly createdAt: WallMs;
}
