import type { ServerResponse } from 'node:http';
import { describeError, ERRORS, errorBody, FnError, type LogFields, type Logger, PeerError } from '@fnfleet/core';
import { awaitsContinue } from './expected-continue.js';
import { discardRest } from './request-body.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

export function sendJson(res: ServerResponse, status: number, value: unknown): void {
  sendText(res, status, JSON.stringify(value));
}

export function sendEmpty(res: ServerResponse, status: number): void {
  res.writeHead(status).end();
}

/**
 * Sends the public part of an error, whatever was thrown. Keeps headers that are already set (`Fn-Call-Id`). If the
 * response has already begun, an error cannot be reported any more, so the connection is destroyed.
 */
export function sendError(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { status, message, retryAfterSeconds } = describeError(error);
  if (status === ERRORS.clientCancelled.status) {
    sendEmpty(res, status);
    return;
  }
  if (retryAfterSeconds !== undefined) res.setHeader('Retry-After', retryAfterSeconds);
  if (status === ERRORS.requestTooBig.status || awaitsContinue(res.req)) refuseRest(res, status, errorBody(message));
  else sendText(res, status, errorBody(message));
}

/**
 * Discards the rest of the request body, so that a client that is still sending receives the response before the close.
 */
function refuseRest(res: ServerResponse, status: number, text: string): void {
  res.setHeader('Connection', 'close');
  beginText(res, status, text).write(text);
  discardRest(res.req, () => res.end());
}

function sendText(res: ServerResponse, status: number, text: string): void {
  beginText(res, status, text).end(text);
}

function beginText(res: ServerResponse, status: number, text: string): ServerResponse {
  return res.writeHead(status, { 'Content-Type': JSON_TYPE, 'Content-Length': Buffer.byteLength(text) });
}

/** Logs errors of the platform with their cause, which the client does not see. */
export function logFailure(logger: Logger, error: unknown, fields: LogFields): void {
  const { status, message } = describeError(error);
  if (status < 500) return;
  const known = error instanceof FnError || error instanceof PeerError;
  logger.error('request failed', {
    ...fields,
    status,
    answer: message,
    detail: (known && error.detail) || undefined,
    error,
    stack: !known && error instanceof Error ? error.stack : undefined,
  });
}
