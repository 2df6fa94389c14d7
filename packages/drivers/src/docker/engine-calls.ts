/**
 * The kind of a request, which determines its timeout.
 *
 * - `probe`   a health check
 * - `query`   reads state
 * - `change`  creates, starts or pauses a container
 * - `removal` may have to wait for a file system
 * - `open`    lasts as long as its caller wants
 */
export type CallKind = 'probe' | 'query' | 'change' | 'removal' | 'open';

/** Each request by its name in metrics, without `docker_`. */
export const ENGINE_CALLS = {
  ping: 'probe',
  version: 'query',
  info: 'query',
  inspect_image: 'query',
  inspect_container: 'query',
  inspect_volume: 'query',
  list_images: 'query',
  list_containers: 'query',
  stats: 'query',
  add_event_listener: 'query',
  wait_container: 'query',
  attach_container: 'query',
  create_container: 'change',
  start_container: 'change',
  pause_container: 'change',
  unpause_container: 'change',
  remove_container: 'removal',
  remove_image: 'removal',
  pull_image: 'open',
  load_images: 'open',
  build_image: 'open',
  push_image: 'open',
} as const satisfies Record<string, CallKind>;

export type EngineCall = keyof typeof ENGINE_CALLS;

/** Timeout of each kind of request, milliseconds. */
export type CallLimits = Readonly<Record<Exclude<CallKind, 'open'>, number>>;

/** Receives the outcome of each request that says something about the engine. */
export interface EngineObserver {
  /** The engine answered, possibly with an error. */
  answered(kind: CallKind): void;
  /** The engine could not be reached, or did not answer in time. */
  unanswered(kind: CallKind, error: Error): void;
}
