import { lstat } from 'node:fs/promises';
import {
  type Agent,
  type AgentCall,
  fromModelAndInput,
  withDeadline,
  withoutNetwork,
  withWriter,
} from '@fnfleet/agent';
import {
  type Call,
  type Clock,
  completeBody,
  Deferred,
  FnError,
  type IdGenerator,
  later,
  type MonoMs,
  type WallMs,
} from '@fnfleet/core';
import { type CallReport, NOTHING_REPORTED } from '@fnfleet/protocol';
import { callReport } from './call-report.js';
import { CollectedAnswer } from './collected-answer.js';

/** Tells how the machine is, in words of the operator's own. What it throws fails the status. */
export type CustomHealth = () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

export interface StatusImageOptions {
  /** Image that is run to find out whether functions can run here. */
  readonly image: string;
  /** A file that exists when the network of containers is up; until it does the status image runs without network. */
  readonly networkBarrier?: string | undefined;
  readonly customHealth?: CustomHealth | undefined;
}

interface StatusImageDeps {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly ids: IdGenerator;
}

/** What one check has found out. */
export interface StatusResult {
  readonly call: CallReport;
  readonly details: string;
  readonly networkDisabled: boolean;
  readonly customStatus: Readonly<Record<string, string>>;
}

/** For everything together, milliseconds. */
const CHECK_LIMIT_MS = 60_000;
const CALL_TIMEOUT_SECONDS = 5;
/** How long its container stays hot. Shorter than a result is kept, so that mostly each check starts one. */
export const STATUS_IDLE_SECONDS = 1;

/** Finds out how the runner is by running a call of the status image, next to all others and at nobody's expense. */
export class StatusImage {
  constructor(
    private readonly options: StatusImageOptions,
    private readonly deps: StatusImageDeps,
  ) {}

  /** Runs a check to its end. Never rejects: what goes wrong is in the report. */
  async check(input: string): Promise<StatusResult> {
    const { clock } = this.deps;
    const deadlineAt = later(clock.now(), CHECK_LIMIT_MS);
    const networkDisabled = await this.isNetworkDown();
    const answer = new CollectedAnswer();
    let customStatus: StatusResult['customStatus'] = {};
    let call: AgentCall | undefined;
    let report: CallReport = NOTHING_REPORTED;
    try {
      customStatus = { ...(await this.askCustomHealth(deadlineAt)) };
      call = await this.buildCall(input, deadlineAt, networkDisabled, answer);
      await this.deps.agent.submit(call);
      report = callReport(call, answer.tooLarge ? new FnError('functionResponseTooBig') : undefined, clock);
    } catch (error) {
      report = callReport(call, error, clock);
    }
    return { call: report, details: answer.text, networkDisabled, customStatus };
  }

  private buildCall(input: string, deadlineAt: MonoMs, networkDisabled: boolean, answer: CollectedAnswer) {
    const { agent, ids, clock } = this.deps;
    const now = clock.wallNow();
    return agent.getCall(
      fromModelAndInput(statusCall(ids.next(now), this.options.image, now), completeBody(Buffer.from(input))),
      withWriter(answer),
      withDeadline(deadlineAt),
      ...(networkDisabled ? [withoutNetwork()] : []),
    );
  }

  /** A link counts as there, wherever it leads. */
  private async isNetworkDown(): Promise<boolean> {
    const { networkBarrier } = this.options;
    if (!networkBarrier) return false;
    return lstat(networkBarrier).then(
      () => false,
      () => true,
    );
  }

  private async askCustomHealth(deadlineAt: MonoMs) {
    const { customHealth } = this.options;
    if (customHealth === undefined) return {};
    const late = new Deferred<never>();
    const { clock } = this.deps;
    const timer = clock.after(deadlineAt - clock.now(), () => late.reject(new FnError('callTimeout')));
    try {
      return await Promise.race([customHealth(), late.promise]);
    } finally {
      timer.cancel();
    }
  }
}

/** It needs no memory and no CPU of the runner's, so it never waits for room and is never evicted. */
function statusCall(id: string, image: string, createdAt: WallMs): Call {
  return {
    id,
    image,
    type: 'sync',
    fnId: '',
    appId: '',
    appName: '',
    triggerId: '',
    method: 'GET',
    url: '/',
    headers: {},
    config: {},
    annotations: {},
    syslogUrl: '',
    timeoutSeconds: CALL_TIMEOUT_SECONDS,
    idleTimeoutSeconds: STATUS_IDLE_SECONDS,
    memoryMb: 0,
    tmpfsMb: 0,
    cpuMillis: 0,
    status: 'queued',
    createdAt,
    startedAt: undefined,
    completedAt: undefined,
  };
}
