import { PassThrough, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { KIB, later, MAX_WAIT_SECONDS, printable, printableLine, systemClock } from '@fnfleet/core';
import { readJson } from '@fnfleet/operator-api';
import { Command } from 'commander';
import { type FleetAccess, fleetAccess } from '../access/fleet-access.js';
import { messageIn, readAnswer } from '../access/read-answer.js';
import { ApiClient, type CallRef, type FnRef, findCall, findFunction } from '../api-client.js';
import { invokeUrl } from '../deploy/deploy.js';
import { fetchExplanation, mayHavePrinted } from '../explanation.js';
import { bytesOf, inWords } from '../manage/format-call.js';
import { showPull } from '../operate/show-pull.js';
import { remark, say } from '../terminal/output.js';
import { apiOption, wholeNumber } from './options.js';

const LINE_FEED = 0x0a;

interface InvokeOptions {
  readonly data?: string;
  readonly contentType: string;
  readonly timeout: number;
  readonly raw: boolean;
  readonly async: boolean;
  readonly wait: boolean;
  readonly delay?: number;
  readonly api: string;
}

/** How often `--wait` looks whether an asynchronous call has ended, milliseconds. */
const LOOK_MS = 500;
/** Time for the body and its way to the disk, milliseconds. */
const HAND_IN_MS = 60_000;

export function invokeCommand(): Command {
  return new Command('invoke')
    .description('Calls a function with standard input (or --data) as the body, and prints the response.')
    .argument('<app>', 'name of its app')
    .argument('<function>', 'its name')
    .option('--data <text>', 'body of the call instead of standard input')
    .option('--content-type <type>', 'content type of the body', 'application/json')
    .option('--timeout <s>', 'seconds after which an incomplete response is given up', wholeNumber(1, 86_400), 900)
    .option('--async', 'only put the call into the queue, and print its id; `fnfleet call` shows how it ends', false)
    .option('--wait', 'with --async: wait until the call has ended (at most --timeout), and print its result', false)
    .option('--delay <s>', 'with --async: seconds before the call starts', wholeNumber(0, MAX_WAIT_SECONDS))
    .option(
      '--raw',
      'print control characters to a terminal as they are; a pipe or file always gets the response unchanged',
      false,
    )
    .addOption(apiOption())
    .action(invoke);
}

async function invoke(appName: string, name: string, options: InvokeOptions): Promise<void> {
  const { api, data, contentType, timeout, raw } = options;
  if (options.wait && !options.async) throw new Error('--wait is for calls with --async; others always wait');
  if (options.delay !== undefined && !options.async) throw new Error('--delay is for calls with --async');
  const access = fleetAccess(process.env);
  const client = new ApiClient(api, access.fetch);
  const fn = await findFunction(client, appName, name);
  const body = data ?? (process.stdin.isTTY ? '' : await readStdin());
  if (options.async) {
    const id = await handIn(fn, body, options, access);
    if (options.wait) return printEnd(await whenEnded(client, id, timeout), raw);
    return say([id]);
  }
  const signal = AbortSignal.timeout(timeout * 1000);
  try {
    const answered = new AbortController();
    const told = showPull(new URL(invokeUrl(fn)).origin, fn.image, access.fetch, answered.signal);
    const response = await access
      .call(invokeUrl(fn), {
        method: 'POST',
        headers: { 'content-type': contentType },
        body,
        redirect: 'manual',
        signal,
      })
      .finally(() => {
        answered.abort();
        return told;
      });
    const begun = response.body ? await print(Readable.fromWeb(response.body as never), raw) : '';
    if (!response.ok) {
      const call = printableLine(`${response.headers.get('fn-call-id')}`, 100);
      const told = await whatIsKnown({ fn, appName, call, access, answered: messageOf(begun) });
      const again = whenToTryAgain(response.headers.get('retry-after'));
      throw new Error(`the call failed with status ${response.status} (call ${call})${again}${told}`);
    }
  } catch (error) {
    throw signal.aborted ? new Error(`no complete response within ${timeout} s (--timeout)`, { cause: error }) : error;
  }
}

/** @returns the id of the call, which is in the queue, on disk */
async function handIn(
  fn: FnRef,
  body: string | Buffer<ArrayBuffer>,
  { contentType, delay }: Pick<InvokeOptions, 'contentType' | 'delay'>,
  { call }: FleetAccess,
): Promise<string> {
  const answer = await readAnswer(call, invokeUrl(fn), {
    method: 'POST',
    headers: {
      'content-type': contentType,
      'fn-invoke-type': 'async',
      ...(delay === undefined ? {} : { 'fn-delay': `${delay}` }),
    },
    body,
    timeoutMs: HAND_IN_MS,
  });
  if (answer.status !== 202) {
    const again = whenToTryAgain(answer.headers.get('retry-after'));
    throw new Error(`the call was not accepted: ${answer.status} ${messageIn(answer)}${again}`);
  }
  const accepted = readJson<{ call_id: string }>(answer.body, { fields: { call_id: 'string' } });
  if (accepted === undefined) throw new Error('the answer is not that of a balancer that has queued the call');
  return printableLine(accepted.call_id, 100);
}

async function whenEnded(api: ApiClient, id: string, timeoutS: number): Promise<CallRef> {
  const until = later(systemClock.now(), timeoutS * 1000);
  for (;;) {
    const call = await findCall(api, id);
    if (['success', 'error', 'cancelled'].includes(call.status)) return call;
    if (systemClock.now() >= until) {
      throw new Error(`call ${id} has not ended within ${timeoutS} s (--timeout): it is ${inWords(call)}, and goes on`);
    }
    await systemClock.sleep(LOOK_MS);
  }
}

/** @throws Error if the call did not succeed */
async function printEnd(call: CallRef, raw: boolean): Promise<void> {
  const { id, status, result } = call;
  if (status !== 'success') {
    throw new Error(`call ${printableLine(id, 100)} ended with the status ${inWords(call)}`);
  }
  if (result === undefined) return;
  const bytes = bytesOf(result);
  await print(Readable.from([bytes]), raw);
  if (bytes.length < result.size) remark(`fnfleet: only the first ${bytes.length} of ${result.size} bytes are kept`);
}

/** A balancer sends seconds; the date form can only come from a proxy in front of it. */
function whenToTryAgain(retryAfter: string | null): string {
  return retryAfter !== null && /^\d{1,9}$/.test(retryAfter) ? `; try again in ${retryAfter} s` : '';
}

/** The cause of a function error, which the response does not contain; operators may ask the balancer for it. */
async function whatIsKnown({ fn, appName, call, access, answered }: FailedCall): Promise<string> {
  const balancer = new URL(invokeUrl(fn)).origin;
  const explanation = await fetchExplanation([balancer], call, access.fetch).catch(() => undefined);
  if (explanation?.error === undefined) return '';
  const why = answered.startsWith(explanation.error) ? '' : `\n  why:    ${printableLine(explanation.error, 1000)}`;
  return mayHavePrinted(explanation) ? `${why}\n  output: fnfleet logs ${fn.name} --app ${appName} --no-follow` : why;
}

interface FailedCall {
  readonly fn: Awaited<ReturnType<typeof findFunction>>;
  readonly appName: string;
  readonly call: string;
  readonly access: FleetAccess;
  /** The error in the response. */
  readonly answered: string;
}

/** The message of a response that is a platform error. */
function messageOf(begun: string): string {
  return readJson<{ message: string }>(begun, { fields: { message: 'string' } })?.message ?? '';
}

/**
 * The response may not fit into memory.
 * @returns its beginning
 */
async function print(answer: Readable, raw: boolean): Promise<string> {
  const begun: Buffer[] = [];
  const onTerminal = raw ? [endingLine()] : [decoding(), escaping(), endingLine()];
  await pipeline([answer, keeping(begun), ...(process.stdout.isTTY ? onTerminal : []), process.stdout], { end: false });
  return Buffer.concat(begun).toString();
}

/** Platform errors are shorter. */
const MAX_KEPT_BYTES = 8 * KIB;

function keeping(begun: Buffer[]): Transform {
  let room = MAX_KEPT_BYTES;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      if (room > 0) begun.push(bytes.subarray(0, room));
      room -= bytes.length;
      done(null, bytes);
    },
  });
}

/** Keeps multi-byte characters together that are split between chunks. */
function decoding(): PassThrough {
  return new PassThrough({ encoding: 'utf8' });
}

function escaping(): Transform {
  return new Transform({
    decodeStrings: false,
    transform(text: string, _encoding, done) {
      done(null, printable(text));
    },
  });
}

/** Ends the last line with a newline, so that a prompt or an error starts on its own line. */
function endingLine(): Transform {
  let last = LINE_FEED;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      last = bytes.at(-1) ?? last;
      done(null, bytes);
    },
    flush(done) {
      done(null, last === LINE_FEED ? '' : '\n');
    },
  });
}

async function readStdin(): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts);
}
