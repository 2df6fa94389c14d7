import { perSecond, quantile, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const ANYWHERE = 'job=~"fnfleet-.+"';
const CALLS = `${AT}, path=~"/invoke/:fn_id|/t/:app_name"`;
/** Responses to calls, per second. @param {string} more a selector @param {string} [by] labels */
const answers = (more, by) => perSecond('fn_api_response_count_total', `${CALLS}, ${more}`, by);
/** Their share of all calls. @param {string} more a selector */
const share = (more) => `(${answers(more)} or vector(0)) / ${perSecond('fn_api_response_count_total', CALLS)}`;

/**
 * What calls and balancers do.
 * @type {import('../lib/grafana.mjs').Dashboard}
 */
export const fleet = {
  uid: 'fnfleet-fleet',
  title: 'fnfleet: fleet',
  description:
    'Calls, how they end and how long they take; runners as the balancers see them; every process of the fleet.',
  variables: [
    { name: 'job', label: 'Job', query: 'label_values(fn_lb_pool_runners, job)' },
    { name: 'instance', label: 'Balancer', query: 'label_values(fn_lb_pool_runners{job=~"$job"}, instance)' },
  ],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'stat',
          title: 'Calls',
          description: 'Calls per second at all balancers.',
          unit: 'reqps',
          exprs: { calls: perSecond('fn_calls_total', AT) },
        },
        {
          kind: 'stat',
          title: 'Failed by the platform',
          description: "Share of calls that end in a 5xx other than 503 that is not the function's fault.",
          unit: 'percentunit',
          alarm: 0.01,
          exprs: { share: share('blame="service", status=~"5..", status!="503"') },
        },
        {
          kind: 'stat',
          title: 'Rejected',
          description: 'Share of calls answered 503 or 429: no room, no runners, or no API node.',
          unit: 'percentunit',
          alarm: 0.01,
          exprs: { share: share('status=~"429|503"') },
        },
        {
          kind: 'stat',
          title: 'Overhead, p99',
          description: 'One call in a hundred takes at least this much longer than its function runs.',
          unit: 'ms',
          alarm: 1000,
          exprs: { p99: quantile(0.99, 'fn_lb_call_latency', `${AT}, call_status="completed"`) },
        },
        {
          kind: 'stat',
          title: 'Runners out',
          description:
            'Runners that take no calls or create no containers, by the balancer that sees the most of them.',
          unit: 'short',
          alarm: 1,
          exprs: { out: `max(sum by (instance) (fn_lb_runners_by_state{${AT}, state!="ok"}))` },
        },
        {
          kind: 'stat',
          title: 'Waiting',
          description: 'Calls waiting for a runner, at all balancers.',
          unit: 'short',
          alarm: 100,
          exprs: { waiting: `sum(fn_lb_queue_waiting{${AT}})` },
        },
      ],
    },
    {
      title: 'Calls',
      panels: [
        {
          title: 'Calls by balancer',
          description: 'Calls per second. If the lines differ much, traffic is not spread evenly.',
          unit: 'reqps',
          exprs: { '{{instance}}': perSecond('fn_calls_total', AT, 'instance') },
        },
        {
          title: 'How calls end',
          description:
            "As the balancers see it: completed, failed (by anyone's fault), timed out, rejected, or cancelled by the caller.",
          unit: 'reqps',
          stacked: true,
          exprs: Object.fromEntries(
            [
              ['completed', 'completed'],
              ['failed', 'errors'],
              ['timed out', 'timeouts'],
              ['rejected', 'server_busy'],
              ['cancelled', 'canceled'],
            ].map(([legend, name]) => [legend, perSecond(`fn_${name}_total`, AT)]),
          ),
        },
        {
          title: 'Error responses',
          description: 'By status and blame: `user` is the function, `service` everything else.',
          unit: 'reqps',
          exprs: { '{{status}} {{blame}}': answers('status!~"[123].."', 'status, blame') },
        },
      ],
    },
    {
      title: 'Latency',
      panels: [
        {
          title: 'Balancer: overhead',
          description:
            "Latency of completed calls minus the function's run time: placement, waiting, container starts, the network.",
          unit: 'ms',
          exprs: quantiles('fn_lb_call_latency', `${AT}, call_status="completed"`),
        },
        {
          title: 'Runner: wait for a container',
          description: 'From admission to a free container, which may have to be started first.',
          unit: 'ms',
          exprs: quantiles('fn_lb_runner_sched_latency', AT),
        },
        {
          title: 'Function: execution',
          description: 'Run time of functions, as reported by runners.',
          unit: 'ms',
          exprs: quantiles('fn_lb_runner_exec_latency', AT),
        },
      ],
    },
    {
      title: 'Placement',
      panels: [
        {
          title: 'Runners by state',
          description: 'Average over the balancers. degraded: takes calls but creates no containers.',
          unit: 'short',
          stacked: true,
          exprs: { '{{state}}': `avg by (state) (sum by (instance, state) (fn_lb_runners_by_state{${AT}}))` },
        },
        {
          title: 'Time to place',
          description: 'From the arrival of a call until a runner takes it, including waits.',
          unit: 'ms',
          exprs: quantiles('fn_lb_placer_latency', AT),
        },
        {
          title: 'Refusals for each placed call',
          description: 'Failed attempts: `busy` means a full runner, `error` an unreachable one.',
          unit: 'none',
          exprs: Object.fromEntries(
            ['busy', 'error'].map((why) => [
              why,
              `${perSecond(`fn_lb_placer_retry_${why}_count_total`, AT)} / ${perSecond('fn_lb_placer_placed_ok_count_total', AT)}`,
            ]),
          ),
        },
        {
          title: 'Waiting calls',
          description: 'Calls that no runner can take yet, by balancer.',
          unit: 'short',
          stacked: true,
          exprs: { '{{instance}}': `sum by (instance) (fn_lb_queue_waiting{${AT}})` },
        },
        {
          title: 'Wait for a runner',
          description: 'Only calls that had to wait, including those that gave up.',
          unit: 'ms',
          exprs: quantiles('fn_lb_queue_wait_latency', AT),
        },
        {
          title: 'Rejected without waiting',
          description:
            'deadline: its turn would come too late. full: the queue is full. share: its app has too many calls waiting.',
          unit: 'reqps',
          exprs: { '{{reason}}': perSecond('fn_lb_queue_shed_count_total', AT, 'reason') },
        },
        {
          title: 'Request bodies kept',
          description: 'Kept for another attempt, in case the first runner refuses.',
          unit: 'bytes',
          stacked: true,
          exprs: { memory: `sum(fn_lb_replay_memory_bytes{${AT}})`, disk: `sum(fn_lb_replay_disk_bytes{${AT}})` },
        },
        {
          title: 'Pool changes',
          description: 'Runners per second that joined, left or were ejected, and failures of the pool source.',
          unit: 'ops',
          exprs: {
            '{{change}}': perSecond('fn_lb_pool_changes_total', AT, 'change'),
            ejected: perSecond('fn_lb_runner_ejected_count_total', AT),
            'source failed': perSecond('fn_lb_pool_source_failures_total', AT),
          },
        },
        {
          title: 'Bodies that could not be kept',
          description: 'Their calls can be offered to only one runner.',
          unit: 'ops',
          exprs: { '{{reason}}': perSecond('fn_lb_replay_lost_count_total', AT, 'reason') },
        },
      ],
    },
    {
      title: 'Asynchronous calls',
      panels: [
        {
          title: 'Calls in the queue',
          description:
            'ready: could run now. delayed: wait for their time. dead: dead letters, which wait for an operator. API nodes that share a queue all show it.',
          unit: 'short',
          exprs: { '{{state}}': `max by (state) (fn_mq_calls{${ANYWHERE}})` },
        },
        {
          title: 'Age of the oldest call',
          description: 'Time since the oldest call that could run was accepted.',
          unit: 's',
          exprs: { '{{instance}}': `max by (instance) (fn_mq_oldest_age_seconds{${ANYWHERE}})` },
        },
        {
          title: 'How asynchronous calls come and go',
          description: 'Per second. retried: an attempt failed, and another one follows.',
          unit: 'ops',
          exprs: Object.fromEntries(
            ['accepted', 'completed', 'retried', 'dead', 'cancelled'].map((name) => [
              name,
              perSecond(`fn_mq_${name}_total`, ANYWHERE),
            ]),
          ),
        },
        {
          title: 'Asynchronous calls refused',
          description: 'By the status of the response: 503 if the queue is full or no API node confirms.',
          unit: 'ops',
          exprs: { '{{status}}': perSecond('fn_lb_async_refused_total', AT, 'status') },
        },
      ],
    },
    {
      title: 'Processes',
      panels: [
        {
          title: 'Event loop utilization',
          description: 'Share of time that each process is busy. Near 1, it is at its limit.',
          unit: 'percentunit',
          max: 1,
          exprs: { '{{job}} {{instance}}': perSecond('fn_process_busy_seconds_total', ANYWHERE, 'job, instance') },
        },
        {
          title: 'Memory of the processes',
          description: 'Resident memory of the nodes themselves, without functions.',
          unit: 'bytes',
          exprs: { '{{job}} {{instance}}': `sum by (job, instance) (fn_process_resident_memory_bytes{${ANYWHERE}})` },
        },
        {
          title: 'CPU of the processes',
          description: 'Cores in use by the nodes themselves, without functions.',
          unit: 'short',
          exprs: { '{{job}} {{instance}}': perSecond('fn_process_cpu_seconds_total', ANYWHERE, 'job, instance') },
        },
        {
          title: 'Versions',
          description: 'Nodes by role and version. Several versions of a role mean an upgrade in progress.',
          unit: 'short',
          stacked: true,
          exprs: { '{{role}} {{version}}': `count by (role, version) (fn_build_info{${ANYWHERE}})` },
        },
        {
          title: 'Age of the processes',
          description: 'Time since the start of each process. A drop to 0 is a restart.',
          unit: 's',
          exprs: {
            '{{job}} {{instance}}': `time() - max by (job, instance) (fn_process_start_time_seconds{${ANYWHERE}})`,
          },
        },
        {
          title: 'Certificates',
          description: "Time until a node's certificate, or the CA, expires. Empty without TLS.",
          unit: 's',
          exprs: {
            '{{job}} {{instance}}': `min by (job, instance) (fn_tls_certificate_expiry_seconds{${ANYWHERE}} > 0) - time()`,
          },
        },
      ],
    },
  ],
};
