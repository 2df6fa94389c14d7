/**
 * Every metric's name, once. Names, units and bounds are the original's, so that dashboards built for it keep working;
 * instruments have the prefix `fn_`. Labels come from what was looked up, never from what a client sent.
 */
export const METRICS = {
  calls: counter('Calls submitted.'),
  queued: gauge('Calls that wait to start.'),
  running: gauge('Calls that run.'),
  completed: counter('Calls that ended well.'),
  canceled: counter('Calls whose caller went away.'),
  timeouts: counter('Calls that passed their deadline.'),
  errors: counter('Calls that failed.'),
  server_busy: counter('Calls turned away for want of room.'),

  lb_call_latency: latency('Time a call spent at the balancer, without the time the function ran.'),
  lb_runner_sched_latency: latency('Time a call waited on the runner.'),
  lb_runner_exec_latency: latency('Time the function ran.'),
  lb_placer_attempt_count: histogram('Attempts a call took.', '', [0, 2, 3, 4, 8, 16, 32, 64, 128, 256]),
  lb_placer_latency: latency('Time it took to place a call.'),
  lb_placer_refusal_latency: latency('Time from an offer to its refusal.'),
  lb_placer_rp_error_count: counter('Placements that ended in an error of the runner pool.'),
  lb_placer_rp_empty_count: counter('Passes over an empty runner pool.'),
  lb_placer_client_cancelled_count: counter('Placements whose caller went away.'),
  lb_placer_client_timeout_count: counter('Placements whose caller’s deadline passed.'),
  lb_placer_timeout_count: counter('Placements that ran out of time.'),
  lb_placer_placed_error_count: counter('Calls placed that failed.'),
  lb_placer_placed_abort_count: counter('Calls placed whose caller went away.'),
  lb_placer_placed_ok_count: counter('Calls placed that ended well.'),
  lb_placer_retry_busy_count: counter('Attempts refused by a full runner.'),
  lb_placer_retry_error_count: counter('Attempts that did not reach a runner.'),
  lb_pool_runners: gauge('Runners in the pool.', '', 'max'),
  lb_runners_by_state: gauge(
    'Runners by state, as this balancer sees them: ok, degraded, draining, cordoned, ejected, silent, unreachable, gone.',
    '',
    'max',
  ),
  lb_pool_changes: counter('Runners that joined or left the pool, by which of both.'),
  lb_pool_source_failures: counter('Times that the source of the runner pool could not be read.'),
  lb_pool_stale: gauge(
    '1 while the source of the runner pool cannot be read and the last known runners serve on.',
    '',
    'max',
  ),

  lb_runner_ejected_count: counter('Runners taken out for a while because calls failed there.'),
  lb_queue_waiting: gauge('Calls that wait for a runner.'),
  lb_queue_wait_latency: latency('Time calls waited for a runner, those that gave up included.'),
  lb_queue_shed_count: counter('Calls turned away without waiting: deadline, full or share.'),
  lb_lookup_stale_count: counter('Lookups answered with what was known before, because the API node did not answer.'),
  lb_replay_memory_bytes: gauge('Memory that holds request bodies for another attempt.', 'By'),
  lb_replay_disk_bytes: gauge('Request bodies kept on disk for another attempt.', 'By'),
  lb_replay_lost_count: counter('Calls whose body could not be kept, so that one runner only can be asked, by reason.'),

  util_cpu_used: gauge('CPU promised to containers, thousandths of a core.'),
  util_cpu_avail: gauge('CPU not promised, thousandths of a core.'),
  util_mem_used: gauge('Memory promised to containers.', 'By'),
  util_mem_avail: gauge('Memory not promised.', 'By'),
  container_wait_total: gauge('Containers that wait for resources.'),
  container_start_total: gauge('Containers that start.'),
  container_idle_total: gauge('Containers that are idle.'),
  container_paused_total: gauge('Containers that are paused.'),
  container_busy_total: gauge('Containers that serve a call.'),
  container_wait_duration_seconds: latency('Milliseconds (despite the name) spent waiting for resources.'),
  container_start_duration_seconds: latency('Milliseconds (despite the name) spent starting.'),
  container_idle_duration_seconds: latency('Milliseconds (despite the name) spent idle.'),
  container_paused_duration_seconds: latency('Milliseconds (despite the name) spent paused.'),
  container_busy_duration_seconds: latency('Milliseconds (despite the name) spent serving.'),
  container_evictions: counter('Idle containers closed to make room, by the state they were in.'),
  container_uds_init_latency: latency('Time from start to the first socket.'),
  iofs_directories_left: gauge('Socket directories of containers that are gone, which are still to be removed.'),
  log_lines: counter('Lines that functions printed, up to the limit of each call.'),
  log_truncated_bytes: counter('Output of functions beyond the limit of its call, which is dropped.', 'By'),
  log_dropped_lines: counter('Lines that at least one log collector did not take in time, each counted once.'),
  status_call: counter('Status checks with a status image: whether cached, successful, and with a network.'),
  docker_api_latency: latency('Time a Docker call took.'),
  docker_api_retries: counter('Docker calls tried again, by the reason why the one before failed.'),
  docker_exits: counter('Containers that ended, by exit status.'),
  docker_events: counter('Events that the Docker engine reported, its own and of all its users.'),
  docker_instance_id: gauge('A number made of the runner’s name, which its containers have as a label.'),
  docker_stats_net_rx: traffic('Bytes that a container has received.'),
  docker_stats_net_tx: traffic('Bytes that a container has sent.'),
  docker_stats_disk_read: traffic('Bytes that a container has read from disks.'),
  docker_stats_disk_write: traffic('Bytes that a container has written to disks.'),
  docker_stats_mem_limit: memory('Memory that a container may use.'),
  docker_stats_mem_usage: memory('Memory that a container uses.'),
  docker_stats_cpu_user: cpu('CPU that a container uses outside of the kernel.'),
  docker_stats_cpu_total: cpu('CPU that a container uses.'),
  docker_stats_cpu_kernel: cpu('CPU that a container uses in the kernel.'),
  containers_reaped: counter('Containers removed that nobody answered for, by reason.'),
  runner_degraded: gauge('1 while no new containers can be made.'),
  image_cleaner_busy_img_count: gauge('Images in use, where the image cleaner is on.'),
  image_cleaner_busy_img_size: gauge('What images in use occupy.', 'By'),
  image_cleaner_idle_img_count: gauge('Images not in use.'),
  image_cleaner_idle_img_size: gauge('What images not in use occupy.', 'By'),
  image_cleaner_max_img_size: gauge('Room for images, FN_IMAGE_CLEAN_MAX_SIZE.', 'By'),

  process_start_time_seconds: gauge('When the process began: seconds since 1970.', '', 'min'),
  process_resident_memory_bytes: gauge('Memory of the process itself, without functions.', 'By'),
  process_cpu_seconds: counter('CPU time that the process has used, without functions, seconds.'),
  process_busy_seconds: counter(
    'Time that the event loop of the process was not idle, seconds: 1 in a second is all there is.',
  ),
  build_info: gauge('1, with the version and the role of the process as labels.', '', 'max'),
  tls_certificate_expiry_seconds: gauge(
    'When the certificate of the process, or its CA, expires: seconds since 1970.',
    '',
    'min',
  ),

  'api/request_count': counter('HTTP requests.'),
  'api/response_count': counter('HTTP answers, by status and blame.'),
  'api/latency': latency('Time an HTTP request took.'),
} as const satisfies Record<string, MetricDeclaration>;

export type MetricName = keyof typeof METRICS;

export type MetricDeclaration =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly doc: string;
      readonly unit: string;
      /** How the levels of several processes of one node become one. */
      readonly across?: 'sum' | 'max' | 'min';
    }
  | { readonly kind: 'histogram'; readonly doc: string; readonly unit: string; readonly bounds: readonly number[] };

export type NamesOf<K extends MetricDeclaration['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];

/** Prepended to the name of every metric that is exported. */
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
