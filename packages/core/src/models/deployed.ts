import type { Annotations } from './call.js';

/**
 * Where `fnfleet deploy` writes down what it has set, so that a later one takes back that and nothing else. On a function lists
 * of names, as many as one annotation holds, on a trigger `true`. No call is served differently for it.
 */
export const DEPLOYED_ANNOTATION = 'fnfleet/deployed';

/** `fnfleet/deployed`, `fnfleet/deployed.2` … */
export function isDeployedAnnotation(key: string): boolean {
  return key === DEPLOYED_ANNOTATION || key.startsWith(`${DEPLOYED_ANNOTATION}.`);
}

/** What a call takes along of the annotations of its function. */
export function withoutDeployed(annotations: Annotations): Annotations {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !isDeployedAnnotation(key)));
}
