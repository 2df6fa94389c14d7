import { choice, durationMs, integer, text } from '@fnfleet/core';
import { tlsSettings } from '@fnfleet/tls';

export const NODE_TYPES = ['full', 'api', 'lb', 'pure-runner'] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** Settings that every role reads. */
export const commonSettings = {
  nodeType: choice('FN_NODE_TYPE', NODE_TYPES, {
    default: 'full',
    doc: 'The role this process plays. `full` is all of them in one, for a laptop; the others make a fleet.',
  }),
  port: integer('FN_PORT', { default: 8080, min: 0, max: 65535, doc: 'HTTP port. 0 takes a free one.' }),
  bindAddress: text('FN_BIND_ADDRESS', {
    default: '127.0.0.1',
    doc: 'Address that the HTTP and gRPC ports listen on; `0.0.0.0` or `::` for all. Beyond loopback, TLS is needed.',
  }),
  logLevel: choice('FN_LOG_LEVEL', ['error', 'warn', 'info', 'debug'], {
    default: 'info',
    doc: 'Least severe level that is logged. Nothing is logged per call above debug.',
  }),
  logFormat: choice('FN_LOG_FORMAT', ['text', 'json'], {
    default: 'text',
    doc: 'One line of text or one JSON object per entry.',
  }),
  drainGraceMs: durationMs('FN_DRAIN_GRACE_MSECS', {
    default: 30_000,
    doc: 'Time that calls in hand get to finish after SIGTERM or SIGINT. A second signal ends the process at once.',
  }),
  ...tlsSettings,
  operatorToken: text('FN_OPERATOR_TOKEN', {
    secret: true,
    doc: 'What operators may show in place of a client certificate, as `Authorization: Bearer`. Needed for `/v2`, `/metrics` and whatever else is for operators; a balancer shows it to its api node. `FN_OPERATOR_TOKEN_FILE` names a file that holds it.',
  }),
} as const;
