import { readdirSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';
import type { RoleEnvironment } from './role-environment.js';

export const KUBERNETES = path.join(ROOT, 'deploy/kubernetes');

type Labels = Readonly<Record<string, string>>;

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  // What each kind has; checked against its schema.
  // biome-ignore lint/suspicious/noExplicitAny: as deep as Kubernetes is
  readonly spec?: any;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  readonly [field: string]: any;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  readonly [field: string]: any;
}

/** What makes pods, and the pods it makes. */
export interface Workload {
  readonly name: string;
  readonly object: KubernetesObject;
  readonly labels: Labels;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  readonly pod: any;
  /** The one that is a node of fnfleet. */
  readonly node: Container;
  readonly containers: readonly Container[];
}

export function overlays(): string[] {
  return readdirSync(path.join(KUBERNETES, 'overlays')).sort();
}

/** What `kubectl apply -k` would send. */
export async function buildOverlay(kubectl: string, name: string): Promise<Overlay> {
  const { stdout } = await run(kubectl, ['kustomize', path.join(KUBERNETES, 'overlays', name)]);
  return new Overlay(name, objectsIn(stdout));
}

export function objectsIn(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml).flatMap((document) => document.toJS() ?? []);
}

export class Overlay {
  constructor(
    readonly name: string,
    readonly objects: readonly KubernetesObject[],
  ) {}

  of(kind: string): KubernetesObject[] {
    return this.objects.filter((object) => object.kind === kind);
  }

  get workloads(): Workload[] {
    const made = ['Deployment', 'StatefulSet', 'DaemonSet'].flatMap((kind) => this.of(kind));
    return made.map((object) => {
      const { metadata, spec: pod } = object.spec.template;
      const [node] = pod.containers;
      const containers = [...pod.containers, ...(pod.initContainers ?? [])];
      return { name: object.metadata.name, object, labels: metadata.labels, pod, node, containers };
    });
  }

  /** Those whose pods a selector takes. */
  selected(matchLabels: Labels): Workload[] {
    const wanted = Object.entries(matchLabels);
    return this.workloads.filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value));
  }

  /** What the nodes in its pods get to see. */
  get environments(): (RoleEnvironment & { readonly workload: Workload })[] {
    const maps = new Map(this.of('ConfigMap').map(({ metadata, data }) => [metadata.name, data as Labels]));
    return this.workloads.map((workload) => {
      const { env = [], envFrom = [] } = workload.node;
      const shared = envFrom.map(
        ({ configMapRef: { name } }) => maps.get(name) ?? { [`FN_FROM_${name}`]: 'no such map' },
      );
      const own = Object.fromEntries(env.map(({ name, value }) => [name, value]));
      return { where: `${this.name}, ${workload.name}`, env: Object.assign({}, ...shared, own), workload };
    });
  }
}
