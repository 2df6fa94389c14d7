import { ApiProcess } from './api-process.js';

const WRITERS = 4;

export interface KillPlan {
  readonly databaseUrl: string;
  /** How many nodes share the database; they are killed in turn. */
  readonly nodes: number;
  readonly kills: number;
}

export interface KillReport {
  /** Ids of the apps whose creation was acknowledged. */
  readonly acknowledged: readonly string[];
  readonly unanswered: number;
  /** Those that are still running, for the caller to ask and to kill. */
  readonly nodes: readonly ApiProcess[];
}

/** Kills API nodes with SIGKILL while clients write, and starts them again. Clients use another node meanwhile. */
export async function killNodesWhileTheyWrite({ databaseUrl, nodes: count, kills }: KillPlan): Promise<KillReport> {
  const start = () => ApiProcess.start({ FN_DB_URL: databaseUrl });
  const nodes = await Promise.all(Array.from({ length: count }, start));
  const acknowledged: string[] = [];
  let unanswered = 0;
  let last = 0;
  let writing = true;

  const write = async (which: number) => {
    for (let turn = which; writing; turn += 1) {
      const node = nodes[turn % count];
      last += 1;
      try {
        const body = JSON.stringify({ name: `app-${last}` });
        const response = await fetch(`${node?.url}/v2/apps`, { method: 'POST', body });
        if (response.status === 200) acknowledged.push(((await response.json()) as { id: string }).id);
        else await response.body?.cancel();
      } catch {
        // The node is dead, or has died with the request.
        unanswered += 1;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const writers = Array.from({ length: WRITERS }, (_, which) => write(which));

  try {
    for (let round = 0; round < kills; round += 1) {
      const wanted = acknowledged.length + 1 + Math.floor(Math.random() * 40);
      while (acknowledged.length < wanted) await new Promise((resolve) => setTimeout(resolve, 1));
      // In the middle of what the clients have sent.
      await nodes[round % count]?.kill();
      nodes[round % count] = await start();
    }
  } finally {
    writing = false;
    await Promise.all(writers);
  }
  return { acknowledged, unanswered, nodes };
}
