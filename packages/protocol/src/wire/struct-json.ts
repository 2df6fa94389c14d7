/** A `google.protobuf.Struct` in the message objects of this package. */
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
 * The struct as JSON, without white space and with ordered keys.
 * @throws Error for a number that JSON cannot represent
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
    throw new Error(`the number ${numberValue} cannot be represented in JSON`);
  }
  return JSON.stringify(numberValue ?? stringValue ?? boolValue ?? null);
}
