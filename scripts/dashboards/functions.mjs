import { perSecond, quantiles } from '../lib/grafana.mjs';

const AT = 'job=~"$job", instance=~"$instance"';
const OF_API = 'job="fnfleet-api"';
/** Lines in a panel at most: a fleet may have thousands of functions. */
const MOST = 10;
const FUNCTION = 'fn_id, image_name';
const LEGEND = '{{image_name}} {{fn_id}}';
const top = (expr) => ({ [LEGEND]: `topk(${MOST}, ${expr})` });

/**
 * What is called, and the API node.
 * @type {import('../lib/grafana.mjs').Dashboard}
 */
export const functions = {
  uid: 'fnfleet-functions',
  title: 'fnfleet: functions and API',
  description: 'HTTP by route, the functions that do the most, and the API node.',
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
          description: 'Requests a second by route and method, of the chosen nodes.',
          unit: 'reqps',
          exprs: { '{{method}} {{path}}': perSecond('fn_api_request_count_total', AT, 'method, path') },
        },
        {
          title: 'Latency by route',
          description:
            'p95, from the head of the request to the end of the answer. Calls of functions include the function.',
          unit: 'ms',
          exprs: quantiles('fn_api_latency', AT, 'path'),
        },
        {
          title: 'Errors by route',
          description: 'Answers of 400 and more, by status. 444 is a caller who left.',
          unit: 'reqps',
          exprs: {
            '{{path}} {{status}}': perSecond('fn_api_response_count_total', `${AT}, status=~"[45].."`, 'path, status'),
          },
        },
        {
          title: 'Calls of functions: whole latency',
          description: 'As callers see it, of answers by functions.',
          unit: 'ms',
          exprs: quantiles('fn_api_latency', `${AT}, blame="user", path=~"/invoke/:fn_id|/t/:app_name"`),
        },
        {
          title: 'Who is to blame',
          description:
            'Answers of 500 and more to calls of functions: by the function (`user`) or by the platform (`service`).',
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
      title: `The ${MOST} functions with the most, on all runners`,
      panels: [
        {
          title: 'Calls',
          description: 'Calls a second that were executed. `fnfleet top` shows them as they are now.',
          unit: 'reqps',
          exprs: top(`sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_count[$__rate_interval]))`),
        },
        {
          title: 'Running time',
          description: 'Average time that a call holds a container.',
          unit: 'ms',
          exprs: top(
            `sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_sum[$__rate_interval])) / (sum by (${FUNCTION}) (rate(fn_container_busy_duration_seconds_count[$__rate_interval])) > 0)`,
          ),
        },
        {
          title: 'Busy containers',
          description: 'Calls that are being executed.',
          unit: 'short',
          exprs: top(`sum by (${FUNCTION}) (fn_container_busy_total)`),
        },
        {
          title: 'Idle containers',
          description: 'Hot, frozen or not.',
          unit: 'short',
          exprs: top(
            `sum by (${FUNCTION}) (fn_container_idle_total) + sum by (${FUNCTION}) (fn_container_paused_total)`,
          ),
        },
        {
          title: 'Starts',
          description: 'Containers a second that were started: cold starts.',
          unit: 'ops',
          exprs: top(`sum by (${FUNCTION}) (rate(fn_container_start_duration_seconds_count[$__rate_interval]))`),
        },
        {
          title: 'Waiting for room',
          description: 'Containers that wait for memory or CPU on a runner that lets calls wait.',
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
            'Requests a second by route and method. Look-ups of balancers are those of /v2/runner and GET of one function.',
          unit: 'reqps',
          exprs: { '{{method}} {{path}}': perSecond('fn_api_request_count_total', OF_API, 'method, path') },
        },
        {
          title: 'Answers',
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
