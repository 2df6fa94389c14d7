import { MIB, printableLine } from '@fnfleet/core';
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';

/** Maximum bytes of a file. The configuration and annotations of a function are limited to less. */
export const MAX_FILE_BYTES = MIB / 8;
/**
 * Maximum values that are read, counted again for each alias: a few hundred bytes of nested aliases can expand to
 * billions.
 */
const MAX_VALUES = 10_000;
/** Maximum nesting of values, which also stops an alias that contains itself. */
const MAX_DEPTH = 50;
/** Maximum characters of a name or value in a message. */
const MAX_SHOWN = 100;

/** The spellings of null in YAML 1.1. */
const NULLS: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);

/** A value in the file, and its path there. */
export interface Entry {
  /** From the top: `config.A`, `triggers[0].source`. */
  readonly path: string;
  readonly key: string;
  readonly line: number;
  /** Undefined if the value is missing. */
  readonly node: Node | undefined;
}

/**
 * A YAML file that is read value by value. Text is taken literally, whatever type YAML infers: `0.10` stays `0.10`, and
 * `yes` stays `yes`. Errors name file, line and key.
 */
export class YamlDocument {
  readonly top: Entry;
  /** Whether the file has more documents, which are not read. */
  readonly hasMore: boolean;
  private readonly lines = new LineCounter();
  private readonly targets = new Map<Alias, Node | undefined>();
  private readonly maxValues: number;
  private valuesLeft: number;

  /**
   * @param limits `maxValues`: maximum number of values that are read, counted again for each alias; 10 000 by default
   * @throws Error when it is not YAML
   */
  constructor(
    private readonly file: string,
    text: string,
    limits: { readonly maxValues?: number } = {},
  ) {
    this.maxValues = limits.maxValues ?? MAX_VALUES;
    this.valuesLeft = this.maxValues;
    // `fn` reads YAML 1.1, which has merge keys and more spellings of booleans.
    const options = { version: '1.1', lineCounter: this.lines, prettyErrors: false, uniqueKeys: false } as const;
    const document = parseDocument(text, options);
    // `fn` reads only the first document, too.
    const [error] = document.errors.filter(({ code }) => code !== 'MULTIPLE_DOCS');
    this.hasMore = document.errors.length > 0;
    if (error !== undefined) {
      const message = error.message.startsWith('Maximum call stack') ? 'nested too deep' : error.message;
      throw new Error(`${file}:${this.lines.linePos(error.pos[0]).line}: ${printableLine(message, MAX_SHOWN)}`);
    }
    this.top = { path: '', key: '', line: 1, node: document.contents ?? undefined };
    this.findTargets(document.contents);
  }

  /** The error about one entry. */
  problem({ path, line }: Entry, message: string): Error {
    return new Error(`${this.at(line)}: ${path === '' ? '' : `${printableLine(path, MAX_SHOWN)}: `}${message}`);
  }

  at(line: number): string {
    return `${this.file}:${line}`;
  }

  /** @returns undefined if it is empty or null */
  text(entry: Entry): string | undefined {
    const scalar = this.scalar(entry, 'text');
    return scalar === undefined || isNull(scalar) ? undefined : textOf(scalar);
  }

  /**
   * Reads a whole number in the syntax of YAML 1.1. Undefined if it is empty or null.
   */
  whole(entry: Entry): number | undefined {
    const scalar = this.scalar(entry, 'a whole number');
    if (scalar === undefined || isNull(scalar)) return undefined;
    const { source = '', type, value } = scalar;
    const shown = JSON.stringify(printableLine(source, MAX_SHOWN));
    if (type !== 'PLAIN') throw this.problem(entry, `expected a whole number, got the text ${shown}`);
    // `fn` reads it as octal, most other readers as decimal.
    if (/^[+-]?0[\d_]+$/.test(source)) {
      throw this.problem(entry, `expected a whole number, got ${shown}: leave out the leading zero`);
    }
    if (typeof value === 'number' && Number.isSafeInteger(value) && !source.includes(':')) return value;
    throw this.problem(entry, `expected a whole number, got ${shown}`);
  }

  /** Entries of a map by key, including those of its merge keys (`<<`). Empty if the value is missing. */
  map(entry: Entry): Map<string, Entry> {
    const node = this.resolve(entry);
    const entries = new Map<string, Entry>();
    if (node === undefined || (isScalar(node) && isNull(node))) return entries;
    if (!isMap(node)) throw this.problem(entry, `expected a map of keys and values, got ${kindOf(node)}`);
    this.fill(entry, node, entries, 0);
    return entries;
  }

  /** Entries of a list. Empty if the value is missing. */
  list(entry: Entry): Entry[] {
    const node = this.resolve(entry);
    if (node === undefined || (isScalar(node) && isNull(node))) return [];
    if (!isSeq(node)) throw this.problem(entry, `expected a list, got ${kindOf(node)}`);
    return node.items.map((item, index) => {
      const value = item as Node | undefined;
      return {
        path: `${entry.path}[${index}]`,
        key: String(index),
        line: this.lineOf(value) ?? entry.line,
        node: value,
      };
    });
  }

  /** The value as JSON: here types matter. */
  json(entry: Entry, depth = 0): unknown {
    if (depth > MAX_DEPTH) throw this.problem(entry, `nested more than ${MAX_DEPTH} levels deep`);
    const node = this.resolve(entry);
    if (node === undefined) return null;
    if (isMap(node)) {
      return Object.fromEntries([...this.map(entry)].map(([key, value]) => [key, this.json(value, depth + 1)]));
    }
    if (isSeq(node)) return this.list(entry).map((item) => this.json(item, depth + 1));
    const scalar = node as Scalar;
    const { value, source = '' } = scalar;
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number' && !source.includes(':')) {
      const isExact = !Number.isInteger(value) || Number.isSafeInteger(value) || JSON.stringify(value) === source;
      if (Number.isFinite(value) && isExact) return value;
      throw this.problem(entry, 'a number that JSON cannot hold exactly; write it in quotes');
    }
    return isNull(scalar) ? null : textOf(scalar);
  }

  private fill(entry: Entry, map: YAMLMap, entries: Map<string, Entry>, depth: number): void {
    const merged: Entry[] = [];
    const own = new Set<string>();
    for (const { key: keyNode, value } of map.items) {
      const line = this.lineOf(keyNode as Node) ?? entry.line;
      const unnamed: Entry = { path: entry.path, key: '', line, node: keyNode as Node };
      const scalar = this.scalar(unnamed, 'text as a key');
      const key = scalar === undefined ? '' : textOf(scalar);
      const path = entry.path === '' ? key : `${entry.path}.${key}`;
      const child: Entry = { path, key, line, node: (value as Node | null) ?? undefined };
      if (key === '<<' && scalar?.type === 'PLAIN') {
        merged.push(child);
        continue;
      }
      if (own.has(key)) throw this.problem(child, 'duplicate key');
      own.add(key);
      // Own keys of a map override merged ones.
      if (depth === 0 || !entries.has(key)) entries.set(key, child);
    }
    for (const child of merged) this.merge(child, entries, depth + 1);
  }

  /** If several merged maps have a key, the first one wins. */
  private merge(entry: Entry, entries: Map<string, Entry>, depth: number): void {
    if (depth > MAX_DEPTH) throw this.problem(entry, `maps merged more than ${MAX_DEPTH} levels deep`);
    const node = this.resolve(entry);
    const parts = isSeq(node) ? this.list(entry) : [entry];
    for (const part of parts) {
      const map = this.resolve(part);
      if (!isMap(map)) throw this.problem(part, `expected a map to merge, got ${kindOf(map)}`);
      this.fill({ ...part, path: parentOf(entry.path) }, map, entries, depth);
    }
  }

  private scalar(entry: Entry, expected: string): Scalar | undefined {
    const node = this.resolve(entry);
    if (node === undefined || isScalar(node)) return node;
    throw this.problem(entry, `expected ${expected}, got ${kindOf(node)}`);
  }

  /** The node of an entry, with an alias resolved. */
  private resolve(entry: Entry): Node | undefined {
    this.valuesLeft -= 1;
    if (this.valuesLeft < 0) throw this.problem(entry, `more than ${this.maxValues} values, with aliases expanded`);
    const { node } = entry;
    if (!isAlias(node)) return node;
    const target = this.targets.get(node);
    if (target === undefined)
      throw this.problem(entry, `no anchor &${printableLine(node.source, MAX_SHOWN)} before it`);
    return target;
  }

  /** An alias refers to the last anchor of its name before it. */
  private findTargets(contents: Node | null): void {
    const anchors = new Map<string, Node>();
    visit(contents, (_key, node) => {
      if (isAlias(node)) this.targets.set(node, anchors.get(node.source));
      else if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor) anchors.set(node.anchor, node);
    });
  }

  private lineOf(node: Node | null | undefined): number | undefined {
    return node?.range ? this.lines.linePos(node.range[0]).line : undefined;
  }
}

/** Whether other parts of the file may refer to it. */
export function hasAnchor({ node }: Entry): boolean {
  return node !== undefined && !isAlias(node) && node.anchor !== undefined;
}

function textOf({ value, source = '' }: Scalar): string {
  // `!!binary`
  return value instanceof Uint8Array ? Buffer.from(value).toString() : source;
}

function isNull({ type, tag, source = '' }: Scalar): boolean {
  return type === 'PLAIN' && tag === undefined && NULLS.has(source);
}

function kindOf(node: unknown): string {
  if (isSeq(node)) return 'a list';
  return isMap(node) ? 'a map' : 'a single value';
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}
