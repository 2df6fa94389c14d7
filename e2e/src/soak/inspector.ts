/** The two questions that only a process itself can answer, put over its inspector (`--inspect`). */
export interface Insight {
  /** Bytes in use by what is still reachable: the JavaScript heap and buffers outside of it, after a collection. */
  readonly usedBytes: number;
  /** What keeps the event loop busy, by kind: timers, sockets, servers. */
  readonly resources: Readonly<Record<string, number>>;
}

const QUESTION = `(() => {
  const { heapUsed, external } = process.memoryUsage();
  return JSON.stringify({ used: heapUsed + external, resources: process.getActiveResourcesInfo() });
})()`;

/** Collects the garbage of a process and looks at what is left. @param url of its inspector, `ws://…` */
export async function inspect(url: string): Promise<Insight> {
  const socket = new WebSocket(url);
  const replies = new Map<number, (result: unknown) => void>();
  const lost = new Promise<never>((_resolve, reject) => {
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
    socket.addEventListener('close', () => reject(new Error(`the inspector at ${url} is gone`)));
  });
  lost.catch(() => undefined); // closing is also how this ends well
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data));
    replies.get(id)?.(result);
  });
  const ask = (id: number, method: string, params: object = {}) => {
    const reply = new Promise<unknown>((resolve) => replies.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    return Promise.race([reply, lost]);
  };
  try {
    await Promise.race([new Promise((resolve) => socket.addEventListener('open', resolve)), lost]);
    // What was collected first may have held what is collected then.
    await ask(1, 'HeapProfiler.collectGarbage');
    await ask(2, 'HeapProfiler.collectGarbage');
    const answer = (await ask(3, 'Runtime.evaluate', { expression: QUESTION })) as { result: { value: string } };
    const { used, resources } = JSON.parse(answer.result.value) as { used: number; resources: string[] };
    const kinds = Object.groupBy(resources, (kind) => kind);
    return {
      usedBytes: used,
      resources: Object.fromEntries(Object.entries(kinds).map(([kind, all]) => [kind, all?.length ?? 0])),
    };
  } finally {
    socket.close();
  }
}
