import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';
import type { KubernetesObject } from './kubernetes-objects.js';

interface Model {
  validate(): void;
}

/** What Kubernetes would have against an object: a field that is missing, or of a wrong kind or format. */
export async function schemaProblems(object: KubernetesObject): Promise<string[]> {
  const name = moduleOf(object);
  const models = (await import(name)) as Record<string, (new (data: KubernetesObject) => Model) | undefined>;
  const ModelOf = models[object.kind];
  if (ModelOf === undefined) return [`${object.apiVersion} has no ${object.kind}`];
  try {
    new ModelOf(object).validate();
    return [];
  } catch (error) {
    return [`${object.kind} ${object.metadata.name}: ${(error as Error).message}`];
  }
}

/**
 * Fields that no object of its kind has, which Kubernetes would drop without a word. The schemas allow them, so it is left to
 * the compiler: it refuses what a type does not have, in an object that is written out.
 */
export async function unknownFields(objects: readonly KubernetesObject[]): Promise<string[]> {
  const lines = objects.map((object, index) => {
    const name = JSON.stringify(moduleOf(object));
    return `export const o${index}: import(${name}).I${object.kind} = ${JSON.stringify(object)};`;
  });
  // Within the repository, where the types are found.
  mkdirSync(path.join(ROOT, '.fnfleet'), { recursive: true });
  const folder = mkdtempSync(path.join(ROOT, '.fnfleet/objects-'));
  try {
    writeFileSync(path.join(folder, 'objects.mts'), lines.join('\n'));
    const compilerOptions = {
      ...{ noEmit: true, strict: true, skipLibCheck: true, types: [] },
      ...{ module: 'nodenext', target: 'esnext' },
    };
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['objects.mts'] }));
    const { stdout } = await run(path.join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch(
      (failed: { stdout: string }) => failed,
    );
    return stdout.split('\n').filter((line) => line.includes('error'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function moduleOf({ apiVersion }: KubernetesObject): string {
  return `kubernetes-models/${apiVersion}`;
}
