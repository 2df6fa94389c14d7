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
  type BorrowedBytes,
  type Call,
  type Clock,
  completeBody,
  Deferred,
  FnError,
  type HeaderList,
  type IdGenerator,
  later,
  MIB,
  type MonoMs,
  type ResponseWriter,
  type WallMs,
} from '@fnfleet/core';
import { type CallReport, NOTHING_REPORTED } from '@fnfleet/protocol';
import { callReport } from './call-report.js';

/** Reports the health of the machine as custom key/value pairs. An exception fails the status. */
export type CustomHealth = () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

interface StatusImageOptions {
  /** Image that is run to find out whether functions can run here. */
  readonly image: string;
  /** A file that exists once the network of containers is up; until then the status image runs without a network. */
  readonly networkBarrier?: string | undefined;
  readonly customHealth?: CustomHealth | undefined;
}

interface StatusImageDeps {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly ids: IdGenerator;
}

/** The result of one check. */
export interface StatusResult {
  readonly call: CallReport;
  readonly details: string;
  readonly networkDisabled: boolean;
  readonly customStatus: Readonly<Record<string, string>>;
}

/** Time limit of a whole check, milliseconds. */
const CHECK_LIMIT_MS = 60_000;
const CALL_TIMEOUT_SECONDS = 5;
/** How long its container stays hot. Shorter than the lifetime of a result, so that most checks start a new container. */
export const STATUS_IDLE_SECONDS = 1;

/** Checks the health of the runner by running a call of the status image, which takes no resources from other calls. */
export class StatusImage {
  constructor(
    private readonly options: StatusImageOptions,
    private readonly deps: StatusImageDeps,
  ) {}

  /** Runs a check to its end. Never rejects: failures are in the report. */
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

  /** A link counts as existing, wherever it points. */
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

/** Reserves no memory or CPU, so it never waits for room and is never evicted. */
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

/** More than any sensible status, and less than the limit of a gRPC message. */
const MAX_BYTES = MIB;

/** Collects the response of a function as text. */
export class CollectedAnswer implements ResponseWriter {
  private readonly parts: Buffer[] = [];
  private bytes = 0;

  /** Whether the response exceeded the limit. */
  get tooLarge(): boolean {
    return this.bytes > MAX_BYTES;
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }

  writeHead(_status: number, _headers: HeaderList): void {}

  write(chunk: BorrowedBytes): boolean {
    this.bytes += chunk.length;
    if (!this.tooLarge) this.parts.push(Buffer.from(chunk));
    return true;
  }

  onDrain(callback: () => void): void {
    callback();
  }
}
