import { SCHEDULE_TYPE } from '@fnfleet/core';
import type { Annotations, AppRef, Config, FnRef, TriggerRef, TriggerType } from '../api-client.js';

/** An app with everything in it, without ids and times: what a folder holds, and what an API node is brought to. */
export interface AppState {
  readonly name: string;
  /** Never changes. Empty if not given. */
  readonly shape: string;
  readonly syslogUrl: string;
  readonly config: Config;
  readonly annotations: Annotations;
  readonly functions: readonly FnState[];
}

export interface FnState {
  readonly name: string;
  readonly image: string;
  /** MiB */
  readonly memory: number;
  /** Seconds */
  readonly timeout: number;
  /** Seconds */
  readonly idleTimeout: number;
  readonly config: Config;
  readonly annotations: Annotations;
  readonly triggers: readonly TriggerState[];
}

export interface TriggerState {
  readonly name: string;
  /** Never changes. */
  readonly type: TriggerType;
  /** Path below `/t/<app>`, with its slash; of a schedule, its cron expression. */
  readonly source: string;
  readonly annotations: Annotations;
}

/** Annotations that an API node adds to its answers. They are not stored. */
const COMPUTED: ReadonlySet<string> = new Set(['fnproject.io/fn/invokeEndpoint', 'fnproject.io/trigger/httpEndpoint']);

export function appState(app: AppRef, functions: readonly FnState[]): AppState {
  return {
    name: app.name,
    shape: app.shape ?? '',
    syslogUrl: app.syslog_url ?? '',
    config: app.config ?? {},
    annotations: app.annotations ?? {},
    functions,
  };
}

export function fnState(fn: FnRef, triggers: readonly TriggerRef[]): FnState {
  return {
    name: fn.name,
    image: fn.image,
    memory: fn.memory ?? 0,
    timeout: fn.timeout ?? 0,
    idleTimeout: fn.idle_timeout ?? 0,
    config: fn.config ?? {},
    annotations: stored(fn.annotations),
    triggers: triggers.map(triggerState),
  };
}

export function triggerState({ name, type, source, annotations }: TriggerRef): TriggerState {
  return { name, type: type === SCHEDULE_TYPE ? type : 'http', source, annotations: stored(annotations) };
}

function stored(annotations: Annotations = {}): Annotations {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !COMPUTED.has(key)));
}
