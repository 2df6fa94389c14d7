import type { MembershipSource, SourceDeps } from './membership.js';
import type { PoolUrl } from './pool-url.js';

/** A kind of runner pool, selected by the scheme of `FN_RUNNER_POOL`. */
export interface PoolFactory {
  /** The scheme. */
  readonly name: string;
  /** What `docs/configuration.md` says: the form of the URL, then what it means. */
  readonly form: string;
  readonly doc: string;
  /** @throws Error that says what is wrong with the URL */
  create(url: PoolUrl, deps: PoolDeps): MembershipSource;
}

export interface PoolDeps extends SourceDeps {
  /** Where Kubernetes says its API is. Undefined outside of a cluster. */
  readonly kubernetes: { readonly host: string; readonly port: string } | undefined;
}
