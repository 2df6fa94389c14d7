import {
  type Agent,
  CallLogs,
  type CallOption,
  fromModel,
  fromModelAndInput,
  withBeforeStart,
  withDeadline,
  withExtensions,
  withLogger,
  withSignal,
  withTrace,
  withWriter,
} from '@fnfleet/agent';
import { type CallOutcome, type Clock, COMPLETED, failedCall, MIB, systemClock } from '@fnfleet/core';
import type { CallPlacement, LbCall } from '@fnfleet/lb-agent';
import type { Outlook } from '@fnfleet/placement';
import { MAX_CALL_LOG_BYTES } from '@fnfleet/protocol';
import { PulledBody } from './pulled-body.js';

const HERE = 'local';
const ACCEPTED = 202;

/**
 * Hands calls to the agent of this process. There is no other runner to try, so a refusal of the agent is the final
 * answer. Closing it closes the agent.
 */
export class LocalPlacement implements CallPlacement {
  /** True, because the agent enforces the deadline itself. */
  readonly countsCalls = true;

  private readonly logs: CallLogs;

  constructor(
    private readonly agent: Agent,
    clock: Pick<Clock, 'after'> = systemClock,
  ) {
    this.logs = new CallLogs(clock, MAX_CALL_LOG_BYTES);
  }

  async place(call: LbCall): Promise<CallOutcome> {
    call.offeredTo(HERE);
    call.events?.offered(HERE);
    const body = new PulledBody(call.body.open());
    // A call is never replayed here, so nothing of the body is kept after reading.
    call.body.commit();
    try {
      await this.run(call, body);
      return COMPLETED;
    } catch (error) {
      return failedCall(error);
    } finally {
      body.discard();
    }
  }

  async outlook({ model, extensions }: LbCall): Promise<Outlook> {
    const { slotKey } = await this.agent.getCall(fromModel(model), withExtensions(extensions));
    const { memoryTotalBytes: total, memoryUsedBytes: used, memoryIdleBytes: idle } = this.agent.utilization;
    const isHot = this.agent.idleContainers(slotKey) > 0;
    const hasRoom = total - used + idle >= (model.memoryMb + model.tmpfsMb) * MIB;
    return { runners: 1, ready: isHot || hasRoom ? 1 : 0, hot: isHot ? 1 : 0 };
  }

  close(): Promise<void> {
    return this.agent.close();
  }

  private async run(call: LbCall, body: PulledBody): Promise<void> {
    const { model, signal, extensions, deadlineAt, response } = call;
    const options: CallOption[] = [
      fromModelAndInput(model, body),
      withSignal(signal),
      withExtensions(extensions),
      withTrace(call.trace),
    ];
    if (deadlineAt !== undefined) options.push(withDeadline(deadlineAt));
    // The caller of a detached call only learns that it has started; the output of the function is dropped.
    if (model.type !== 'detached') options.push(withWriter(response));
    else {
      options.push(
        withBeforeStart((start) => {
          response.writeHead(ACCEPTED, []);
          start();
        }),
      );
    }
    const log = model.type === 'async' ? this.logs.open(model.fnId) : undefined;
    if (log !== undefined) options.push(withLogger(log));
    const built = await this.agent.getCall(...options);
    let hasFailed = true;
    try {
      await this.agent.submit(built);
      hasFailed = false;
    } finally {
      call.addExecution(built.timings.executionNs);
      call.reported(built.timings);
      if (log !== undefined) call.logged(await log.whenComplete(hasFailed, signal));
    }
  }
}
