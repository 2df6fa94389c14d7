import type { MembershipSource, SourceDeps } from './membership.js';
import type { PoolUrl } from './pool-url.js';

/** A kind of runner pool, selected by the scheme of `FN_RUNNER_POOL`. */
export interface PoolFactory {
  /** The scheme. */
  readonly name: string;
  /** For `docs/configuration.md`: the form of the URL, then its meaning. */
  readonly form: string;
  readonly doc: string;
  /** @throws Error that says what is wrong with the URL */
  create(url: PoolUrl, deps: PoolDeps): MembershipSource;
}

export interface PoolDeps extends SourceDeps {
  /** The address of the Kubernetes API as given by Kubernetes. Undefined outside a cluster. */
  readonly kubernetes: { readonly host: string; readonly port: string } | undefined;
}
