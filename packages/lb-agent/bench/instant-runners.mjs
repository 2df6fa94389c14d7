import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { systemClock } from '@fnfleet/core';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import { BODY } from './instant-requests.mjs';

/**
 * @typedef {import('@fnfleet/protocol').ClientMessage} ClientMessage
 * @typedef {import('@fnfleet/protocol').RunnerMessage} RunnerMessage
 * @typedef {Parameters<import('@fnfleet/protocol').RunnerChannel['engage']>[1]} StreamHandler
 */

/**
 * A balancer of a checkout, with two runners behind a fake channel that answers each call at once.
 * @param {string} checkout a built one
 * @returns {import('./instant-requests.mjs').Listener}
 */
export function newBalancer(checkout) {
  const require = createRequire(path.join(checkout, 'packages/lb-agent/package.json'));
  const dist = path.join(checkout, 'packages/lb-agent/dist');
  /** @type {typeof import('@fnfleet/core')} */
  const { CallTemplate, systemClock: clock } = require('@fnfleet/core');
  /** @type {typeof import('@fnfleet/http')} */
  const { newCorsPolicy, openGuard } = require('@fnfleet/http');
  /** @type {typeof import('@fnfleet/placement')} */
  const { placers } = require('@fnfleet/placement');
  /** @type {typeof import('@fnfleet/protocol')} */
  const { offerCall, encodeClientMessage } = require('@fnfleet/protocol');
  const exported = require('@fnfleet/lb-agent');
  // Older checkouts call the function `newLBAgent` and have the front door at the top.
  const newLbAgent = exported.newLbAgent ?? Reflect.get(exported, 'newLBAgent');
  const [frontDoor = ''] = ['http/front-door.js', 'front-door.js'].filter((name) => existsSync(path.join(dist, name)));
  /** @type {typeof import('../dist/http/front-door.js')} */
  const { FrontDoor } = require(path.join(dist, frontDoor));

  /** Sends each message as far as its bytes, and is answered when the request is complete. */
  class Stream {
    /** @param {StreamHandler} handler */
    constructor(handler) {
      this.handler = handler;
    }
    /** @param {ClientMessage} message */
    send(message) {
      this.bytes = encodeClientMessage(message);
      return true;
    }
    halfClose() {
      setImmediate(answer, this.handler);
    }
    pause() {}
    resume() {}
    cancel() {}
    release() {}
  }
  const runners = ['10.0.0.1:9190', '10.0.0.2:9190'].map((address) => ({
    address,
    channel: {
      address,
      /** @param {unknown} _options @param {StreamHandler} handler */
      engage: (_options, handler) => new Stream(handler),
    },
    /** @param {import('@fnfleet/protocol').OutboundCall} call @param {AbortSignal} signal */
    tryCall(call, signal) {
      return offerCall(call, this.channel, signal);
    },
    status: () => Promise.reject(new Error('not here')),
    close: async () => undefined,
  }));
  const list = { runners };
  const pool = { runners: () => list, close: async () => undefined };
  const placer = placers.get('warm-first').create({ random: Math.random, clock });
  const template = newTemplate(CallTemplate);
  const door = new FrontDoor({
    agent: newLbAgent(pool, placer, {}),
    lookup: {
      known: () => template,
      byId: async () => template,
      byTrigger: async () => ({ template, triggerId: 't' }),
      close: async () => {},
    },
    cors: newCorsPolicy([], []),
    guard: openGuard({ allowedHosts: [], corsOrigins: [] }),
    acceptor: { newId: () => '', accept: () => Promise.reject(new Error('not here')) },
    maxRequestBytes: 0,
    requestIdHeader: '',
  });
  return (req, res) => door.serve(req, res);
}

/** @param {typeof import('@fnfleet/core').CallTemplate} CallTemplate of the checkout */
function newTemplate(CallTemplate) {
  const empty = { config: {}, annotations: {}, shape: '', createdAt: undefined, updatedAt: undefined };
  const app = { ...empty, id: '01KB0000000000000000000APP', name: 'app', syslogUrl: '', config: { LEVEL: 'info' } };
  const fn = {
    ...{ ...empty, id: '01KB00000000000000000000FN', appId: app.id, name: 'f', image: 'registry.example/team/f:1' },
    ...{ memoryMb: 128, timeoutSeconds: 30, idleTimeoutSeconds: 30 },
  };
  return new CallTemplate(app, fn);
}

const INSTANT = systemClock.wallNow();
/** @type {RunnerMessage[]} */
const ANSWER = [
  { kind: 'started' },
  { kind: 'resultStart', status: 200, headers: [['Content-Type', 'application/json']] },
  { kind: 'data', data: BODY, eof: true },
  {
    kind: 'finished',
    report: {
      ...NOTHING_REPORTED,
      ...{ success: true, createdAt: INSTANT, startedAt: INSTANT, completedAt: INSTANT },
      ...{ schedulerNs: 5e4, executionNs: 2e5 },
    },
  },
];

/** @param {StreamHandler} handler */
function answer(handler) {
  for (const message of ANSWER) handler.onMessage(message);
  handler.onEnd({ code: 0, details: '', mayHaveArrived: true, startAckMode: 'confirmed', lost: undefined });
}
