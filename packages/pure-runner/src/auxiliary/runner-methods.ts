import type { Logger } from '@fnfleet/core';
import { encodeRunnerStatus, runnerService, type StructMessage, structToJson } from '@fnfleet/protocol';
import type { FunctionLogs } from '../logs/function-logs.js';
import { streamLogs } from '../logs/stream-logs.js';
import type { RunnerStatusReporter } from '../runner-status-report.js';
import { type AuxiliaryMethod, readRequest, unary } from './auxiliary-method.js';

/** Handles key/value settings that a client sends to the runner. An exception is reported to the client. */
export type ConfigureRunner = (config: Readonly<Record<string, string>>) => void | Promise<void>;

export interface RunnerMethodsOptions {
  readonly status: RunnerStatusReporter;
  readonly configure: ConfigureRunner | undefined;
  /** The source for log collectors; undefined if they are refused. */
  readonly logs: FunctionLogs | undefined;
  readonly logger: Logger;
}

/** The methods of RunnerProtocol by path, except Engage, which has its own fast path. */
export function runnerMethods({
  status,
  configure,
  logs,
  logger,
}: RunnerMethodsOptions): Record<string, AuxiliaryMethod> {
  const { Status, Status2, ConfigureRunner, StreamLogs } = runnerService();
  if (!Status || !Status2 || !ConfigureRunner || !StreamLogs) throw new Error('runner.proto lacks a method');
  return {
    [Status.path]: unary(async (_request, signal) =>
      Status.responseSerialize(encodeRunnerStatus(await status.report('{}', signal))),
    ),
    [Status2.path]: unary(async (bytes, signal) => {
      const request: StructMessage = readRequest(bytes, Status2.requestDeserialize);
      return Status2.responseSerialize(encodeRunnerStatus(await status.report(structToJson(request), signal)));
    }),
    [ConfigureRunner.path]: unary(async (bytes) => {
      const { config } = readRequest(bytes, ConfigureRunner.requestDeserialize);
      if (configure === undefined)
        logger.warn('ConfigureRunner: ignoring settings, because this runner has no handler for them', {
          keys: Object.keys(config),
        });
      await configure?.(config);
      return ConfigureRunner.responseSerialize({});
    }),
    [StreamLogs.path]: { kind: 'stream', serve: (call) => streamLogs(call, StreamLogs, logs) },
  };
}
