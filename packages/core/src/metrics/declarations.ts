/**
 * Every metric, declared once. Names, units and bounds are those of Fn, so that dashboards built for Fn keep working.
 * Instruments have the prefix `fn_`. Labels come from looked-up data, never from what a client sent.
 */
export const METRICS = {
  calls: counter('Calls submitted.'),
  queued: gauge('Calls waiting to start.'),
  running: gauge('Calls running.'),
  completed: counter('Calls that succeeded.'),
  canceled: counter('Calls whose caller disconnected.'),
  timeouts: counter('Calls that passed their deadline.'),
  errors: counter('Calls that failed.'),
  server_busy: counter('Calls rejected for lack of capacity.'),

  lb_call_latency: latency('Time a call spent in the balancer, without the execution time of the function.'),
  lb_runner_sched_latency: latency('Time a call waited on the runner.'),
  lb_runner_exec_latency: latency('Execution time of the function.'),
  lb_placer_attempt_count: histogram('Attempts per call.', '', [0, 2, 3, 4, 8, 16, 32, 64, 128, 256]),
  lb_placer_latency: latency('Time it took to place a call.'),
  lb_placer_refusal_latency: latency('Time from an attempt to its refusal.'),
  lb_placer_rp_error_count: counter('Placements that failed with an error of the runner pool.'),
  lb_placer_rp_empty_count: counter('Placement passes that found the runner pool empty.'),
  lb_placer_client_cancelled_count: counter('Placements whose caller disconnected.'),
  lb_placer_client_timeout_count: counter('Placements whose caller’s deadline passed.'),
  lb_placer_timeout_count: counter('Placements that ran out of time.'),
  lb_placer_placed_error_count: counter('Placed calls that failed.'),
  lb_placer_placed_abort_count: counter('Placed calls whose caller disconnected.'),
  lb_placer_placed_ok_count: counter('Placed calls that succeeded.'),
  lb_placer_retry_busy_count: counter('Attempts refused because the runner was full.'),
  lb_placer_retry_error_count: counter('Attempts that did not reach a runner.'),
  lb_pool_runners: gauge('Runners in the pool.', '', 'max'),
  lb_runners_by_state: gauge(
    'Runners by state, as this balancer sees them: ok, degraded, draining, cordoned, ejected, silent, unreachable, gone.',
    '',
    'max',
  ),
  lb_pool_changes: counter('Runners that joined or left the pool, by direction.'),
  lb_pool_source_failures: counter('Failed reads of the source of the runner pool.'),
  lb_pool_stale: gauge(
    '1 while the source of the runner pool cannot be read and the last known list stays in use.',
    '',
    'max',
  ),

  lb_runner_ejected_count: counter('Runners ejected for a while because calls failed there.'),
  lb_queue_waiting: gauge('Calls waiting for a runner.'),
  lb_queue_wait_latency: latency('Time calls waited for a runner, including calls that gave up.'),
  lb_queue_shed_count: counter('Calls rejected without waiting, by reason: deadline, full queue or fair share.'),
  lb_lookup_stale_count: counter('Lookups answered from an expired cache entry because the API node did not answer.'),
  lb_feed_connected: gauge(
    'Open change feeds from API nodes, one for each process of a balancer. Without one, changes take effect after FN_LOOKUP_TTL_MSECS.',
  ),
  lb_feed_change_count: counter('Changes received from API nodes.'),
  lb_feed_reset_count: counter(
    'Times that all cached functions were looked up anew because the feed could not be continued.',
  ),
  lb_feed_failure_count: counter('Change feeds that broke, were silent, or could not be opened.'),
  lb_replay_memory_bytes: gauge('Memory used to keep request bodies for another attempt.', 'By'),
  lb_replay_disk_bytes: gauge('Request bodies kept on disk for another attempt.', 'By'),
  lb_replay_lost_count: counter('Calls whose body could not be kept, which limits them to one attempt, by reason.'),
  lb_async_running: gauge('Asynchronous calls that this balancer has taken from a queue and that have not ended.'),
  lb_async_attempts: counter('Attempts of asynchronous calls that have ended, by what was reported to the queue.'),
  lb_async_accepted: counter('Asynchronous calls handed in: on disk at an API node, and answered 202.'),
  lb_async_refused: counter('Asynchronous calls not accepted, by the status of the response.'),

  mq_calls: gauge('Asynchronous calls in the queue, by state: ready, delayed, running, dead.'),
  mq_oldest_age_seconds: gauge(
    'Time since the oldest ready call of the queue was accepted, callbacks excluded, in seconds; 0 if none is ready.',
    '',
    'max',
  ),
  mq_accepted: counter('Asynchronous calls that the queue has accepted, on disk.'),
  mq_duplicates: counter('Asynchronous calls whose idempotency key was known.'),
  mq_delivered: counter('Attempts of calls leased to balancers.'),
  mq_redelivered: counter(
    'Those of mq_delivered that are not the first attempt of their call. What exceeds mq_retried is due to leases that expired and to dead letters made ready again.',
  ),
  mq_retried: counter('Attempts that failed, and are followed by another one.'),
  mq_completed: counter('Asynchronous calls that succeeded.'),
  mq_dead: counter('Asynchronous calls that became dead letters.'),
  mq_cancelled: counter('Asynchronous calls that were cancelled.'),

  schedule_fired: counter('Firings of schedules whose calls are in the queue.'),
  schedule_missed: counter('Times that a schedule left out firings that it had missed.'),
  schedule_failed: counter('Attempts to put the call of a firing into the queue that failed. They are repeated.'),
  schedule_delay: latency('Time from the instant of a firing until its call was in the queue.'),
  schedule_leader: gauge('1 on the API node that fires the schedules.'),
  schedule_late_seconds: gauge(
    'How long the earliest instant that no API node has dealt with has been due, in seconds; 0 if none is due.',
    '',
    'max',
  ),

  callback_running: gauge('Callbacks that this API node is delivering.'),
  callback_sent: counter('Callbacks that were delivered, by target: url, or fn for a call of another function.'),
  callback_failed: counter('Attempts to deliver a callback that failed and may be repeated.'),
  callback_dead: counter('Callbacks that were not delivered and became dead letters.'),
  callback_oldest_age_seconds: gauge(
    'Time since the call of the oldest callback that can be delivered now ended, in seconds; 0 if there is none.',
    '',
    'max',
  ),

  feed_readers: gauge('Readers of the changes of this API node.'),
  feed_changes_sent: counter('Changes sent, counted for each reader.'),
  feed_readers_dropped: counter('Readers disconnected because they did not read.'),

  util_cpu_used: gauge('CPU reserved for containers, in thousandths of a core.'),
  util_cpu_avail: gauge('CPU not reserved, in thousandths of a core.'),
  util_mem_used: gauge('Memory reserved for containers.', 'By'),
  util_mem_avail: gauge('Memory not reserved.', 'By'),
  container_wait_total: gauge('Containers waiting for resources.'),
  container_start_total: gauge('Containers starting.'),
  container_idle_total: gauge('Containers idle.'),
  container_paused_total: gauge('Containers paused.'),
  container_busy_total: gauge('Containers serving a call.'),
  container_wait_duration_seconds: latency('Milliseconds (despite the name) spent waiting for resources.'),
  container_start_duration_seconds: latency('Milliseconds (despite the name) spent starting.'),
  container_idle_duration_seconds: latency('Milliseconds (despite the name) spent idle.'),
  container_paused_duration_seconds: latency('Milliseconds (despite the name) spent paused.'),
  container_busy_duration_seconds: latency('Milliseconds (despite the name) spent serving.'),
  container_evictions: counter('Idle containers evicted to make room, by their state at that time.'),
  container_uds_init_latency: latency('Time from the start of a container until its socket is open.'),
  iofs_directories_left: gauge('Socket directories of removed containers that are still to be deleted.'),
  log_lines: counter('Lines printed by functions, up to the limit per call.'),
  log_truncated_bytes: counter('Function output dropped because it exceeded the limit per call.', 'By'),
  log_dropped_lines: counter('Lines dropped because at least one log collector was too slow; each is counted once.'),
  status_call: counter('Status checks with a status image, by whether they were cached, successful and had a network.'),
  docker_api_latency: latency('Duration of Docker API calls.'),
  docker_api_retries: counter('Retried Docker API calls, by the reason of the failure.'),
  docker_exits: counter('Containers that exited, by exit status.'),
  docker_events: counter('Events reported by the Docker engine, including those of its other users.'),
  docker_instance_id: gauge('A number derived from the runner’s name; its containers have it as a label.'),
  docker_stats_net_rx: traffic('Bytes received by a container.'),
  docker_stats_net_tx: traffic('Bytes sent by a container.'),
  docker_stats_disk_read: traffic('Bytes read from disk by a container.'),
  docker_stats_disk_write: traffic('Bytes written to disk by a container.'),
  docker_stats_mem_limit: memory('Memory limit of a container.'),
  docker_stats_mem_usage: memory('Memory used by a container.'),
  docker_stats_cpu_user: cpu('CPU used by a container in user mode.'),
  docker_stats_cpu_total: cpu('CPU used by a container.'),
  docker_stats_cpu_kernel: cpu('CPU used by a container in kernel mode.'),
  containers_reaped: counter('Orphaned containers removed, by reason.'),
  runner_degraded: gauge('1 while no new containers can be created.'),
  image_cleaner_busy_img_count: gauge('Images in use. Exported when the image cleaner is on.'),
  image_cleaner_busy_img_size: gauge('Disk space of images in use.', 'By'),
  image_cleaner_idle_img_count: gauge('Images not in use.'),
  image_cleaner_idle_img_size: gauge('Disk space of images not in use.', 'By'),
  image_cleaner_max_img_size: gauge('Disk space allowed for images (FN_IMAGE_CLEAN_MAX_SIZE).', 'By'),

  process_start_time_seconds: gauge('Start time of the process, in seconds since 1970.', '', 'min'),
  process_resident_memory_bytes: gauge('Memory of the process, without functions.', 'By'),
  process_cpu_seconds: counter('CPU time used by the process, without functions, in seconds.'),
  process_busy_seconds: counter(
    'Time the event loop of the process was busy, in seconds; a rate of 1 means fully busy.',
  ),
  build_info: gauge('Always 1, with the version and the role of the process as labels.', '', 'max'),
  tls_certificate_expiry_seconds: gauge(
    'When the certificate of the process or its CA expires, in seconds since 1970.',
    '',
    'min',
  ),

  'api/request_count': counter('HTTP requests.'),
  'api/response_count': counter('HTTP responses, by status and blame.'),
  'api/latency': latency('Duration of HTTP requests.'),
} as const satisfies Record<string, MetricDeclaration>;

export type MetricName = keyof typeof METRICS;

export type MetricDeclaration =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly doc: string;
      readonly unit: string;
      /** How to combine the values of several processes of one node. */
      readonly across?: 'sum' | 'max' | 'min';
    }
  | { readonly kind: 'histogram'; readonly doc: string; readonly unit: string; readonly bounds: readonly number[] };

export type NamesOf<K extends MetricDeclaration['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];

/** Prefix of every exported metric name. */
export const METRIC_PREFIX = 'fn_';

function counter(doc: string, unit = '') {
  return { kind: 'counter', doc, unit } as const;
}

function gauge(doc: string, unit = '', across: 'sum' | 'max' | 'min' = 'sum') {
  return { kind: 'gauge', doc, unit, across } as const;
}

function latency(doc: string) {
  return histogram(doc, 'ms', [1, 10, 50, 100, 250, 500, 1000, 10_000, 60_000, 120_000]);
}

function traffic(doc: string) {
  return histogram(doc, 'By', multiples(131_072, [0, 1, 4, 8, 16, 32, 64, 128, 256, 512, 1024]));
}

function memory(doc: string) {
  return histogram(doc, 'By', multiples(1_048_576, [0, 128, 256, 512, 1024, 2048, 4096, 8192]));
}

/** In percent of one core. */
function cpu(doc: string) {
  return histogram(doc, '%', [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

function multiples(unit: number, factors: readonly number[]): number[] {
  return factors.map((factor) => factor * unit);
}

function histogram(doc: string, unit: string, bounds: readonly number[]) {
  return { kind: 'histogram', doc, unit, bounds } as const;
}
