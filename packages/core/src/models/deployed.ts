import type { Annotations } from './call.js';

/**
 * Where `fnfleet deploy` records what it has set, so that a later deploy removes exactly that. On a function it has lists of
 * names, as many as fit in an annotation; on a trigger it is `true`. It has no effect on calls.
 */
export const DEPLOYED_ANNOTATION = 'fnfleet/deployed';

/** `fnfleet/deployed`, `fnfleet/deployed.2` … */
export function isDeployedAnnotation(key: string): boolean {
  return key === DEPLOYED_ANNOTATION || key.startsWith(`${DEPLOYED_ANNOTATION}.`);
}

/** The annotations of a function that are sent with its calls. */
export function withoutDeployed(annotations: Annotations): Annotations {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !isDeployedAnnotation(key)));
}
