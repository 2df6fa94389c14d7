#!/usr/bin/env node
// Finds a Node that is new enough before anything is loaded that needs it.
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const NEEDED_MAJOR = 24;

function packagedRuntime() {
  const name = `node-${process.platform === 'darwin' ? 'bin-darwin' : process.platform}-${process.arch}`;
  for (const folder of module.paths) {
    const found = path.join(folder, name, 'bin/node');
    if (existsSync(found)) return found;
  }
  return undefined;
}

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  const built = path.join(__dirname, '../dist/main.js');
  if (!existsSync(built)) {
    console.error('fnfleet is not built yet. Run: npm run build');
    process.exit(1);
  }
  require(built).main(process.argv);
} else {
  const runtime = packagedRuntime();
  if (runtime === undefined) {
    console.error(`fnfleet needs Node ${NEEDED_MAJOR} or newer; this is ${process.version}.`);
    process.exit(1);
  }
  // Replaces this process where the platform can, so that signals and exit codes are the command's own.
  if (typeof process.execve === 'function')
    process.execve(runtime, [runtime, __filename, ...process.argv.slice(2)], process.env);
  const child = spawn(runtime, [__filename, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal signals the child too; it takes signals in quick succession for one.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}
