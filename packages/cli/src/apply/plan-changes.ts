import { parseApp, parseFn, parseTrigger, systemClock } from '@fnfleet/core';
import {
  changedApp,
  changedFn,
  changedTrigger,
  newApp,
  newFn,
  newTrigger,
  parseAppInput,
  parseFnInput,
  parseTriggerInput,
} from '@fnfleet/core/resources';
import type { ApiClient, AppRef, FnRef, TriggerRef } from '../api-client.js';
import { isSchedule, pathOf } from '../deploy/plan-triggers.js';
import { bySource } from '../deploy/source-order.js';
import { appState, type FnState, fnState, type TriggerState, triggerState } from './desired-state.js';
import {
  annotationLines,
  annotationsChange,
  differencesOf,
  type Mapped,
  mapChange,
  scalarLines,
} from './differences.js';
import type { Located, LocatedApp } from './read-folder.js';

export interface PlanOptions {
  /** Removes functions and triggers that the folder does not have, of the apps that it has. */
  readonly prune: boolean;
  /** Only creates what is missing, and leaves everything else as it is. */
  readonly createOnly: boolean;
  /** Shows the values of configurations, which may be secrets. */
  readonly showValues: boolean;
}

/** One change, with the lines that describe it. */
export interface Step {
  /** `+` creates, `~` changes, `-` removes. */
  readonly lines: readonly string[];
  readonly run: () => Promise<unknown>;
}

export interface Plan {
  /** In an order that works. */
  readonly steps: readonly Step[];
  /** What differs from the folder and stays as it is. */
  readonly kept: readonly string[];
}

/**
 * Compares an app of a folder with an API node. Changes nothing; what the API would reject is found here.
 * @throws Error that names the file
 */
export async function planApp(api: ApiClient, wanted: LocatedApp, options: PlanOptions): Promise<Plan> {
  const app = await api.findApp(wanted.value.name);
  const [fns, triggers] = app ? [await api.listFns(app.id), await api.listTriggers(app.id)] : [[], []];
  return new AppPlanner(api, wanted, { app, fns, triggers }, options).plan();
}

interface Current {
  readonly app: AppRef | undefined;
  readonly fns: readonly FnRef[];
  readonly triggers: readonly TriggerRef[];
}

/** Stands for an id that the API node has not given yet. */
const NEW = 'new';

class AppPlanner {
  private readonly steps: Step[] = [];
  private readonly kept: string[] = [];
  private readonly fnsByName: Map<string, FnRef>;
  private readonly fnNames: ReadonlyMap<string, string>;
  private readonly now = systemClock.wallNow();
  private app: AppRef | undefined;

  constructor(
    private readonly api: ApiClient,
    private readonly wanted: LocatedApp,
    private readonly current: Current,
    private readonly options: PlanOptions,
  ) {
    this.app = current.app;
    this.fnsByName = new Map(current.fns.map((fn) => [fn.name, fn]));
    this.fnNames = new Map(current.fns.map(({ id, name }) => [id, name]));
  }

  plan(): Plan {
    const { wanted, current, options } = this;
    const names = new Set(wanted.functions.map(({ value }) => value.name));
    const surplus = current.fns.filter(({ name }) => !names.has(name));
    this.planAppItself();
    for (const fn of wanted.functions) this.planFn(fn);
    this.planTriggers(surplus);
    for (const fn of surplus) {
      const line = `- function ${this.name}/${fn.name}`;
      if (options.prune) this.steps.push({ lines: [line], run: () => this.api.deleteFn(fn.id, fn) });
      else this.kept.push(`function ${this.name}/${fn.name} is not in the folder`);
    }
    return { steps: this.steps, kept: this.kept };
  }

  private get name(): string {
    return this.wanted.value.name;
  }

  private planAppItself(): void {
    const { api, wanted, current } = this;
    const { value, file } = wanted;
    const { name, shape, config, annotations } = value;
    const title = `app ${name}`;
    if (current.app === undefined) {
      const fields = {
        config,
        annotations,
        ...(shape !== '' && { shape }),
        ...(value.syslogUrl !== '' && { syslog_url: value.syslogUrl }),
      };
      check(file, () => newApp(parseAppInput(JSON.stringify({ name, ...fields })), NEW, this.now));
      this.steps.push({
        lines: [`+ ${title}`],
        run: async () => {
          this.app = await api.createApp(name, fields);
        },
      });
      return;
    }
    const { id } = current.app;
    const now = appState(current.app, []);
    if (shape !== '' && shape !== now.shape) {
      throw new Error(`${file}: shape: app ${name} has ${now.shape || 'none'}, and a shape never changes`);
    }
    const change = {
      ...(value.syslogUrl !== now.syslogUrl && { syslog_url: value.syslogUrl }),
      ...mapChange('config', now.config, config),
      ...annotationsChange(now, value),
    };
    const differences = [
      ...scalarLines({ syslog_url: [now.syslogUrl, value.syslogUrl] }),
      ...this.mapLines(now, value),
    ];
    this.update(title, file, differences, {
      validate: () =>
        changedApp(parseApp(JSON.stringify(current.app)), parseAppInput(JSON.stringify(change)), this.now),
      run: () => api.updateApp(id, change, current.app),
    });
  }

  private planFn({ value, file }: Located<FnState>): void {
    const { api } = this;
    const { name, image, memory, timeout, idleTimeout, config, annotations } = value;
    const title = `function ${this.name}/${name}`;
    const existing = this.fnsByName.get(name);
    if (existing === undefined) {
      const spec = { name, image, memory, timeout, idle_timeout: idleTimeout, config, annotations };
      check(file, () => newFn(parseFnInput(JSON.stringify({ ...spec, app_id: NEW })), NEW, this.now));
      this.steps.push({
        lines: [`+ ${title} (image ${image})`],
        run: async () => {
          this.fnsByName.set(name, await api.createFn(this.app?.id ?? '', spec));
        },
      });
      return;
    }
    const now = fnState(existing, []);
    const scalars = {
      image: [now.image, image],
      memory: [now.memory, memory],
      timeout: [now.timeout, timeout],
      idle_timeout: [now.idleTimeout, idleTimeout],
    } as const;
    const changed = Object.entries(scalars).filter(([, [before, after]]) => before !== after);
    const change = {
      ...Object.fromEntries(changed.map(([key, [, after]]) => [key, after])),
      ...mapChange('config', now.config, config),
      ...annotationsChange(now, value),
    };
    this.update(title, file, [...scalarLines(scalars), ...this.mapLines(now, value)], {
      validate: () => changedFn(parseFn(JSON.stringify(existing)), parseFnInput(JSON.stringify(change)), this.now),
      run: () => api.updateFn(existing.id, change, existing),
    });
  }

  private planTriggers(surplusFns: readonly FnRef[]): void {
    const { options, current } = this;
    const existing = new Map(current.triggers.map((trigger) => [keyOf(trigger.fn_id, trigger.name), trigger]));
    const matches = new Map(
      this.wantedTriggers().map((trigger) => {
        const fn = this.fnsByName.get(trigger.fn);
        return [trigger, fn && existing.get(keyOf(fn.id, trigger.value.name))];
      }),
    );
    const matched = new Set([...matches.values()].map((trigger) => trigger?.id));
    const surplus = current.triggers.filter(({ id }) => !matched.has(id));
    const ofOtherType: ExistingTrigger[] = [];
    for (const [wanted, match] of matches) {
      if (match === undefined || isSchedule(match) === isSchedule(wanted.value)) continue;
      ofOtherType.push({ ...wanted, existing: match });
      matches.delete(wanted);
    }
    if (!options.prune) this.refuseTaken([...matches.keys()], surplus);
    const goingFns = new Set(surplusFns.map(({ id }) => id));
    for (const trigger of surplus) this.removeTrigger(trigger, goingFns);
    for (const trigger of ofOtherType) this.replaceTrigger(trigger, `its type is ${trigger.value.type} now`);
    const moves = [...matches].flatMap(([wanted, match]) =>
      match === undefined
        ? []
        : [{ item: { ...wanted, existing: match }, from: placeOf(wanted, match), to: placeOf(wanted, wanted.value) }],
    );
    const { ordered, blocking } = bySource(moves);
    for (const trigger of blocking) {
      this.replaceTrigger(trigger, `it exchanges its source ${trigger.existing.source} with another one`);
    }
    for (const trigger of ordered) this.changeTrigger(trigger);
    // Last, because other triggers may have to release their sources first.
    for (const [trigger, match] of matches) if (match === undefined) this.createTrigger(trigger);
    if (options.createOnly) return;
    for (const trigger of [...blocking, ...ofOtherType]) this.createTrigger(trigger);
  }

  private wantedTriggers(): WantedTrigger[] {
    return this.wanted.functions.flatMap(({ file, value: fn }) =>
      fn.triggers.map((value) => ({ file, fn: fn.name, value })),
    );
  }

  private refuseTaken(wanted: readonly WantedTrigger[], surplus: readonly TriggerRef[]): void {
    const holders = new Map(surplus.map((trigger) => [pathOf(trigger), trigger]));
    for (const { file, value } of wanted) {
      const holder = isSchedule(value) ? undefined : holders.get(value.source);
      if (holder === undefined) continue;
      throw new Error(
        `${file}: the source ${value.source} of trigger ${value.name} is used by trigger ${holder.name} of function ${this.fnNameOf(holder)}, which the folder does not have; --prune removes it`,
      );
    }
  }

  private removeTrigger(trigger: TriggerRef, surplusFns: ReadonlySet<string>): void {
    const title = `trigger ${this.name}/${this.fnNameOf(trigger)}/${trigger.name}`;
    if (this.options.prune) {
      this.steps.push({ lines: [`- ${title}`], run: () => this.api.deleteTrigger(trigger.id, trigger) });
    } else if (!surplusFns.has(trigger.fn_id)) {
      this.kept.push(`${title} is not in the folder`);
    }
  }

  /** Of triggers that exchange their sources, one has to release its own before the others can move; and a type never changes. */
  private replaceTrigger({ fn, value, existing }: ExistingTrigger, why: string): void {
    const title = `trigger ${this.name}/${fn}/${value.name}`;
    if (this.options.createOnly) {
      this.kept.push(`${title} differs`);
      return;
    }
    this.steps.push({
      lines: [`- ${title}, to be created again: ${why}`],
      run: () => this.api.deleteTrigger(existing.id, existing),
    });
  }

  private changeTrigger({ file, fn, value, existing }: ExistingTrigger): void {
    const now = triggerState(existing);
    const change = {
      ...(now.source !== value.source && { source: value.source }),
      ...annotationsChange(now, value),
    };
    const differences = [...scalarLines({ source: [now.source, value.source] }), ...annotationLines(now, value)];
    this.update(`trigger ${this.name}/${fn}/${value.name}`, file, differences, {
      validate: () =>
        changedTrigger(
          parseTrigger(JSON.stringify({ ...existing, app_id: NEW, type: value.type })),
          parseTriggerInput(JSON.stringify(change)),
          this.now,
        ),
      run: () => this.api.updateTrigger(existing.id, change, existing),
    });
  }

  private createTrigger({ file, fn, value }: WantedTrigger): void {
    const { name, type, source, annotations } = value;
    const spec = { name, type, source, annotations };
    check(file, () =>
      newTrigger(parseTriggerInput(JSON.stringify({ ...spec, app_id: NEW, fn_id: NEW })), NEW, this.now),
    );
    this.steps.push({
      lines: [`+ trigger ${this.name}/${fn}/${value.name} (${value.source})`],
      run: () => this.api.createTrigger(this.fnsByName.get(fn) as FnRef, spec),
    });
  }

  private update(
    title: string,
    file: string,
    differences: readonly string[],
    { validate, run }: { readonly validate: () => unknown; readonly run: () => Promise<unknown> },
  ): void {
    if (differences.length === 0) return;
    if (this.options.createOnly) {
      this.kept.push(`${title} differs`);
      return;
    }
    check(file, validate);
    this.steps.push({ lines: [`~ ${title}`, ...differences.map((line) => `    ${line}`)], run });
  }

  private fnNameOf({ fn_id }: TriggerRef): string {
    return this.fnNames.get(fn_id) ?? fn_id;
  }

  private mapLines(now: Mapped, value: Mapped): string[] {
    const show = this.options.showValues ? JSON.stringify : () => undefined;
    return [...differencesOf('config', now.config, value.config, show), ...annotationLines(now, value)];
  }
}

interface WantedTrigger extends Located<TriggerState> {
  /** The name of its function. */
  readonly fn: string;
}

/** What it occupies in its app. */
function placeOf({ fn }: WantedTrigger, trigger: TriggerRef | TriggerState): string {
  return isSchedule(trigger) ? `schedule ${fn}/${trigger.name}` : trigger.source;
}

interface ExistingTrigger extends WantedTrigger {
  readonly existing: TriggerRef;
}

function keyOf(fnId: string, triggerName: string): string {
  return `${fnId}/${triggerName}`;
}

/** Runs the validation of an API node. */
function check(file: string, make: () => unknown): void {
  try {
    make();
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
