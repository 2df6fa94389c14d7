import { openSync, writeSync } from 'node:fs';
import { openSqliteQueue } from '../sqlite/sqlite-queue.js';

/*
 * A program for `synced-before-acknowledged.test.ts`: pushes calls with some clients at a time, and writes the id of each call
 * to a file when the queue has acknowledged it.
 *
 *   synced-pushes.js <queue> <file for ids> <clients> <calls of each>
 */
async function main([path = '', ids = '', clients = '1', each = '1']: readonly string[]): Promise<void> {
  const queue = await openSqliteQueue({ path });
  const acknowledged = openSync(ids, 'w');
  const client = async (_: unknown, name: number) => {
    for (let n = 0; n < Number(each); n += 1) {
      const callId = `call-${name}-${n}-`;
      await queue.push({ callId, fnId: 'f', head: '{}', body: Buffer.alloc(64) });
      writeSync(acknowledged, `${callId}\n`);
    }
  };
  await Promise.all(Array.from({ length: Number(clients) }, client));
  await queue.close();
}

void main(process.argv.slice(2));
