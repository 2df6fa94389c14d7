import { type EngageCall, encodeRunnerStatus, GrpcRunnerStream, type RunCall, RunnerSession } from '@fnfleet/protocol';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { EngagementCounters } from './engagement-counters.js';

/** The RunnerProtocol service, as @grpc/grpc-js takes it. `enter` registers an engagement and returns how to end it. */
export function runnerHandlers(
  run: RunCall,
  enter: () => () => void,
  counters: EngagementCounters,
): UntypedServiceImplementation {
  return {
    Engage(call: EngageCall) {
      const stream = new GrpcRunnerStream(call);
      stream.attach(new RunnerSession(stream, run), enter());
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
    StreamLogs(call: EngageCall) {
      call.emit('error', { code: status.UNKNOWN, details: 'runner not configured with logStreamer' });
    },
  };
}
