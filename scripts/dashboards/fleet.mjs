import { perSecond, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const ANYWHERE = 'job=~"fnfleet-.+"';
const CALLS = `${AT}, path=~"/invoke/:fn_id|/t/:app_name"`;
const answers = (more, by) => perSecond('fn_api_response_count_total', `${CALLS}, ${more}`, by);
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
          description: 'Calls a second that balancers take.',
          unit: 'reqps',
          exprs: { calls: perSecond('fn_calls_total', AT) },
        },
        {
          kind: 'stat',
          title: 'Failed by the platform',
          description: 'Share of the calls that end in a 5xx which is not the fault of their function, without 503.',
          unit: 'percentunit',
          alarm: 0.01,
          exprs: { share: share('blame="service", status=~"5..", status!="503"') },
        },
        {
          kind: 'stat',
          title: 'Turned away',
          description: 'Share of the calls that are answered with 503 or 429: no room, no runners, or no API node.',
          unit: 'percentunit',
          alarm: 0.01,
          exprs: { share: share('status=~"429|503"') },
        },
        {
          kind: 'stat',
          title: 'Beside the function, p99',
          description: 'Time that one call in a hundred exceeds, beside the time that its function runs.',
          unit: 'ms',
          alarm: 1000,
          exprs: { p99: quantiles('fn_lb_call_latency', `${AT}, call_status="completed"`).p99 },
        },
        {
          kind: 'stat',
          title: 'Runners out',
          description: 'Runners that take no calls or make no containers, as the balancer sees it that sees the most.',
          unit: 'short',
          alarm: 1,
          exprs: { out: `max(sum by (instance) (fn_lb_runners_by_state{${AT}, state!="ok"}))` },
        },
        {
          kind: 'stat',
          title: 'Waiting',
          description: 'Calls that wait for a runner, at all balancers.',
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
          description: 'Calls a second. Very different lines: traffic is not spread evenly.',
          unit: 'reqps',
          exprs: { '{{instance}}': perSecond('fn_calls_total', AT, 'instance') },
        },
        {
          title: 'How calls end',
          description:
            'By the balancers: well, failed (whoever is to blame), past the deadline, turned away, or given up by the caller.',
          unit: 'reqps',
          stacked: true,
          exprs: Object.fromEntries(
            [
              ['well', 'completed'],
              ['failed', 'errors'],
              ['past the deadline', 'timeouts'],
              ['turned away', 'server_busy'],
              ['given up', 'canceled'],
            ].map(([legend, name]) => [legend, perSecond(`fn_${name}_total`, AT)]),
          ),
        },
        {
          title: 'Answers that are no success',
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
          title: 'Balancer: beside the function',
          description:
            'Of calls that ended well, without the time that the function ran: placing, waiting, starting, the network.',
          unit: 'ms',
          exprs: quantiles('fn_lb_call_latency', `${AT}, call_status="completed"`),
        },
        {
          title: 'Runner: wait for a container',
          description:
            'From the admission of a call to a container that is free for it, which may have to be started first.',
          unit: 'ms',
          exprs: quantiles('fn_lb_runner_sched_latency', AT),
        },
        {
          title: 'Function: running',
          description: 'Time that functions ran, as runners tell it.',
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
          description: 'Averaged over the balancers. degraded: takes calls but makes no containers.',
          unit: 'short',
          stacked: true,
          exprs: { '{{state}}': `avg by (state) (sum by (instance, state) (fn_lb_runners_by_state{${AT}}))` },
        },
        {
          title: 'Time to place',
          description: 'From the arrival of a call to the runner that takes it, waits for one included.',
          unit: 'ms',
          exprs: quantiles('fn_lb_placer_latency', AT),
        },
        {
          title: 'Refusals for each placed call',
          description: 'Offers in vain: `busy` by a full runner, `error` that did not reach one.',
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
          description: 'Calls that no runner takes now, by balancer.',
          unit: 'short',
          stacked: true,
          exprs: { '{{instance}}': `sum by (instance) (fn_lb_queue_waiting{${AT}})` },
        },
        {
          title: 'Wait for a runner',
          description: 'Only of calls that had to wait, those that gave up included.',
          unit: 'ms',
          exprs: quantiles('fn_lb_queue_wait_latency', AT),
        },
        {
          title: 'Turned away without a wait',
          description:
            'deadline: its turn would come too late. full: the queue is. share: its application has too many waiting.',
          unit: 'reqps',
          exprs: { '{{reason}}': perSecond('fn_lb_queue_shed_count_total', AT, 'reason') },
        },
        {
          title: 'Request bodies kept',
          description: 'For another attempt, should the first runner refuse.',
          unit: 'bytes',
          stacked: true,
          exprs: { memory: `sum(fn_lb_replay_memory_bytes{${AT}})`, disk: `sum(fn_lb_replay_disk_bytes{${AT}})` },
        },
        {
          title: 'Runners that come and go',
          description:
            'Runners a second that joined or left the pool, were ejected; failures of the source of the pool.',
          unit: 'ops',
          exprs: {
            '{{change}}': perSecond('fn_lb_pool_changes_total', AT, 'change'),
            ejected: perSecond('fn_lb_runner_ejected_count_total', AT),
            'source failed': perSecond('fn_lb_pool_source_failures_total', AT),
          },
        },
        {
          title: 'Bodies that could not be kept',
          description: 'Their calls can be offered to one runner only.',
          unit: 'ops',
          exprs: { '{{reason}}': perSecond('fn_lb_replay_lost_count_total', AT, 'reason') },
        },
      ],
    },
    {
      title: 'Processes',
      panels: [
        {
          title: 'Event loop in use',
          description: 'Share of its time that each process is busy; near 1 it is at its limit.',
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
          description: 'Nodes by role and version. Several versions of a role: an upgrade is under way.',
          unit: 'short',
          stacked: true,
          exprs: { '{{role}} {{version}}': `count by (role, version) (fn_build_info{${ANYWHERE}})` },
        },
        {
          title: 'Age of the processes',
          description: 'Time since each began. A line that falls to 0 is a restart.',
          unit: 's',
          exprs: {
            '{{job}} {{instance}}': `time() - max by (job, instance) (fn_process_start_time_seconds{${ANYWHERE}})`,
          },
        },
        {
          title: 'Certificates',
          description: 'Time until the certificate of a node, or the CA, expires. Empty without TLS.',
          unit: 's',
          exprs: {
            '{{job}} {{instance}}': `min by (job, instance) (fn_tls_certificate_expiry_seconds{${ANYWHERE}} > 0) - time()`,
          },
        },
      ],
    },
  ],
};
