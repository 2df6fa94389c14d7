import { closeSpan, openChildSpan } from '@fnfleet/core';
import type { AgentCall } from './agent-call.js';

/** The span name that agents of Fn use for the function's part of a trace. */
const NAME = 'agent_dispatch_httpstream';

/**
 * Opens the span of the function's part of a call, whose context is passed to the function.
 * @returns closes the span; undefined when nothing records it
 */
export function openExecutionSpan(call: AgentCall): ((error: unknown) => void) | undefined {
  const opened = openChildSpan(NAME, call.trace);
  if (opened === undefined) return undefined;
  const { id, fnId, appId, image } = call.model;
  opened.span.setAttributes({ 'fn.call_id': id, 'fn.fn_id': fnId, 'fn.app_id': appId, 'container.image.name': image });
  call.trace = opened.context;
  return (error) => closeSpan(opened, error);
}
