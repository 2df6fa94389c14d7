import {
  type Agent,
  type AgentCall,
  type CallOption,
  fromModelAndInput,
  withDeadline,
  withExtensions,
  withSignal,
  withTrace,
  withWriter,
} from '@fnfleet/agent';
import { FnError } from '@fnfleet/core';
import type { CallPlacement, LbCall } from '@fnfleet/lb-agent';
import { PulledBody } from './pulled-body.js';

const HERE = 'local';
const ACCEPTED = 202;

/**
 * Calls go to the agent of this very process. There is nobody else to ask, so its refusal is the answer. Closing it closes
 * the agent.
 */
export class LocalPlacement implements CallPlacement {
  /** The agent does. */
  readonly countsCalls = true;
  /** Detached calls that have not begun, and what tells their callers. */
  private readonly waiting = new WeakMap<AgentCall, () => void>();

  constructor(private readonly agent: Agent) {
    agent.addCallListener({ beforeCall: (call) => this.waiting.get(call)?.() });
  }

  async place(call: LbCall): Promise<unknown> {
    call.offeredTo(HERE);
    call.journal?.offered(HERE);
    const body = new PulledBody(call.body.open());
    // Nothing is sent twice: what has been read need not be kept.
    call.body.commit();
    try {
      await this.run(call, body);
      return undefined;
    } catch (error) {
      return error ?? new FnError('internal');
    } finally {
      body.discard();
    }
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
    // The caller of a detached call gets one word when it begins; what the function says is dropped.
    const detached = model.type === 'detached';
    if (!detached) options.push(withWriter(response));
    const built = await this.agent.getCall(...options);
    if (detached) this.waiting.set(built, () => response.writeHead(ACCEPTED, []));
    try {
      await this.agent.submit(built);
    } finally {
      call.addExecution(built.timings.executionNs);
      call.reported(built.timings);
    }
  }
}
