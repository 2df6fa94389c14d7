// needs: kubectl
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { METRICS } from '@fnfleet/core';
import { testTool } from '@fnfleet/testing';
import { run } from '../harness/run.js';
import { buildOverlay, KUBERNETES, type Overlay, objectsIn, overlays } from './kubernetes-objects.js';
import { schemaProblems, unknownFields } from './kubernetes-schema.js';
import { problemsOf } from './role-environment.js';

jest.setTimeout(120_000);

describe.each(overlays())('deploy/kubernetes, overlay %s', (name) => {
  let overlay: Overlay;

  beforeAll(async () => {
    overlay = await buildOverlay(await testTool('kubectl'), name);
  });

  it('has only what Kubernetes takes', async () => {
    expect((await Promise.all(overlay.objects.map(schemaProblems))).flat()).toEqual([]);
    expect(await unknownFields(overlay.objects)).toEqual([]);
  });

  it('has every role, once, in one namespace and of one image', () => {
    expect(overlay.workloads.map(({ name: workload }) => workload).sort()).toEqual(['api', 'lb', 'runner']);
    const elsewhere = overlay.objects.filter(
      ({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'fnfleet',
    );
    expect(elsewhere).toEqual([]);
    expect(new Set(overlay.workloads.map(({ node }) => node.image))).toEqual(new Set(['fnfleet/fnfleet:latest']));
  });

  it('has settings that its roles take', () => {
    expect(overlay.environments.map(problemsOf)).toEqual([[], [], []]);
  });

  it('has services that lead to pods, and to ports that they have', () => {
    for (const { metadata, spec } of overlay.of('Service')) {
      const pods = overlay.selected(spec.selector);
      expect([metadata.name, pods.map((workload) => workload.name)]).toEqual([metadata.name, [metadata.name]]);
      const ports = pods.flatMap(({ node }) => node.ports?.map((port) => port.name) ?? []);
      for (const { targetPort } of spec.ports) expect(ports).toContain(targetPort);
    }
  });

  it('has ports where the settings say', () => {
    for (const { env, workload } of overlay.environments) {
      const ports = Object.fromEntries((workload.node.ports ?? []).map((port) => [port.name, port.containerPort]));
      const expected = { http: Number(env.FN_PORT ?? 8080), grpc: Number(env.FN_GRPC_PORT ?? 9190) };
      expect(ports).toEqual(workload.name === 'runner' ? expected : { http: expected.http });
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
        expect(workload.node[probe].httpGet).toMatchObject({ port: 'http', scheme: 'HTTPS' });
    }
  });

  it('has selectors that take what they are meant for', () => {
    for (const { object, labels } of overlay.workloads) expect(labels).toMatchObject(object.spec.selector.matchLabels);
    for (const { metadata, spec } of overlay.of('PodDisruptionBudget'))
      expect(overlay.selected(spec.selector.matchLabels).map((workload) => workload.name)).toEqual([metadata.name]);
    for (const { spec } of overlay.of('NetworkPolicy')) {
      const pods = overlay.selected(spec.podSelector.matchLabels ?? {});
      expect(pods).not.toEqual([]);
      const ports = pods.flatMap(({ node }) => node.ports?.map((port) => port.name) ?? []);
      for (const rule of spec.ingress ?? []) {
        for (const { port } of rule.ports) expect(ports).toContain(port);
        for (const { podSelector } of rule.from ?? [])
          if (podSelector) expect(overlay.selected(podSelector.matchLabels)).toHaveLength(1);
      }
    }
  });

  it('lets no more in than has to be', () => {
    const open = overlay
      .of('NetworkPolicy')
      .filter(({ spec }) => (spec.ingress ?? []).some((rule: object) => !('from' in rule)));
    expect(open.map(({ metadata }) => metadata.name)).toEqual(['lb']);
    expect(
      overlay.of('NetworkPolicy').some(({ spec }) => Object.keys(spec.podSelector).length === 0 && !spec.ingress),
    ).toBe(true);
  });

  it('mounts volumes that there are, and Secrets that secrets.sh makes', async () => {
    const made = new Map((await secrets()).map(({ metadata, data }) => [metadata.name, Object.keys(data)]));
    for (const { env, workload } of overlay.environments) {
      const { pod, node, object, containers } = workload;
      const claims = (object.spec.volumeClaimTemplates ?? []).map(
        (claim: { metadata: { name: string } }) => claim.metadata.name,
      );
      const volumes = [...pod.volumes.map((volume: { name: string }) => volume.name), ...claims];
      const mounts = containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
      expect(mounts.filter((mount) => !volumes.includes(mount.name))).toEqual([]);
      expect(volumes.filter((volume) => !mounts.some((mount) => mount.name === volume))).toEqual([]);

      // Every file that a setting names is a key of a Secret that is mounted where it should be.
      const files = [env.FN_TLS_CERT, env.FN_TLS_KEY, env.FN_TLS_CA, env.FN_OPERATOR_TOKEN_FILE].flatMap(
        (file) => file ?? [],
      );
      for (const file of files) {
        const mount = node.volumeMounts?.find(({ mountPath }) => mountPath === path.dirname(file));
        const volume = pod.volumes.find((candidate: { name: string }) => candidate.name === mount?.name);
        expect(made.get(volume?.secret.secretName)).toContain(path.basename(file));
      }
    }
  });

  it('mounts what nodes write to, and nothing else of theirs can be written', () => {
    for (const { env, workload } of overlay.environments) {
      const { node } = workload;
      const places = node.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
      const written = ['/tmp', env.FN_DB_URL?.replace('sqlite3://', ''), env.FN_REPLAY_SPILL_DIR, env.FN_IOFS_PATH];
      for (const file of written.flatMap((value) => value ?? []))
        expect(places.some((place) => file === place || file.startsWith(`${place}/`))).toBe(true);
      expect(node.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
      expect(node.securityContext.capabilities.drop).toEqual(['ALL']);
      const runsAsRoot = (node.securityContext.runAsUser ?? workload.pod.securityContext.runAsUser) === 0;
      expect([workload.name, runsAsRoot && workload.name !== 'runner']).toEqual([workload.name, false]);
    }
  });

  it('gives a runner an engine, whose socket and paths are the same on both sides', () => {
    const { env, workload } = overlay.environments.find((found) => found.workload.name === 'runner') ?? {};
    const socket = (env?.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace('unix://', '');
    const mount = workload?.node.volumeMounts?.find(
      ({ mountPath }) => socket === mountPath || path.dirname(socket) === mountPath,
    );
    const volume = (wanted?: string) =>
      workload?.pod.volumes.find((candidate: { name: string }) => candidate.name === wanted);
    const engine = workload?.containers.find(({ name: container }) => container === 'docker');
    if (engine === undefined) {
      expect(volume(mount?.name).hostPath.path).toBe(socket);
      expect(volume('iofs').hostPath.path).toBe(env?.FN_IOFS_PATH);
    } else {
      expect(engine.args).toContain(`--host=${env?.DOCKER_HOST}`);
      expect(engine.restartPolicy).toBe('Always');
      for (const shared of ['docker-socket', 'iofs']) {
        const at = workload?.containers.map(
          ({ volumeMounts }) => volumeMounts?.find((found) => found.name === shared)?.mountPath,
        );
        expect(new Set(at).size).toBe(1);
      }
      // What functions may have fits into what the engine has.
      const memory = { Gi: 2 ** 30, Mi: 2 ** 20 };
      const [, amount, unit] = /^(\d+)(Gi|Mi)$/.exec(engine.resources.limits.memory) ?? [];
      expect(Number(env?.FN_MAX_TOTAL_MEMORY_BYTES)).toBeLessThan(Number(amount) * memory[unit as keyof typeof memory]);
      expect(Number(env?.FN_MAX_TOTAL_CPU_MCPUS)).toBeLessThanOrEqual(Number(engine.resources.limits.cpu) * 1000);
    }
    // The engine did not make the container of its runner, and cannot say whether that is gone.
    expect(env?.FN_CONTAINER_LABEL_TAG).toBeDefined();
    expect(workload?.object.kind).toBe('DaemonSet');
    expect(workload?.object.spec.updateStrategy.rollingUpdate).not.toHaveProperty('maxSurge');
    // Its own limits would be taken for those of functions.
    expect(workload?.node.resources.limits).toBeUndefined();
  });

  it('gives pods more time to end than they take to drain', () => {
    for (const { env, workload } of overlay.environments) {
      const [, pauseMs = '0'] = /, (\d+)\)$/.exec(workload.node.lifecycle?.preStop.exec.command.at(-1) ?? '') ?? [];
      const needed = Number(env.FN_DRAIN_GRACE_MSECS) + Number(pauseMs);
      expect([workload.name, workload.pod.terminationGracePeriodSeconds * 1000 > needed]).toEqual([
        workload.name,
        true,
      ]);
    }
  });

  it('scales what there is, by metrics that there are', () => {
    for (const { spec } of overlay.of('HorizontalPodAutoscaler')) {
      const target = overlay
        .of(spec.scaleTargetRef.kind)
        .find(({ metadata }) => metadata.name === spec.scaleTargetRef.name);
      // A number of its own would fight with the autoscaler at each `kubectl apply`.
      expect(target?.spec).not.toHaveProperty('replicas');
      for (const { pods } of spec.metrics) {
        if (pods === undefined) continue;
        const metric = pods.metric.name.replace(/^fn_/, '') as keyof typeof METRICS;
        expect(METRICS[metric]?.kind).toBe('gauge');
      }
    }
  });

  it('lets the balancer ask for what it asks for, and for a service that there is', () => {
    const lb = overlay.environments.find((found) => found.workload.name === 'lb');
    const [, namespace, service, port] =
      /^k8s:\/\/([\w-]+)\/([\w-]+):(\w+)$/.exec(String(lb?.env.FN_RUNNER_POOL)) ?? [];
    const found = overlay.of('Service').find(({ metadata }) => metadata.name === service);
    expect([found?.metadata.namespace, found?.spec.clusterIP]).toEqual([namespace, 'None']);
    expect(found?.spec.ports.map((candidate: { name: string }) => candidate.name)).toContain(port);

    const [binding] = overlay.of('RoleBinding');
    const [role] = overlay.of('Role');
    expect(binding?.subjects).toEqual([
      { kind: 'ServiceAccount', name: lb?.workload.pod.serviceAccountName, namespace },
    ]);
    expect(binding?.roleRef).toMatchObject({ kind: 'Role', name: role?.metadata.name });
    const tokens = overlay.workloads.filter(({ pod }) => pod.automountServiceAccountToken !== false);
    expect(tokens.map((workload) => workload.name)).toEqual(['lb']);
  });
});

let folder: string | undefined;
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

/** What secrets.sh prints. It makes keys, so it is asked once. */
async function secrets(): Promise<ReturnType<typeof objectsIn>> {
  printed ??= (async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'e2e-kubernetes-'));
    const env = {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
      KUBECTL: await testTool('kubectl'),
      FNFLEET_CERTS: path.join(folder, 'certs'),
    };
    const { stdout } = await run(path.join(KUBERNETES, 'secrets.sh'), ['functions.example'], { env });
    return objectsIn(stdout);
  })();
  return printed;
}
let printed: Promise<ReturnType<typeof objectsIn>> | undefined;
