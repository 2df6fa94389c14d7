#!/usr/bin/env node
// The command on the Node that runs it; `fnfleet`, next to this, finds one that is new enough.
const { existsSync } = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const { engines, version } = require('../package.json');

const needed = Number(engines.node.match(/\d+/)[0]);
const built = path.join(__dirname, '../dist/main.js');
const [, , first, ...others] = process.argv;

if (Number(process.versions.node.split('.')[0]) < needed) {
  console.error(`fnfleet needs Node ${needed} or newer; this is ${process.version}.`);
  process.exit(1);
} else if (!existsSync(built)) {
  console.error('fnfleet is not built yet. Run: npm run build');
  process.exit(1);
} else if (['--version', '-V'].includes(first) && others.length === 0) {
  // Answered at once: no command has to be loaded for it.
  console.log(version);
} else {
  // See docs/performance.md. Set here and not on the command line: Node does not start with a flag that its V8 does not know.
  v8.setFlagsFromString('--heap-growing-percent=200');
  v8.setFlagsFromString('--no-allocation-site-pretenuring');
  require(built).main(process.argv);
}
