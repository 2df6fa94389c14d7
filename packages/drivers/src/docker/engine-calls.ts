/**
 * What a call asks of the engine, and so how long it may take.
 *
 * - `probe`   a sign of life
 * - `query`   what the engine knows without doing anything
 * - `change`  makes, starts or halts a container
 * - `removal` may have to wait for a file system
 * - `open`    lasts as long as its caller wants
 */
export type CallKind = 'probe' | 'query' | 'change' | 'removal' | 'open';

/** Each call by the name it has in metrics, after `docker_`. */
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

/** Milliseconds that a call of each kind may take. */
export type CallLimits = Readonly<Record<Exclude<CallKind, 'open'>, number>>;

/** Told how each call ended whose answer says something about the engine. */
export interface EngineObserver {
  /** The engine answered, be it with an error. */
  answered(kind: CallKind): void;
  /** Nobody was there, or the time for an answer is over. */
  unanswered(kind: CallKind, error: Error): void;
}
