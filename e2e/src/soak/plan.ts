import { CALL_KINDS, type CallKind, type CallScript, type FunctionKind, PLAIN } from './kinds.js';
import { Random } from './random.js';

export interface SoakOptions {
  readonly seed: number;
  readonly calls: number;
  readonly functions: number;
  /** Calls of one round: the clients' and then the storm's. */
  readonly roundCalls: number;
  /** Clients that call one after another for as long as a round lasts. */
  readonly clients: number;
  /** Calls that all come at once at the end of a round, each of another function. */
  readonly stormCalls: number;
  /** Of every function. Late enough that calls find hot containers, soon enough that a soak need not wait for its end. */
  readonly idleTimeoutSeconds: number;
}

export interface PlannedFunction {
  readonly name: string;
  readonly kind: FunctionKind;
}

export interface PlannedCall extends CallScript {
  readonly label: string;
  readonly kind: CallKind;
  readonly fn: PlannedFunction;
}

export interface Round {
  /** All at the same time; the calls of a lane one after another. */
  readonly lanes: readonly (readonly PlannedCall[])[];
  /** Afterwards, all at once. */
  readonly storm: readonly PlannedCall[];
}

export interface Plan {
  readonly functions: readonly PlannedFunction[];
  /** The first warms the fleet up. */
  readonly rounds: readonly Round[];
}

/** There are more functions than containers. The popularity of functions (Zipf) decides how often one is started anew. */
const POPULARITY = 1.3;
/** How many calls a client makes before it turns to another function. */
const STAY = { min: 8, max: 40 } as const;

/** The same for the same options, to the last byte. */
export function planSoak(options: SoakOptions): Plan {
  const random = new Random(options.seed);
  const functions = planFunctions(options.functions);
  const rounds: Round[] = [];
  for (let planned = 0; planned < options.calls; planned += options.roundCalls) {
    const calls = Math.min(options.roundCalls, options.calls - planned);
    const storm = Math.min(options.stormCalls, calls);
    const ofClients = spread(calls - storm, options.clients);
    const label = `${options.seed}.${rounds.length}`;
    rounds.push({
      lanes: ofClients.map((count, lane) => session(functions, count, random.fork(), `${label}.${lane}`)),
      storm: planStorm(functions, storm, random.fork(), `${label}.storm`),
    });
  }
  return { functions, rounds };
}

/** A few of each special kind, the rest ordinary. */
function planFunctions(count: number): PlannedFunction[] {
  const few = Math.max(1, Math.floor(count / 15));
  const kinds: FunctionKind[] = [
    ...Array<FunctionKind>(few).fill('hog'),
    ...Array<FunctionKind>(few).fill('slow'),
    ...Array<FunctionKind>(few).fill('broken'),
  ];
  while (kinds.length < count) kinds.unshift('ordinary');
  return kinds.map((kind, index) => ({ name: `${kind}-${index}`, kind }));
}

function session(functions: readonly PlannedFunction[], count: number, random: Random, lane: string): PlannedCall[] {
  const calls: PlannedCall[] = [];
  let fn = popular(functions, random);
  let stay = random.between(STAY.min, STAY.max);
  while (calls.length < count) {
    if (stay === 0) {
      fn = popular(functions, random);
      stay = random.between(STAY.min, STAY.max);
    }
    stay -= 1;
    const kind = random.pick(CALL_KINDS, WEIGHTS);
    const target = kind.of === 'ordinary' ? fn : anyOf(kind.of, functions, random);
    calls.push(planCall(kind, target, random, `${lane}.${calls.length}`));
  }
  return calls;
}

/** More functions than there is room for, all at once. */
function planStorm(functions: readonly PlannedFunction[], count: number, random: Random, lane: string): PlannedCall[] {
  const ordinary = functions.filter(({ kind }) => kind === 'ordinary');
  const first = random.between(0, ordinary.length - 1);
  const inTurn = [...ordinary.slice(first), ...ordinary.slice(0, first)];
  return Array.from({ length: Math.ceil(count / inTurn.length) }, () => inTurn)
    .flat()
    .slice(0, count)
    .map((fn, index) => planCall(PLAIN, fn, random, `${lane}.${index}`));
}

function planCall(kind: CallKind, fn: PlannedFunction, random: Random, label: string): PlannedCall {
  return { label, kind, fn, ...kind.script(random, label) };
}

const WEIGHTS = CALL_KINDS.map(({ weight }) => weight);

function popular(functions: readonly PlannedFunction[], random: Random): PlannedFunction {
  const ordinary = functions.filter(({ kind }) => kind === 'ordinary');
  return random.pick(
    ordinary,
    ordinary.map((_, rank) => (rank + 1) ** -POPULARITY),
  );
}

function anyOf(kind: FunctionKind, functions: readonly PlannedFunction[], random: Random): PlannedFunction {
  if (kind === 'unknown') return { name: 'unknown', kind };
  const some = functions.filter((fn) => fn.kind === kind);
  return random.pick(
    some,
    some.map(() => 1),
  );
}

function spread(total: number, lanes: number): number[] {
  return Array.from({ length: lanes }, (_, lane) => Math.floor((total + lane) / lanes));
}
