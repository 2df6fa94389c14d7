import { TurnoverMap } from '@fnfleet/core';

interface Node<T> {
  readonly value: T;
  before: Node<T> | undefined;
  after: Node<T> | undefined;
}

/** An ordered list of unique values. Adding at either end and removing anywhere take constant time. */
export class LinkedList<T> {
  private first: Node<T> | undefined;
  private last: Node<T> | undefined;
  private readonly nodes = new TurnoverMap<T, Node<T>>();

  get size(): number {
    return this.nodes.size;
  }

  get head(): T | undefined {
    return this.first?.value;
  }

  get tail(): T | undefined {
    return this.last?.value;
  }

  push(value: T): void {
    const node: Node<T> = { value, before: this.last, after: undefined };
    if (this.last) this.last.after = node;
    else this.first = node;
    this.last = node;
    this.nodes.set(value, node);
  }

  unshift(value: T): void {
    const node: Node<T> = { value, before: undefined, after: this.first };
    if (this.first) this.first.before = node;
    else this.last = node;
    this.first = node;
    this.nodes.set(value, node);
  }

  /** Returns false if it is not in the list. */
  delete(value: T): boolean {
    const node = this.nodes.get(value);
    if (node === undefined) return false;
    if (node.before) node.before.after = node.after;
    else this.first = node.after;
    if (node.after) node.after.before = node.before;
    else this.last = node.before;
    // A removed node that was promoted would keep its successors from being collected young.
    node.before = undefined;
    node.after = undefined;
    return this.nodes.delete(value);
  }

  *[Symbol.iterator](): Generator<T> {
    let node = this.first;
    while (node) {
      // The loop body may remove the value.
      const { value, after }: Node<T> = node;
      yield value;
      node = after;
    }
  }
}
