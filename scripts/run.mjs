/**
 * Every npm script starts here. Runs on Node 18 or newer and needs nothing installed: it installs what the lockfile names,
 * builds, and runs the task on a Node that is new enough.
 *
 *   node scripts/run.mjs <task> [arguments]
 */
import { TASKS } from './lib/tasks.mjs';

const [name = '', ...args] = process.argv.slice(2);
const task = TASKS[name];
if (task === undefined) {
  console.error(`unknown task ${JSON.stringify(name)}; known: ${Object.keys(TASKS).join(', ')}`);
  process.exit(2);
}
try {
  process.exitCode = await task(args);
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
