import { CancelledError, type Logger } from '@fnfleet/core';
import { encodeRunnerStatus, type StructMessage, structToJson } from '@fnfleet/protocol';
import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { FunctionLogs } from './logs/function-logs.js';
import { streamLogs } from './logs/stream-logs.js';
import type { RunnerStatusReporter } from './runner-status-report.js';

/** Takes key/value settings that somebody sends to the runner. What it throws is told to them. */
export type ConfigureRunner = (config: Readonly<Record<string, string>>) => void | Promise<void>;

export interface RunnerHandlersOptions {
  readonly status: RunnerStatusReporter;
  readonly configure: ConfigureRunner | undefined;
  /** What log collectors are served from. Undefined: they are turned away. */
  readonly logs: FunctionLogs | undefined;
  readonly logger: Logger;
}

/** The methods of RunnerProtocol as @grpc/grpc-js takes them. Engage has its own way and does not come here. */
export function runnerHandlers(options: RunnerHandlersOptions): UntypedServiceImplementation {
  return {
    Engage(call: ServerDuplexStream<unknown, unknown>) {
      call.emit('error', { code: status.INTERNAL, details: 'Engage is served elsewhere' });
    },
    Status: unary(async (_request, signal) => encodeRunnerStatus(await options.status.report('{}', signal))),
    Status2: unary(async (request: StructMessage, signal) =>
      encodeRunnerStatus(await options.status.report(structToJson(request), signal)),
    ),
    ConfigureRunner: unary(async ({ config }: { config: Record<string, string> }) => {
      const { configure, logger } = options;
      if (configure === undefined)
        logger.warn('ConfigureRunner: nothing here takes settings', { keys: Object.keys(config) });
      await configure?.(config);
      return {};
    }),
    StreamLogs(call: ServerDuplexStream<unknown, unknown>) {
      streamLogs(call, options.logs);
    },
  };
}

/** One request, one answer; the signal aborts when nobody waits for it any more. */
function unary<Request>(serve: (request: Request, signal: AbortSignal) => Promise<object>) {
  return (call: ServerUnaryCall<Request, unknown>, answer: sendUnaryData<unknown>) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new CancelledError()));
    serve(call.request, gone.signal).then(
      (reply) => answer(null, reply),
      (error: Error) => {
        const code = error instanceof CancelledError ? status.CANCELLED : status.UNKNOWN;
        answer({ code, details: error.message });
      },
    );
  };
}
