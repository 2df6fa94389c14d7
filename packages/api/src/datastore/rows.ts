import type { Trigger, WallMs } from '@fnfleet/core';
import { type Annotations, type App, type Config, type Fn, formatDate, parseDate, sortedOrAbsent } from '@fnfleet/core';
import type { AppRow, FnRow, TriggerRow } from './schema.js';

export function appToRow(app: App): AppRow {
  return {
    id: app.id,
    name: app.name,
    config: mapToText(app.config),
    annotations: mapToText(app.annotations),
    syslog_url: app.syslogUrl || null,
    created_at: formatDate(app.createdAt),
    updated_at: formatDate(app.updatedAt),
    shape: app.shape,
  };
}

export function appFromRow(row: AppRow): App {
  return {
    id: row.id,
    name: row.name,
    config: mapFromText(row.config) as Config,
    annotations: mapFromText(row.annotations),
    syslogUrl: row.syslog_url ?? '',
    shape: row.shape ?? '',
    createdAt: dateFromText(row.created_at),
    updatedAt: dateFromText(row.updated_at),
  };
}

export function fnToRow(fn: Fn): FnRow {
  return {
    id: fn.id,
    name: fn.name,
    app_id: fn.appId,
    image: fn.image,
    memory: fn.memoryMb,
    timeout: fn.timeoutSeconds,
    idle_timeout: fn.idleTimeoutSeconds,
    config: mapToText(fn.config),
    annotations: mapToText(fn.annotations),
    created_at: formatDate(fn.createdAt),
    updated_at: formatDate(fn.updatedAt),
    shape: fn.shape,
  };
}

export function fnFromRow(row: FnRow): Fn {
  return {
    id: row.id,
    name: row.name,
    appId: row.app_id,
    image: row.image,
    memoryMb: row.memory,
    timeoutSeconds: row.timeout,
    idleTimeoutSeconds: row.idle_timeout,
    config: mapFromText(row.config) as Config,
    annotations: mapFromText(row.annotations),
    shape: row.shape ?? '',
    createdAt: dateFromText(row.created_at),
    updatedAt: dateFromText(row.updated_at),
  };
}

export function triggerToRow(trigger: Trigger): TriggerRow {
  return {
    id: trigger.id,
    name: trigger.name,
    app_id: trigger.appId,
    fn_id: trigger.fnId,
    created_at: formatDate(trigger.createdAt),
    updated_at: formatDate(trigger.updatedAt),
    type: trigger.type,
    source: trigger.source,
    annotations: mapToText(trigger.annotations),
  };
}

export function triggerFromRow(row: TriggerRow): Trigger {
  return {
    id: row.id,
    name: row.name,
    appId: row.app_id,
    fnId: row.fn_id,
    type: row.type,
    source: row.source,
    annotations: mapFromText(row.annotations),
    createdAt: dateFromText(row.created_at),
    updatedAt: dateFromText(row.updated_at),
  };
}

function mapToText(map: Config | Annotations): string {
  const sorted = sortedOrAbsent(map);
  return sorted === undefined ? '' : JSON.stringify(sorted);
}

function mapFromText(text: string): Annotations {
  return text === '' ? {} : ((JSON.parse(text) as Annotations | null) ?? {});
}

function dateFromText(text: string | null): WallMs | undefined {
  return text ? parseDate(text) : undefined;
}
