// needs: prometheus
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testTool } from '@fnfleet/testing';
import { parse, stringify } from 'yaml';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';
import { composeFiles } from './compose-files.js';

jest.setTimeout(120_000);

const FILES = ['swarm', 'compose', 'kubernetes'].map((target) => `deploy/${target}/prometheus.yml`);
/** Where Prometheus finds them in its container. */
const RULES = '/etc/prometheus/rules/alerts.yml';

interface Scrape {
  readonly job_name: string;
  readonly scheme: string;
  kubernetes_sd_configs?: unknown;
  readonly tls_config: {
    readonly ca_file: string;
    readonly cert_file: string;
    readonly key_file: string;
    readonly server_name: string;
  };
}

it.each(FILES)('%s is one that Prometheus takes', async (file) => {
  // It comes with the server.
  const promtool = (await testTool('prometheus')).replace(/prometheus$/, 'promtool');
  const folder = mkdtempSync(path.join(tmpdir(), 'e2e-prometheus-'));
  try {
    const config = read(file);
    // Debian builds it without the discovery of Kubernetes.
    for (const job of config.scrape_configs) delete job.kubernetes_sd_configs;
    const copy = path.join(folder, 'prometheus.yml');
    writeFileSync(copy, stringify(config));
    await run(promtool, ['check', 'config', '--syntax-only', copy]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.each(FILES)('%s loads the alerts', (file) => {
  expect(read(file).rule_files).toEqual([RULES]);
});

it('Compose and the Swarm put the alerts where they are looked for', () => {
  const [compose, swarm] = composeFiles();
  expect(compose?.services.prometheus?.volumes).toContain(`../prometheus:${path.posix.dirname(RULES)}:ro`);
  const config = swarm?.services.prometheus?.configs?.find(({ target }) => target === RULES);
  expect(swarm?.configs?.[config?.source ?? '']?.file).toBe('../prometheus/alerts.yml');
});

it.each(FILES)('%s scrapes every role over TLS, under the name in its certificate, and shows its own', (file) => {
  const { scrape_configs: jobs } = read(file);
  expect(jobs.map(({ job_name: name }) => name).sort()).toEqual(['fnfleet-api', 'fnfleet-lb', 'fnfleet-runner']);
  for (const { job_name: name, scheme, tls_config: tls } of jobs) {
    expect([scheme, `fnfleet-${tls.server_name}`]).toEqual(['https', name]);
    expect([tls.cert_file, tls.key_file]).toEqual([
      expect.stringMatching(/\/tls\.crt$/),
      expect.stringMatching(/\/tls\.key$/),
    ]);
  }
});

function read(file: string): { readonly rule_files: readonly string[]; readonly scrape_configs: readonly Scrape[] } {
  return parse(readFileSync(path.join(ROOT, file), 'utf8'), { merge: true });
}
