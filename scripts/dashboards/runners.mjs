import { perSecond, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const STATES = ['busy', 'idle', 'paused', 'start', 'wait'];
const containers = (state) => `sum(fn_container_${state}_total{${AT}})`;

/**
 * What the machines do that functions run on.
 * @type {import('../lib/grafana.mjs').Dashboard}
 */
export const runners = {
  uid: 'fnfleet-runners',
  title: 'fnfleet: runners',
  description: 'Memory and CPU promised, containers, launches, evictions, the Docker engine and its images.',
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
          title: 'Memory promised',
          description:
            'Share of the memory for functions that containers hold, idle ones included, which make room when it is needed.',
          unit: 'percentunit',
          exprs: {
            promised: `sum(fn_util_mem_used{${AT}}) / (sum(fn_util_mem_used{${AT}}) + sum(fn_util_mem_avail{${AT}}))`,
          },
        },
        {
          kind: 'stat',
          title: 'Containers that work',
          description: 'Containers that serve a call at this moment.',
          unit: 'short',
          exprs: { busy: containers('busy') },
        },
        {
          kind: 'stat',
          title: 'Degraded runners',
          description: 'Runners whose engine hangs or is away: they make no containers.',
          unit: 'short',
          alarm: 1,
          exprs: { degraded: `sum(fn_runner_degraded{${AT}})` },
        },
        {
          kind: 'stat',
          title: 'Starts a call',
          description: 'Containers started for each call: the share of calls that start cold.',
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
          description: 'Promised to containers, and free.',
          unit: 'bytes',
          stacked: true,
          exprs: { promised: `sum(fn_util_mem_used{${AT}})`, free: `sum(fn_util_mem_avail{${AT}})` },
        },
        {
          title: 'Memory promised, by runner',
          description: 'Share of what each has for functions.',
          unit: 'percentunit',
          max: 1,
          exprs: {
            '{{instance}}': `fn_util_mem_used{${AT}} / (fn_util_mem_used{${AT}} + fn_util_mem_avail{${AT}})`,
          },
        },
        {
          title: 'CPU',
          description: 'Cores promised to containers that ask for some, and free. Most functions ask for none.',
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
            'busy serves a call; idle waits for one; paused is frozen; start is on its way; wait has no room yet.',
          unit: 'short',
          stacked: true,
          exprs: Object.fromEntries(STATES.map((state) => [state, containers(state)])),
        },
        {
          title: 'Calls in hand',
          description: 'That run, and that wait for a container on their runner.',
          unit: 'short',
          stacked: true,
          exprs: { running: `sum(fn_running{${AT}})`, waiting: `sum(fn_queued{${AT}})` },
        },
        {
          title: 'Calls by runner',
          description: 'Offers a second that each takes up, those it then refuses for want of room included.',
          unit: 'reqps',
          exprs: { '{{instance}}': perSecond('fn_calls_total', AT, 'instance') },
        },
        {
          title: 'How calls end',
          description: 'By the runners. Turned away: refused for want of room, and offered to another runner.',
          unit: 'reqps',
          stacked: true,
          exprs: Object.fromEntries(
            [
              ['well', 'completed'],
              ['failed', 'errors'],
              ['timed out', 'timeouts'],
              ['turned away', 'server_busy'],
              ['given up', 'canceled'],
            ].map(([legend, name]) => [legend, perSecond(`fn_${name}_total`, AT)]),
          ),
        },
        {
          title: 'Launches',
          description: 'Containers a second that were started: they listen, took too long, or ended and were given up.',
          unit: 'ops',
          exprs: {
            '{{container_uds_state}}': perSecond('fn_container_uds_init_latency_count', AT, 'container_uds_state'),
          },
        },
        {
          title: 'Time to start a container',
          description: 'From the launch to the open socket, the pull of the image included.',
          unit: 'ms',
          exprs: quantiles('fn_container_start_duration_seconds', AT),
        },
        {
          title: 'Evictions',
          description: 'Idle containers a second that were closed to make room for others, by the state they were in.',
          unit: 'ops',
          exprs: { '{{container_state}}': perSecond('fn_container_evictions_total', AT, 'container_state') },
        },
        {
          title: 'Ends of containers',
          description: 'By exit status.',
          unit: 'ops',
          exprs: { '{{exit_status}}': perSecond('fn_docker_exits_total', AT, 'exit_status') },
        },
        {
          title: 'Left behind',
          description: 'Containers that nobody answered for, removed: of a runner that was killed, or not tracked.',
          unit: 'ops',
          exprs: { '{{reason}}': perSecond('fn_containers_reaped_total', AT, 'reason') },
        },
      ],
    },
    {
      title: 'Inside of containers',
      panels: [
        {
          title: 'Memory in use',
          description: 'Of one container, sampled. Compare with what functions ask for.',
          unit: 'bytes',
          exprs: quantiles('fn_docker_stats_mem_usage', AT),
        },
        {
          title: 'CPU in use',
          description: 'Of one container, in percent of a core.',
          unit: 'percent',
          exprs: quantiles('fn_docker_stats_cpu_total', AT),
        },
        {
          title: 'Output of functions',
          description: 'Lines printed, and lines that log collectors did not take in time.',
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
          description: 'p95. Without those that last as long as their caller wants.',
          unit: 'ms',
          exprs: quantiles(
            'fn_docker_api_latency',
            `${AT}, api_name!~"docker_(pull_image|load_images|stats)"`,
            'api_name',
          ),
        },
        {
          title: 'Answers that are no success',
          description: 'By call and status. 404 may be an image that is not there yet.',
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
          description: 'Images a second that were pulled, and pulls that were tried again, by the reason why.',
          unit: 'ops',
          exprs: {
            pulls: perSecond('fn_docker_api_latency_count', `${AT}, api_name="docker_pull_image"`),
            'again: {{api_status}}': perSecond('fn_docker_api_retries_total', AT, 'api_status'),
          },
        },
        {
          title: 'Images',
          description:
            'In use and not, and the room for them (FN_IMAGE_CLEAN_MAX_SIZE). Empty where the cleaner is off.',
          unit: 'bytes',
          exprs: {
            'in use': `sum(fn_image_cleaner_busy_img_size{${AT}})`,
            'not in use': `sum(fn_image_cleaner_idle_img_size{${AT}})`,
            room: `sum(fn_image_cleaner_max_img_size{${AT}})`,
          },
        },
        {
          title: 'Time to pull an image',
          description: 'Those that were not there yet.',
          unit: 'ms',
          exprs: quantiles('fn_docker_api_latency', `${AT}, api_name="docker_pull_image"`),
        },
        {
          title: 'Events of the engine',
          description: 'Of all its users, by type.',
          unit: 'ops',
          exprs: { '{{event_type}}': perSecond('fn_docker_events_total', AT, 'event_type') },
        },
      ],
    },
  ],
};
