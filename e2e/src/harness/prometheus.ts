import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, TestProgram, testTool, until } from '@fnfleet/testing';
import { stringify } from 'yaml';
import { request } from './requests.js';

export interface PrometheusOptions {
  /** Where the nodes of each job are, `host:port`. */
  readonly jobs: Readonly<Record<string, readonly string[]>>;
  /** What it shows them, and whom it trusts: files. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly ruleFile: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface LoadedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

/** A real one, which scrapes and evaluates every second. */
export class Prometheus {
  private constructor(
    private readonly program: TestProgram,
    private readonly url: string,
    private readonly folder: string,
  ) {}

  static async start({ jobs, tls, ruleFile }: PrometheusOptions): Promise<Prometheus> {
    const folder = mkdtempSync(path.join(tmpdir(), 'e2e-prometheus-'));
    const tls_config = { ca_file: tls.ca, cert_file: tls.cert, key_file: tls.key };
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [ruleFile],
      scrape_configs: Object.entries(jobs).map(([job_name, targets]) => ({
        job_name,
        scheme: 'https',
        tls_config,
        static_configs: [{ targets }],
      })),
    };
    const file = path.join(folder, 'prometheus.yml');
    writeFileSync(file, stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const url = `http://${address}`;
    try {
      const program = await TestProgram.start(
        await testTool('prometheus'),
        [
          `--config.file=${file}`,
          `--storage.tsdb.path=${path.join(folder, 'data')}`,
          `--web.listen-address=${address}`,
        ],
        () => isReady(url),
      );
      return new Prometheus(program, url, folder);
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** What an instant query has now. @throws Error with what Prometheus says of an expression that it does not take */
  async query(expr: string): Promise<Sample[]> {
    const { result } = await this.ask<{ result: { metric: Sample['metric']; value: [number, string] }[] }>(
      `query?query=${encodeURIComponent(expr)}`,
    );
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  async rules(): Promise<LoadedRule[]> {
    const { groups } = await this.ask<{ groups: { rules: LoadedRule[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async alerts(): Promise<Alert[]> {
    return (await this.ask<{ alerts: Alert[] }>('alerts')).alerts;
  }

  async stop(): Promise<void> {
    await this.program.kill();
    rmSync(this.folder, { recursive: true });
  }

  private async ask<T>(what: string): Promise<T> {
    const { body } = await request(`${this.url}/api/v1/${what}`);
    const answer = (await body.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${what}: ${answer.error}`);
    return answer.data;
  }
}

async function isReady(url: string): Promise<void> {
  await until({
    what: 'Prometheus',
    look: async () => {
      const answer = await request(`${url}/-/ready`).catch(() => undefined);
      await answer?.body.dump();
      return answer?.statusCode === 200 || undefined;
    },
  });
}
