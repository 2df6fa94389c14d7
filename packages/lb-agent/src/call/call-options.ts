import type { IncomingMessage } from 'node:http';
import {
  type App,
  type Call,
  CallTemplate,
  type Fn,
  type HeaderMap,
  headersFromRaw,
  isHopByHop,
  type MonoMs,
  type ResponseWriter,
  requestUrl,
  type TraceContext,
  type WallMs,
} from '@fnfleet/core';
import { discardRest } from '@fnfleet/http';
import { ReplayBuffer, type ReplayBufferLimits } from '../replay/replay-buffer.js';
import type { CallBody } from './lb-call.js';

/** A call under construction, which options fill in one after another. */
export interface LbCallDraft {
  model?: Call;
  request?: IncomingMessage;
  body?: CallBody;
  response?: ResponseWriter;
  extensions: Record<string, string>;
  requestId?: string;
  controller?: AbortController;
  explained?: boolean;
  placementLimitMs?: number;
  trace?: TraceContext;
  /** From the agent. */
  readonly arrivedAt: MonoMs;
  readonly newId: () => string;
  readonly createdAt: WallMs;
  readonly bodyLimits: ReplayBufferLimits;
}

/** One step in building a call. Throws if it depends on a value that no earlier option has set. */
export type LbCallOption = (draft: LbCallDraft) => void;

/** A call of a function over HTTP, with the body of the request. */
export function fromHttpFnRequest(app: App, fn: Fn, req: IncomingMessage): LbCallOption {
  return fromTemplate(new CallTemplate(app, fn), req);
}

/** Like `fromRequest`, for a caller that caches the template. */
export function fromTemplate(template: CallTemplate, req: IncomingMessage): LbCallOption {
  return (draft) => {
    draft.request = req;
    draft.model = template.call({
      id: draft.newId(),
      type: 'sync',
      method: req.method ?? '',
      url: requestUrl(req),
      headers: headersFromRaw(req.rawHeaders),
      createdAt: draft.createdAt,
    });
    draft.body = new ReplayBuffer(req, declaredLength(req), draft.bodyLimits, () => discardRest(req));
  };
}

/** A call with a complete model. */
export function fromModel(model: Call, input: Buffer | CallBody): LbCallOption {
  return (draft) => {
    draft.model = model;
    draft.body = Buffer.isBuffer(input) ? wholeBody(input) : input;
  };
}

/** Hides a header from the function. Use after the option that sets the model, and before that of a trigger. */
export function withoutHeader(name: string): LbCallOption {
  return (draft) => {
    const model = modelOf(draft, 'withoutHeader');
    const { [name]: _, ...headers } = model.headers;
    draft.model = { ...model, headers };
  };
}

/** Marks a call through an HTTP trigger. Use after the option that sets the model. */
export function withTrigger(triggerId: string): LbCallOption {
  return (draft) => {
    const model = modelOf(draft, 'withTrigger');
    draft.model = { ...model, triggerId, headers: triggerHeaders(model.headers, model.method, model.url) };
  };
}

/**
 * Answers the caller as soon as the body is held and the call has started. Use after the option that sets the model.
 */
export function invokeDetached(): LbCallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'invokeDetached'), type: 'detached' };
  };
}

/** Adds extensions, which travel to the runner with the model. */
export function withExtensions(extensions: Readonly<Record<string, string>>): LbCallOption {
  return (draft) => void Object.assign(draft.extensions, extensions);
}

/** Sets the destination of the response. */
export function withWriter(response: ResponseWriter): LbCallOption {
  return (draft) => {
    draft.response = response;
  };
}

/** Records the call in detail, including runners that are skipped. */
export function withExplanation(): LbCallOption {
  return (draft) => {
    draft.explained = true;
  };
}

/** Sets the request id for the logs of balancer and runner. */
export function withRequestId(requestId: string | undefined): LbCallOption {
  return (draft) => {
    draft.requestId = requestId;
  };
}

/** Sets the trace that the spans of the call belong to. */
export function withTrace(trace: TraceContext): LbCallOption {
  return (draft) => {
    draft.trace = trace;
  };
}

/** Limits how long the call may look for a runner, milliseconds. */
export function withPlacementLimit(limitMs: number): LbCallOption {
  return (draft) => {
    draft.placementLimitMs = limitMs;
  };
}

/** Adds a signal whose abort ends the call, even a detached one, with its reason. */
export function withController(controller: AbortController): LbCallOption {
  return (draft) => {
    draft.controller = controller;
  };
}

function modelOf(draft: LbCallDraft, option: string): Call {
  if (draft.model === undefined) throw new Error(`${option} comes after the option that sets the model of the call`);
  return draft.model;
}

/** @returns undefined for a chunked body */
function declaredLength(req: IncomingMessage): number | undefined {
  if (req.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(req.headers['content-length'] ?? 0);
}

function wholeBody(bytes: Buffer): CallBody {
  return {
    replayable: true,
    open: () => ({ read: () => ({ data: bytes, last: true }), onReadable: undefined, close: () => undefined }),
    commit: () => undefined,
  };
}

const PREFIX = 'Fn-Http-H-';

/**
 * The headers of a call through a trigger. Every header of the client is renamed, so that none can pass for a header of
 * the platform. Therefore a trigger can never be invoked detached.
 */
export function triggerHeaders(headers: HeaderMap, method: string, url: string): HeaderMap {
  const mapped: HeaderMap = {};
  for (const [name, values] of Object.entries(headers)) {
    if (name === 'Content-Type') mapped[name] = values;
    else if (!isHopByHop(name, values[0] ?? '')) mapped[PREFIX + name] = values;
  }
  mapped['Fn-Http-Method'] = [method];
  mapped['Fn-Http-Request-Url'] = [url];
  mapped['Fn-Intent'] = ['httprequest'];
  return mapped;
}
