import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of the product; all packages share it. */
export const VERSION: string = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')).version;
