import { perSecond, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const STATES = ['busy', 'idle', 'paused', 'start', 'wait'];
/** @param {string} state one of STATES */
const containers = (state) => `sum(fn_container_${state}_total{${AT}})`;

/**
 * What the machines do that functions run on.
 * @type {import('../lib/grafana.mjs').Dashboard}
 */
export const runners = {
  uid: 'fnfleet-runners',
  title: 'fnfleet: runners',
  description: 'Reserved memory and CPU, containers, launches, evictions, the Docker engine and its images.',
  variables: [
    { name: 'job', label: 'Job', query: 'label_values(fn_util_mem_avail, job)' },
    { name: 'instance', label: 'Runner', query: 'label_values(fn_util_mem_avail{job=~"$job"}, instance)' },
  ],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'stat',
          title: 'Memory reserved',
          description:
            'Share of the function memory that containers hold. This includes idle ones, which are evicted when their room is needed.',
          unit: 'percentunit',
          exprs: {
            promised: `sum(fn_util_mem_used{${AT}}) / (sum(fn_util_mem_used{${AT}}) + sum(fn_util_mem_avail{${AT}}))`,
          },
        },
        {
          kind: 'stat',
          title: 'Busy containers',
          description: 'Containers that are serving a call.',
          unit: 'short',
          exprs: { busy: containers('busy') },
        },
        {
          kind: 'stat',
          title: 'Degraded runners',
          description: 'Runners that cannot create containers, because their engine hangs or is down.',
          unit: 'short',
          alarm: 1,
          exprs: { degraded: `sum(fn_runner_degraded{${AT}})` },
        },
        {
          kind: 'stat',
          title: 'Starts per call',
          description: 'Containers started per call: the share of cold starts.',
          unit: 'percentunit',
          exprs: {
            starts: `${perSecond('fn_container_uds_init_latency_count', `${AT}, container_uds_state="initialized"`)} / ${perSecond('fn_calls_total', AT)}`,
          },
        },
      ],
    },
    {
      title: 'Room',
      panels: [
        {
          title: 'Memory',
          description: 'Reserved by containers, and free.',
          unit: 'bytes',
          stacked: true,
          exprs: { promised: `sum(fn_util_mem_used{${AT}})`, free: `sum(fn_util_mem_avail{${AT}})` },
        },
        {
          title: 'Memory reserved, by runner',
          description: "Share of each runner's memory for functions.",
          unit: 'percentunit',
          max: 1,
          exprs: {
            '{{instance}}': `fn_util_mem_used{${AT}} / (fn_util_mem_used{${AT}} + fn_util_mem_avail{${AT}})`,
          },
        },
        {
          title: 'CPU',
          description: 'Cores reserved by containers that request CPU, and free cores. Most functions request none.',
          unit: 'short',
          stacked: true,
          exprs: { promised: `sum(fn_util_cpu_used{${AT}}) / 1000`, free: `sum(fn_util_cpu_avail{${AT}}) / 1000` },
        },
      ],
    },
    {
      title: 'Calls and containers',
      panels: [
        {
          title: 'Containers by state',
          description:
            'busy: serves a call; idle: waits for one; paused: frozen; start: is being launched; wait: waits for memory or CPU.',
          unit: 'short',
          stacked: true,
          exprs: Object.fromEntries(STATES.map((state) => [state, containers(state)])),
        },
        {
          title: 'Calls in progress',
          description: 'Calls that are running, and calls that wait for a container on their runner.',
          unit: 'short',
          stacked: true,
          exprs: { running: `sum(fn_running{${AT}})`, waiting: `sum(fn_queued{${AT}})` },
        },
        {
          title: 'Calls by runner',
          description:
            'Calls per second that each runner accepts for processing, including those that it then refuses for lack of room.',
          unit: 'reqps',
          exprs: { '{{instance}}': perSecond('fn_calls_total', AT, 'instance') },
        },
        {
          title: 'How calls end',
          description: 'As the runners see it. Refused calls found no room and were offered to another runner.',
          unit: 'reqps',
          stacked: true,
          exprs: Object.fromEntries(
            [
              ['completed', 'completed'],
              ['failed', 'errors'],
              ['timed out', 'timeouts'],
              ['refused', 'server_busy'],
              ['cancelled', 'canceled'],
            ].map(([legend, name]) => [legend, perSecond(`fn_${name}_total`, AT)]),
          ),
        },
        {
          title: 'Launches',
          description:
            'Containers started per second, by result: they listen, took too long, or ended or were given up.',
          unit: 'ops',
          exprs: {
            '{{container_uds_state}}': perSecond('fn_container_uds_init_latency_count', AT, 'container_uds_state'),
          },
        },
        {
          title: 'Time to start a container',
          description: 'From launch to open socket, including the image pull.',
          unit: 'ms',
          exprs: quantiles('fn_container_start_duration_seconds', AT),
        },
        {
          title: 'Evictions',
          description: 'Idle containers closed per second to make room for others, by their state.',
          unit: 'ops',
          exprs: { '{{container_state}}': perSecond('fn_container_evictions_total', AT, 'container_state') },
        },
        {
          title: 'Container exits',
          description: 'By exit status.',
          unit: 'ops',
          exprs: { '{{exit_status}}': perSecond('fn_docker_exits_total', AT, 'exit_status') },
        },
        {
          title: 'Leftovers removed',
          description: 'Removed containers that no runner tracks, or whose runner was killed.',
          unit: 'ops',
          exprs: { '{{reason}}': perSecond('fn_containers_reaped_total', AT, 'reason') },
        },
      ],
    },
    {
      title: 'Inside containers',
      panels: [
        {
          title: 'Memory in use',
          description: 'Of single containers, sampled. Compare with the memory that functions declare.',
          unit: 'bytes',
          exprs: quantiles('fn_docker_stats_mem_usage', AT),
        },
        {
          title: 'CPU in use',
          description: 'Of single containers, in percent of a core.',
          unit: 'percent',
          exprs: quantiles('fn_docker_stats_cpu_total', AT),
        },
        {
          title: 'Function output',
          description: 'Lines printed, and lines dropped because log collectors were too slow.',
          unit: 'ops',
          exprs: {
            printed: perSecond('fn_log_lines_total', AT),
            dropped: perSecond('fn_log_dropped_lines_total', AT),
          },
        },
      ],
    },
    {
      title: 'Docker engine',
      panels: [
        {
          title: 'Latency by call',
          description: 'p95, without calls whose duration the caller decides.',
          unit: 'ms',
          exprs: quantiles(
            'fn_docker_api_latency',
            `${AT}, api_name!~"docker_(pull_image|load_images|stats)"`,
            'api_name',
          ),
        },
        {
          title: 'Failed requests',
          description: 'By call and status. A 404 may be an image that is not present yet.',
          unit: 'ops',
          exprs: {
            '{{api_name}} {{api_status}}': perSecond(
              'fn_docker_api_latency_count',
              `${AT}, api_status!="ok"`,
              'api_name, api_status',
            ),
          },
        },
        {
          title: 'Pulls',
          description: 'Images pulled per second, and retried pulls by reason.',
          unit: 'ops',
          exprs: {
            pulls: perSecond('fn_docker_api_latency_count', `${AT}, api_name="docker_pull_image"`),
            'again: {{api_status}}': perSecond('fn_docker_api_retries_total', AT, 'api_status'),
          },
        },
        {
          title: 'Images',
          description:
            'Used and unused images, and their limit (FN_IMAGE_CLEAN_MAX_SIZE). Empty if the cleaner is off.',
          unit: 'bytes',
          exprs: {
            'in use': `sum(fn_image_cleaner_busy_img_size{${AT}})`,
            'not in use': `sum(fn_image_cleaner_idle_img_size{${AT}})`,
            room: `sum(fn_image_cleaner_max_img_size{${AT}})`,
          },
        },
        {
          title: 'Time to pull an image',
          description: 'Images that were not present yet.',
          unit: 'ms',
          exprs: quantiles('fn_docker_api_latency', `${AT}, api_name="docker_pull_image"`),
        },
        {
          title: 'Engine events',
          description: 'Events of all users of the engine, by type.',
          unit: 'ops',
          exprs: { '{{event_type}}': perSecond('fn_docker_events_total', AT, 'event_type') },
        },
      ],
    },
  ],
};
