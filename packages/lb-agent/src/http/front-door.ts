import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type CallTemplate,
  CancelledError,
  type Clock,
  type DelayLine,
  describeError,
  FnError,
  IdGenerator,
  isServerBusy,
  type Logger,
  noteInTrace,
  PeerError,
  silentLogger,
  systemClock,
  type TraceContext,
  traceFields,
  withActiveTrace,
} from '@fnfleet/core';
import {
  type AccessGuard,
  type CorsPolicy,
  checkDeclaredLength,
  discardRest,
  inviteBody,
  measureRequest,
  type RequestLabels,
} from '@fnfleet/http';
import type { CallAcceptor } from '../async/call-acceptor.js';
import { fromTemplate, invokeDetached, type LbCallOption, withoutHeader, withTrigger } from '../call/call-options.js';
import { dryRunAnswer, isDryRun } from '../call/dry-run.js';
import type { LbCall } from '../call/lb-call.js';
import type { LbAgent } from '../lb-agent.js';
import type { FunctionLookup, TriggeredFunction } from '../lookup/function-lookup.js';
import { HttpResponseWriter, newHolds } from './http-response-writer.js';
import { parseTarget, type RequestTarget } from './request-target.js';
import { invokeHead, triggerHead } from './response-head.js';

const TRIGGER_METHODS: ReadonlySet<string> = new Set('GET POST PUT PATCH HEAD OPTIONS DELETE CONNECT TRACE'.split(' '));
/** Valid request ids of clients, which go into logs and to runners. Others are replaced by a generated id. */
const REQUEST_NAME = /^[\x20-\x7e]{1,256}$/;
/** Route templates for metrics; both forms of a trigger path count as one. */
const ROUTES = { invoke: '/invoke/:fn_id', trigger: '/t/:app_name' } as const;

/** What a request names: a function, or one with the trigger. */
type Found = CallTemplate | TriggeredFunction;

export interface FrontDoorOptions {
  readonly agent: LbAgent;
  readonly lookup: FunctionLookup;
  readonly cors: CorsPolicy;
  /** Decides who may call, and who has operator rights. */
  readonly guard: AccessGuard;
  /** Maximum body, bytes; 0: no limit. */
  readonly maxRequestBytes: number;
  /** Maximum time for which a client may read nothing of a pending response, milliseconds. Default 60 000. */
  readonly clientStallMs?: number;
  /** Header with the request id; empty: requests have no ids. */
  readonly requestIdHeader?: string;
  /** Accepts asynchronous calls. */
  readonly acceptor: Pick<CallAcceptor, 'newId' | 'accept'>;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Made by `newHolds`. Its owner closes it. */
  readonly holds?: DelayLine;
}

/**
 * Handles a call from its HTTP request to its response.
 *
 * F1  Each call has one AbortController. It aborts when the client disconnects; for a detached call only if that
 *     happens before its body is complete.
 * F2  Every exit path answers the client or destroys its connection, and releases its request.
 * F3  Metrics record the blame of an error; failures of the platform are logged with their cause.
 */
export class FrontDoor {
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly holds: DelayLine;
  private readonly ids = new IdGenerator();
  private readonly requestIdHeader: string;

  constructor(private readonly options: FrontDoorOptions) {
    this.log = options.logger ?? silentLogger;
    this.clock = options.clock ?? systemClock;
    this.holds = options.holds ?? newHolds(this.clock);
    this.requestIdHeader = (options.requestIdHeader ?? '').toLowerCase();
  }

  /** Handles a request directly from the HTTP server, without middleware. @returns false if it is no invocation */
  serve(req: IncomingMessage, res: ServerResponse): boolean {
    const target = this.targetOf(req);
    if (target === undefined) return false;
    const labels = measureRequest(req, res);
    if (!this.options.cors(req, res)) void this.invoke(target, req, res, labels);
    return true;
  }

  /** Handles a request from the Express app of a node, which already applies CORS and metrics. */
  serveMeasured(req: IncomingMessage, res: ServerResponse, labels: RequestLabels): boolean {
    const target = this.targetOf(req);
    if (target === undefined) return false;
    void this.invoke(target, req, res, labels);
    return true;
  }

  private targetOf(req: IncomingMessage): RequestTarget | undefined {
    const target = parseTarget(req.url ?? '');
    return target?.kind === 'invoke' && req.method !== 'POST' ? undefined : target;
  }

  /** F2. Never rejects: a failure while an error is reported can only destroy the connection. */
  private async invoke(
    target: RequestTarget,
    req: IncomingMessage,
    res: ServerResponse,
    labels: RequestLabels,
  ): Promise<void> {
    labels.route = ROUTES[target.kind];
    const controller = new AbortController();
    const head = target.kind === 'trigger' ? triggerHead : invokeHead;
    const writer = new HttpResponseWriter(res, head, this.holds, this.clock, this.options.clientStallMs);
    const onLeft = () => controller.abort(new CancelledError());
    labels.onLeft = onLeft;
    const explained = req.headers['fn-explain'] === '1';
    let call: LbCall | undefined;
    try {
      this.options.guard.check(req, 'caller');
      checkDeclaredLength(req, this.options.maxRequestBytes);
      const known = target.kind === 'invoke' ? this.options.lookup.known?.(target.fnId) : undefined;
      const found =
        known !== undefined
          ? known
          : await withActiveTrace(labels.trace, () => this.find(target, req, controller.signal));
      if (isAsync(found, req)) {
        await this.accept(found, req, writer, labels.trace);
        labels.blame = 'user';
        return;
      }
      const options = isTriggered(found) ? this.triggerOptions(found, req) : this.invokeOptions(found, req);
      options.push((draft) => {
        draft.trace = labels.trace;
        draft.response = writer;
        draft.controller = controller;
        draft.requestId = this.requestId(req);
        draft.explained = explained;
      });
      call = await this.options.agent.getCall(...options);
      if (target.kind === 'invoke' && isDryRun(req)) {
        await this.foresee(call, req, writer);
        labels.blame = 'user';
        return;
      }
      writer.callId = call.model.id;
      if (explained) {
        const forOperator = this.options.guard.isOperator(req);
        const explain = () => call?.explain(forOperator) ?? '';
        writer.explain = explain;
      }
      // F1
      if (call.model.type === 'detached') labels.onLeft = undefined;
      await this.options.agent.submit(call);
      labels.blame = 'user';
      writer.finish();
    } catch (error) {
      try {
        labels.blame = describeError(error).blame === 'function' ? 'user' : 'service';
        writer.fail(error);
        // A call releases its request itself.
        if (call === undefined) discardRest(req);
        this.report(error, target, writer.callId, labels);
      } catch (trouble) {
        res.destroy();
        this.log.error('cannot answer a call', { kind: target.kind, error: describeError(trouble).message });
      }
    }
  }

  /** Answers when the call is on disk. There is no call yet, and none to cancel. */
  private async accept(
    found: Found,
    req: IncomingMessage,
    writer: HttpResponseWriter,
    trace: TraceContext,
  ): Promise<void> {
    const { acceptor, guard } = this.options;
    writer.callId = acceptor.newId();
    const { fn } = isTriggered(found) ? found.template : found;
    const triggerId = isTriggered(found) ? found.triggerId : '';
    const hidden = guard.showsToken(req) ? 'Authorization' : undefined;
    const { callId, duplicate } = await acceptor.accept(writer.callId, { fnId: fn.id, triggerId, trace }, req, hidden);
    writer.callId = callId;
    noteInTrace(trace, { 'fn.call_id': callId, 'fn.fn_id': fn.id });
    const location = `/v2/fns/${fn.id}/calls/${callId}`;
    const headers = ['Content-Type', 'application/json; charset=utf-8', 'Location', location];
    writer.answer(202, headers, `${JSON.stringify({ call_id: callId, duplicate })}\n`);
  }

  /** Responds to a dry run. There is no call, so there is no id. */
  private async foresee(call: LbCall, req: IncomingMessage, writer: HttpResponseWriter): Promise<void> {
    const { agent, lookup, guard } = this.options;
    const outlook = await agent.foresee(call);
    const { fn } = await lookup.byId(call.model.fnId, call.signal);
    writer.writeHead(200, [['Content-Type', 'application/json; charset=utf-8']]);
    writer.write(Buffer.from(dryRunAnswer(call, fn.name, outlook, guard.isOperator(req))));
    writer.finish();
  }

  /** Looks up the function that the request names. */
  private async find(target: RequestTarget, req: IncomingMessage, signal: AbortSignal): Promise<Found> {
    const { lookup } = this.options;
    if (target.kind === 'invoke') return lookup.byId(target.fnId, signal);
    if (!TRIGGER_METHODS.has(req.method ?? '')) {
      throw new FnError('methodNotAllowed', { params: { method: req.method ?? '', path: pathOf(target) } });
    }
    return lookup.byTrigger(target.appName, target.source, signal);
  }

  private triggerOptions({ template, triggerId }: TriggeredFunction, req: IncomingMessage): LbCallOption[] {
    return [...this.callOptions(template, req), withTrigger(triggerId)];
  }

  private invokeOptions(template: CallTemplate, req: IncomingMessage): LbCallOption[] {
    const options = this.callOptions(template, req);
    // The value is case-sensitive; any other value means an ordinary call.
    if (req.headers['fn-invoke-type'] === 'detached') options.push(invokeDetached());
    return options;
  }

  private callOptions(template: CallTemplate, req: IncomingMessage): LbCallOption[] {
    inviteBody(req);
    const call = fromTemplate(template, req);
    // The operator token of a call must not reach the function.
    return this.options.guard.showsToken(req) ? [call, withoutHeader('Authorization')] : [call];
  }

  private requestId(req: IncomingMessage): string | undefined {
    if (this.requestIdHeader === '') return undefined;
    const given = req.headers[this.requestIdHeader];
    const name = Array.isArray(given) ? given[0] : given;
    return name !== undefined && REQUEST_NAME.test(name) ? name : this.ids.next();
  }

  private report(error: unknown, target: RequestTarget, callId: string, { trace }: RequestLabels): void {
    const { status, blame, message } = describeError(error);
    if (blame !== 'platform' || isServerBusy(error) || isPulling(error)) {
      if (this.log.debugEnabled) this.log.debug('call rejected', { callId, status, answer: message, error });
      return;
    }
    const ids = { callId: callId || undefined, ...traceFields(trace) };
    this.log.error('call failed', { ...ids, ...target, status, answer: message, error });
  }
}

/** The value of the header is case-sensitive; another one means an ordinary call. A trigger may have an owner who decides. */
function isAsync(found: Found, req: IncomingMessage): boolean {
  const isAsked = req.headers['fn-invoke-type'] === 'async';
  if (!isTriggered(found)) return isAsked && !isDryRun(req);
  return found.invokeType === undefined ? isAsked : found.invokeType === 'async';
}

function isTriggered(found: Found): found is TriggeredFunction {
  return 'triggerId' in found;
}

/** Whether an error is a failure of the platform, here or reported by a runner. */
function isPulling(error: unknown): boolean {
  if (error instanceof PeerError) return error.retryAfterSeconds !== undefined;
  return error instanceof FnError && error.code === 'imagePulling';
}

function pathOf(target: RequestTarget & { kind: 'trigger' }): string {
  return `/t/${target.appName}${target.source}`;
}
