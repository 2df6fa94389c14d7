import { encodeRunnerStatus } from '@fnfleet/protocol';
import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { EngagementCounters } from './engagement-counters.js';
import type { FunctionLogs } from './logs/function-logs.js';
import { streamLogs } from './logs/stream-logs.js';

/** The methods of RunnerProtocol as @grpc/grpc-js takes them. Engage has its own way and does not come here. */
export function runnerHandlers(
  counters: EngagementCounters,
  logs: FunctionLogs | undefined,
): UntypedServiceImplementation {
  return {
    Engage(call: ServerDuplexStream<unknown, unknown>) {
      call.emit('error', { code: status.INTERNAL, details: 'Engage is served elsewhere' });
    },
    Status(_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) {
      answer(null, encodeRunnerStatus(counters.snapshot()));
    },
    Status2(_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) {
      answer(null, encodeRunnerStatus(counters.snapshot()));
    },
    ConfigureRunner(_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) {
      answer(null, {});
    },
    StreamLogs(call: ServerDuplexStream<unknown, unknown>) {
      streamLogs(call, logs);
    },
  };
}
