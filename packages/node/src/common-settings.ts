import { choice, durationMs, integer, text } from '@fnfleet/core';
import { tlsSettings } from '@fnfleet/tls';

export const NODE_TYPES = ['full', 'api', 'lb', 'pure-runner'] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** Settings of every role. */
export const commonSettings = {
  nodeType: choice('FN_NODE_TYPE', NODE_TYPES, {
    default: 'full',
    doc: 'The role of this process. `full` combines all roles in one process, for a single machine; the others form a fleet.',
  }),
  port: integer('FN_PORT', { default: 8080, min: 0, max: 65535, doc: 'HTTP port. 0 selects a free port.' }),
  bindAddress: text('FN_BIND_ADDRESS', {
    default: '127.0.0.1',
    doc: 'Address that the HTTP and gRPC ports listen on; `0.0.0.0` or `::` for all. TLS is required beyond loopback.',
  }),
  logLevel: choice('FN_LOG_LEVEL', ['error', 'warn', 'info', 'debug'], {
    default: 'info',
    doc: 'Least severe level that is logged. Per-call messages are logged at `debug` only.',
  }),
  logFormat: choice('FN_LOG_FORMAT', ['text', 'json'], {
    default: 'text',
    doc: 'One line of text or one JSON object per log entry.',
  }),
  drainGraceMs: durationMs('FN_DRAIN_GRACE_MSECS', {
    default: 30_000,
    doc: 'How long calls in flight may take to finish after SIGTERM or SIGINT. A second signal ends the process at once.',
  }),
  ...tlsSettings,
  operatorToken: text('FN_OPERATOR_TOKEN', {
    secret: true,
    doc: 'Token that operators may send as `Authorization: Bearer` in place of a client certificate. Required for `/v2`, `/metrics` and all other operator routes; a balancer sends it to its API node. `FN_OPERATOR_TOKEN_FILE` names a file that holds it.',
  }),
} as const;
