import type { ServerResponse } from 'node:http';
import { describeError, ERRORS, errorBody } from '@fnfleet/core';
import { discardRest } from './discard-rest.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

export function sendJson(res: ServerResponse, status: number, value: unknown): void {
  sendText(res, status, JSON.stringify(value));
}

export function sendEmpty(res: ServerResponse, status: number): void {
  res.writeHead(status).end();
}

/**
 * Answers with what a client may know of an error, whatever was thrown. Headers set before stay (`Fn-Call-Id`).
 * Once an answer has begun there is no honest way left to report an error, so the connection is broken instead.
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
  if (status === ERRORS.requestTooBig.status) refuseRest(res, status, errorBody(message));
  else sendText(res, status, errorBody(message));
}

/** The rest of the body is unwanted, but a client that is sending it has to get the answer before its connection closes. */
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
