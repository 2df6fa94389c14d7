/**
 * The cost of the balancer's own code for a call, without a network: from the request that Node's HTTP server hands over to the
 * answer, through front door, agent, placement, the engagement's state machine and the encoding of its messages. A fake channel
 * answers each call at once. The cost of the same requests without a balancer is subtracted, so that Node's own is not counted.
 *
 *   node bench/call-cost.mjs [--calls 5000] [--rounds 7] [--against <another built checkout>] [--json]
 *
 * CPU time is the least of all rounds, each of which is a process of its own; both checkouts take turns. Bytes are what is
 * added to a young generation that is too large to be collected meanwhile; promoted bytes are what outlives collections of one
 * of ordinary size, and has to wait for a full collection.
 */

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MARK, PROMOTED_CALLS } from './measure-call.mjs';

/** @typedef {Record<'micros' | 'bytes' | 'promises' | 'timers' | 'listeners' | 'promoted', number>} Costs of a call */

const { values: args } = parseArgs({
  options: {
    calls: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '7' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const MEASURE = fileURLToPath(new URL('measure-call.mjs', import.meta.url));
const HERE = path.resolve(path.dirname(MEASURE), '../../..');
const checkouts = [...(args.against === undefined ? [] : [path.resolve(args.against)]), HERE];

/** @type {Map<string, Costs[]>} */
const results = new Map(checkouts.map((checkout) => [checkout, []]));
for (let round = 0; round < Number(args.rounds); round += 1) {
  for (const checkout of checkouts) results.get(checkout)?.push(measured(checkout));
}
const rows = [...results].map(([checkout, rounds]) => {
  /** @param {keyof Costs} key */
  const least = (key) => Number(Math.min(...rounds.map((round) => round[key])).toFixed(1));
  return {
    checkout,
    micros: least('micros'),
    bytes: least('bytes'),
    promises: least('promises'),
    timers: least('timers'),
    listeners: least('listeners'),
    promoted: least('promoted'),
  };
});
if (args.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
else {
  for (const { checkout, micros, bytes, promises, timers, listeners, promoted } of rows) {
    const memory = `${Math.round(bytes)} bytes, ${Math.round(promoted)} of them promoted`;
    const costs = `${micros} µs CPU, ${memory}, ${promises} promises, ${timers} timers, ${listeners} listeners`;
    process.stdout.write(`${checkout}: ${costs} a call\n`);
  }
}

/** @param {string} checkout @returns {Costs} */
function measured(checkout) {
  const costs = JSON.parse(node(['--min-semi-space-size=256', '--max-semi-space-size=256'], [checkout]));
  const [, traced = ''] = node(['--trace-gc-nvp'], [checkout, '--promoted']).split(MARK);
  const promoted = [...traced.matchAll(/ promoted=(\d+)/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  return { ...costs, promoted: promoted / (PROMOTED_CALLS * Number(args.calls)) };
}

/** @param {readonly string[]} flags @param {readonly string[]} options */
function node(flags, options) {
  const command = ['--expose-gc', ...flags, MEASURE, ...options, '--calls', args.calls];
  return execFileSync(process.execPath, command, { maxBuffer: 2 ** 28 }).toString();
}
