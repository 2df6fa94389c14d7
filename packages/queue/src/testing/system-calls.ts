/** A system call that succeeded, as strace shows it with `-f -y`. */
export interface SystemCall {
  readonly name: string;
  readonly file: string;
  readonly data: string;
  /** Lines of the trace. */
  readonly begun: number;
  readonly ended: number;
}

/** Those of several threads overlap: such a call has two lines. */
export function systemCalls(trace: string): SystemCall[] {
  const found: SystemCall[] = [];
  const open = new Map<string, { text: string; begun: number }>();
  for (const [at, line] of trace.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) +(\S.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const started = resumed === null ? undefined : open.get(thread);
    const text = (started?.text ?? '') + (resumed?.[1] ?? rest);
    const begun = started?.begun ?? at;
    if (rest.endsWith('<unfinished ...>')) {
      open.set(thread, { text: rest.slice(0, -'<unfinished ...>'.length), begun });
      continue;
    }
    const [, name = '', file = '', data = '', result = '-1'] = /^(\w+)\(\d+<([^>]*)>(.*)\) += (-?\d+)/.exec(text) ?? [];
    if (Number(result) >= 0) found.push({ name, file, data, begun, ended: at });
  }
  return found;
}

/** Whether the file was synced after the first call had ended and before the second one began. */
export function isSyncedBetween(
  calls: readonly SystemCall[],
  file: RegExp,
  first: SystemCall,
  second: SystemCall,
): boolean {
  return calls.some(
    (call) =>
      /^f(data)?sync$/.test(call.name) && file.test(call.file) && call.begun > first.ended && call.ended < second.begun,
  );
}
