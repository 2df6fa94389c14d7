import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer, answerEarly } from './answers.mjs';
import { attempt } from './attempts.mjs';
import { offer } from './listen.mjs';

/** A function that does what it is told, good or bad. The knobs are in README.md. */
const instance = randomUUID();
let requests = 0;

const server = createServer(serve);
// Whoever calls decides how long a connection or a request lasts.
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });

await sleep(Number(process.env.PROBE_INIT_DELAY_MS ?? 0));
if (process.env.PROBE_INIT_EXIT) process.exit(Number(process.env.PROBE_INIT_EXIT));
await offer(server, process.env.FN_LISTENER, process.env.PROBE_SOCKET ?? 'socket');
// A function that offered the wrong thing lives on: the runner has to end it.
if (!server.listening) setInterval(() => undefined, 60_000);

async function serve(request, response) {
  requests += 1;
  const number = requests;
  // A client that leaves in the middle is part of many tests; it must not end the function.
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  try {
    const first = parse(request.headers.probe ?? request.headers['fn-http-h-probe']);
    mark(first);
    if (first.early) return answerEarly(request, response, first);
    const body = await read(request, first.slowRead);
    const knobs = { ...parse(body), ...first };
    await report(knobs, request);
    say(knobs);
    if (knobs.sleepMs) await sleep(knobs.sleepMs);
    end(knobs);
    const about = { instance, request: number, ...(await attempt(knobs)) };
    if (knobs.about) about.call = { method: request.method, path: request.url, headers: request.rawHeaders };
    await answer(request, response, knobs, { about, body });
  } catch (error) {
    if (!response.headersSent) response.writeHead(502, { 'Content-Type': 'text/plain' });
    response.end(String(error));
  }
}

/** Anything that is not an object of knobs means none. */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

async function read(request, slow) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
    if (slow) await sleep((chunk.length / slow.bytes) * slow.intervalMs);
  }
  return Buffer.concat(chunks);
}

function say({ stdout = [], stderr = [] }) {
  for (const line of stdout) process.stdout.write(`${line}\n`);
  for (const line of stderr) process.stderr.write(`${line}\n`);
}

/** Beside the socket, where the host can see it: a call whose answer is lost has left a trace. */
function mark({ mark: name }) {
  if (name) writeFileSync(join(dirname(process.env.FN_LISTENER.replace(/^unix:/, '')), `mark-${name}`), '');
}

/** To the test, before anything else: what becomes of the call does not matter. A call that cannot be reported fails. */
async function report({ report: url, label }, { headers }) {
  if (!url) return;
  const run = { callId: headers['fn-call-id'], attempt: Number(headers['fn-attempt']), label, instance };
  const { ok, status } = await fetch(url, { method: 'POST', body: JSON.stringify(run) });
  if (!ok) throw new Error(`the report was answered ${status}`);
}

function end({ crash, exitCode }) {
  if (crash) process.kill(process.pid, 'SIGKILL');
  if (exitCode !== undefined) process.exit(exitCode);
}
