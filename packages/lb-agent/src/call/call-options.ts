import type { IncomingMessage } from 'node:http';
import {
  type App,
  type Call,
  CallTemplate,
  type Fn,
  headersFromRaw,
  type ResponseWriter,
  requestUrl,
  type TraceContext,
  type WallMs,
} from '@fnfleet/core';
import { discardRest } from '@fnfleet/http';
import { triggerHeaders } from '../http/trigger-headers.js';
import { ReplayBuffer, type ReplayBufferLimits } from '../replay/replay-buffer.js';
import type { CallBody } from './call-body.js';

/** What call options fill in, one after another. */
export interface LbCallDraft {
  model?: Call;
  request?: IncomingMessage;
  body?: CallBody;
  response?: ResponseWriter;
  extensions: Record<string, string>;
  requestId?: string;
  controller?: AbortController;
  explained?: boolean;
  trace?: TraceContext;
  /** From the agent. */
  readonly newId: () => string;
  readonly createdAt: WallMs;
  readonly bodyLimits: ReplayBufferLimits;
}

/** One step of building a call. Throws when what it needs has not been set by an earlier option. */
export type LbCallOption = (draft: LbCallDraft) => void;

/** A call of a function over HTTP. Its body is the request's. */
export function fromHttpFnRequest(app: App, fn: Fn, req: IncomingMessage): LbCallOption {
  return fromTemplate(new CallTemplate(app, fn), req);
}

/** The same, for a caller that keeps the template. */
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

/** A call that is complete already. */
export function fromModel(model: Call, input: Buffer | CallBody): LbCallOption {
  return (draft) => {
    draft.model = model;
    draft.body = Buffer.isBuffer(input) ? wholeBody(input) : input;
  };
}

/** The function does not get to see the header. After the option that sets the model, before that of a trigger. */
export function withoutHeader(name: string): LbCallOption {
  return (draft) => {
    const model = modelOf(draft, 'withoutHeader');
    const { [name]: _, ...headers } = model.headers;
    draft.model = { ...model, headers };
  };
}

/** The call came through an HTTP trigger. After the option that sets the model. */
export function withTrigger(triggerId: string): LbCallOption {
  return (draft) => {
    const model = modelOf(draft, 'withTrigger');
    draft.model = { ...model, triggerId, headers: triggerHeaders(model.headers, model.method, model.url) };
  };
}

/** The caller is answered as soon as all of the body is held and the call has begun. After the option that sets the model. */
export function invokeDetached(): LbCallOption {
  return (draft) => {
    draft.model = { ...modelOf(draft, 'invokeDetached'), type: 'detached' };
  };
}

/** Adds to what travels to the runner beside the model. */
export function withExtensions(extensions: Readonly<Record<string, string>>): LbCallOption {
  return (draft) => void Object.assign(draft.extensions, extensions);
}

/** Where the answer goes. */
export function withWriter(response: ResponseWriter): LbCallOption {
  return (draft) => {
    draft.response = response;
  };
}

/** What becomes of the call is written down in detail, runners that it is not offered to included. */
export function withExplanation(): LbCallOption {
  return (draft) => {
    draft.explained = true;
  };
}

/** Names the request in the logs of balancer and runner. */
export function withRequestId(requestId: string | undefined): LbCallOption {
  return (draft) => {
    draft.requestId = requestId;
  };
}

/** Aborting it ends the call, detached or not, with the reason given. */
export function withController(controller: AbortController): LbCallOption {
  return (draft) => {
    draft.controller = controller;
  };
}

function modelOf(draft: LbCallDraft, option: string): Call {
  if (draft.model === undefined) throw new Error(`${option} comes after the option that sets the model of the call`);
  return draft.model;
}

/** Undefined: a body that comes in chunks. */
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
