/** The expected shape of a JSON value. Only fields that are read are named; others are ignored. */
export type Shape =
  | 'string'
  | 'number'
  | 'boolean'
  | { readonly optional: Shape }
  /** A value that may be missing or null. */
  | { readonly orNull: Shape }
  | { readonly list: Shape }
  /** A map with any keys, and values of one shape. */
  | { readonly mapOf: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

/** The shape of an answer whose content does not matter. */
export const ANYTHING = { fields: {} } as const satisfies Shape;

/** What a value of a shape is. */
export type OfShape<S> = S extends 'string'
  ? string
  : S extends 'number'
    ? number
    : S extends 'boolean'
      ? boolean
      : S extends { readonly optional: infer O }
        ? OfShape<O> | undefined
        : S extends { readonly orNull: infer O }
          ? OfShape<O> | null | undefined
          : S extends { readonly list: infer L }
            ? readonly OfShape<L>[]
            : S extends { readonly mapOf: infer M }
              ? Readonly<Record<string, OfShape<M>>>
              : S extends { readonly fields: infer F }
                ? Fields<F>
                : never;

type Missing = { readonly optional: unknown } | { readonly orNull: unknown };
type Fields<F> = { readonly [K in keyof F as F[K] extends Missing ? never : K]: OfShape<F[K]> } & {
  readonly [K in keyof F as F[K] extends Missing ? K : never]?: OfShape<F[K]>;
};

/**
 * Parses JSON and checks its shape.
 * @returns undefined if it is not JSON or has another shape
 */
export function readJson<T>(text: string, shape: Shape): T | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return fits(value, shape) ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

function fits(value: unknown, shape: Shape): boolean {
  if (typeof shape === 'string') return typeof value === shape;
  if ('optional' in shape) return value === undefined || fits(value, shape.optional);
  if ('orNull' in shape) return value === undefined || value === null || fits(value, shape.orNull);
  if ('list' in shape) return Array.isArray(value) && value.every((item) => fits(item, shape.list));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  if ('mapOf' in shape) return Object.values(fields).every((field) => fits(field, shape.mapOf));
  return Object.entries(shape.fields).every(([name, field]) => fits(fields[name], field));
}
