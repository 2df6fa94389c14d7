/** A `google.protobuf.Struct` as message objects of this package have it. */
export interface StructMessage {
  readonly fields?: Readonly<Record<string, ValueMessage>>;
}

/** Exactly one is set; none means null. */
export interface ValueMessage {
  readonly nullValue?: unknown;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: StructMessage;
  readonly listValue?: { readonly values?: readonly ValueMessage[] };
}

/**
 * The struct as JSON: no white space, keys in order.
 * @throws Error for a number that JSON does not have
 */
export function structToJson({ fields = {} }: StructMessage): string {
  const members = Object.keys(fields)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${valueToJson(fields[key] ?? {})}`);
  return `{${members.join(',')}}`;
}

function valueToJson(value: ValueMessage): string {
  const { numberValue, stringValue, boolValue, structValue, listValue } = value;
  if (structValue) return structToJson(structValue);
  if (listValue) return `[${(listValue.values ?? []).map(valueToJson).join(',')}]`;
  if (numberValue !== undefined && !Number.isFinite(numberValue)) {
    throw new Error(`a struct cannot be JSON with the number ${numberValue} in it`);
  }
  return JSON.stringify(numberValue ?? stringValue ?? boolValue ?? null);
}
