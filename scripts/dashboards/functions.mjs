import { perSecond, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const OF_API = 'job="fnfleet-api"';
/** Lines in a panel at most: a fleet may have thousands of functions. */
const MOST = 10;
const FUNCTION = 'fn_id, image_name';
const LEGEND = '{{image_name}} {{fn_id}}';
/** @param {string} expr PromQL with the labels of FUNCTION */
const top = (expr) => ({ [LEGEND]: `topk(${MOST}, ${expr})` });

/**
 * What is called, and the API node.
 * @type {import('../lib/grafana.mjs').Dashboard}
 */
export const functions = {
  uid: 'fnfleet-functions',
  title: 'fnfleet: functions and API',
  description: 'HTTP by route, the busiest functions, and the API node.',
  variables: [
    { name: 'job', label: 'Job', query: 'label_values(fn_api_request_count_total, job)' },
    { name: 'instance', label: 'Node', query: 'label_values(fn_api_request_count_total{job=~"$job"}, instance)' },
  ],
  rows: [
    {
      title: 'HTTP by route',
      panels: [
        {
          title: 'Requests',
          description: 'Requests per second by route and method, of the selected nodes.',
          unit: 'reqps',
          exprs: { '{{method}} {{path}}': perSecond('fn_api_request_count_total', AT, 'method, path') },
        },
        {
          title: 'Latency by route',
          description:
            "p95, from the head of the request to the end of the response. Calls include the function's time.",
          unit: 'ms',
          exprs: quantiles('fn_api_latency', AT, 'path'),
        },
        {
          title: 'Errors by route',
          description: 'Responses with status 400 or above, by status. 444 means that the caller disconnected.',
          unit: 'reqps',
          exprs: {
            '{{path}} {{status}}': perSecond('fn_api_response_count_total', `${AT}, status=~"[45].."`, 'path, status'),
          },
        },
        {
          title: 'Calls: total latency',
          description: 'As callers see it, for responses from functions.',
          unit: 'ms',
          exprs: quantiles('fn_api_latency', `${AT}, blame="user", path=~"/invoke/:fn_id|/t/:app_name"`),
        },
        {
          title: 'Blame',
          description:
            'Calls answered with status 500 or above, by blame: the function (`user`) or the platform (`service`).',
          unit: 'reqps',
          stacked: true,
          exprs: {
            '{{blame}}': perSecond(
              'fn_api_response_count_total',
              `${AT}, path=~"/invoke/:fn_id|/t/:app_name", status=~"5.."`,
              'blame',
            ),
          },
        },
      ],
    },
    {
      title: `The ${MOST} busiest functions, on all runners`,
      panels: [
        {
          title: 'Calls',
          description: 'Executed calls per second. `fnfleet top` shows the current ones.',
          unit: 'reqps',
          exprs: top(`sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_count[$__rate_interval]))`),
        },
        {
          title: 'Execution time',
          description: 'Average time that a call occupies a container.',
          unit: 'ms',
          exprs: top(
            `sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_sum[$__rate_interval])) / (sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_count[$__rate_interval])) > 0)`,
          ),
        },
        {
          title: 'Busy containers',
          description: 'Calls being executed.',
          unit: 'short',
          exprs: top(`sum by (${FUNCTION}) (fn_container_busy_total)`),
        },
        {
          title: 'Idle containers',
          description: 'Hot containers without a call, frozen or not.',
          unit: 'short',
          exprs: top(
            `sum by (${FUNCTION}) (fn_container_idle_total) + sum by (${FUNCTION}) (fn_container_paused_total)`,
          ),
        },
        {
          title: 'Starts',
          description: 'Containers started per second: cold starts.',
          unit: 'ops',
          exprs: top(`sum by (${FUNCTION}) (rate(fn_container_start_duration_seconds_count[$__rate_interval]))`),
        },
        {
          title: 'Waiting for room',
          description: 'Containers waiting for memory or CPU, on runners that let calls wait.',
          unit: 'short',
          exprs: top(`sum by (${FUNCTION}) (fn_container_wait_total)`),
        },
      ],
    },
    {
      title: 'API node',
      panels: [
        {
          title: 'Requests',
          description:
            'Requests per second by route and method. Balancers look functions up under /v2/runner and with GET of one function.',
          unit: 'reqps',
          exprs: { '{{method}} {{path}}': perSecond('fn_api_request_count_total', OF_API, 'method, path') },
        },
        {
          title: 'Responses',
          description: 'By status.',
          unit: 'reqps',
          stacked: true,
          exprs: { '{{status}}': perSecond('fn_api_response_count_total', OF_API, 'status') },
        },
        {
          title: 'Latency',
          description: 'p95 by route.',
          unit: 'ms',
          exprs: quantiles('fn_api_latency', OF_API, 'path'),
        },
      ],
    },
  ],
};
