import { closeSpan, openChildSpan } from '@fnfleet/core';
import type { AgentCall } from './agent-call.js';

/** By this name Fn's agents put the function's own part into a trace. */
const NAME = 'agent_dispatch_httpstream';

/**
 * Begins the function's own part of a call; what it is told of the trace is this.
 * @returns what ends it; undefined where nobody records
 */
export function openExecutionSpan(call: AgentCall): ((error: unknown) => void) | undefined {
  const opened = openChildSpan(NAME, call.trace);
  if (opened === undefined) return undefined;
  const { id, fnId, appId, image } = call.model;
  opened.span.setAttributes({ 'fn.call_id': id, 'fn.fn_id': fnId, 'fn.app_id': appId, 'container.image.name': image });
  call.trace = opened.context;
  return (error) => closeSpan(opened, error);
}
