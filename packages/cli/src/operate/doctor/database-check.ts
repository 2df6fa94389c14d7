import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { probeDatabaseServer } from '@fnfleet/api';
import { MIB } from '@fnfleet/core';
import type { DiskNeed } from '@fnfleet/drivers';
import { type Finding, fail, ok } from './finding.js';
import { diskFinding } from './machine-checks.js';

/** Apps and functions are small, so a database needs little space. */
const NEED: DiskNeed = { comfortableBytes: 256 * MIB, leastBytes: 16 * MIB };
const DISK_REMEDY = 'free space there, or move the database and point FN_DB_URL to it';

const CONNECT_MS = 5_000;

/** Checks where an API node keeps its data. */
export async function checkDatabase(url: string): Promise<Finding[]> {
  if (/^postgres(ql)?:\/\//.test(url)) return [await checkServer(url)];
  const [, given] = /^sqlite3:\/\/([^?]+)/.exec(url) ?? [];
  if (given === undefined) {
    return [
      fail(
        'database',
        'FN_DB_URL names an unknown kind of database',
        'set it to sqlite3:///absolute/path, sqlite3://relative/path or postgres://user:password@host/database',
      ),
    ];
  }
  if (given === ':memory:') return [ok('database', 'in memory: lost when the node stops')];
  const path = resolve(given);
  const there = await nearest(path);
  const problem = await problemOf(there, path);
  if (problem !== undefined) {
    return [
      fail(
        'database',
        `cannot write ${path}: ${there} ${problem}`,
        'give this user write permission there, or set FN_DB_URL',
      ),
    ];
  }
  const how = there === path ? 'exists' : 'will be created';
  return [
    ok('database', `${path} ${how}`),
    await diskFinding(there === path ? dirname(path) : there, NEED, DISK_REMEDY),
  ];
}

async function checkServer(url: string): Promise<Finding> {
  try {
    const { name, version, readOnly } = await probeDatabaseServer(url, CONNECT_MS);
    if (readOnly) return fail('database', `${name} is read-only`, 'point FN_DB_URL to the primary server');
    return ok('database', `${name} answers: PostgreSQL ${version}`);
  } catch (error) {
    const { message, cause } = error as Error;
    return fail('database', message, cause instanceof Error ? cause.message : 'correct FN_DB_URL');
  }
}

async function problemOf(there: string, path: string): Promise<string | undefined> {
  if (!(await may(there, constants.W_OK))) return 'is not writable by this user';
  const isFolder = (await stat(there)).isDirectory();
  if (there === path) return isFolder ? 'is a folder' : undefined;
  return isFolder ? undefined : 'is not a folder';
}

/** The path itself, or the first folder above it that exists. */
async function nearest(path: string): Promise<string> {
  let at = path;
  while (!(await may(at, constants.F_OK)) && at !== dirname(at)) at = dirname(at);
  return at;
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
