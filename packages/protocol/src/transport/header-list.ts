/** Header fields as received, with names in lower case. Values are bytes, one per character. Immutable. */
export class HeaderList {
  /** @param fields name, value, name, value… */
  constructor(readonly fields: readonly string[]) {}

  /** The value of the first field with that name. */
  get(name: string): string | undefined {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  /** Like `get`, but undefined if the field came more than once. */
  only(name: string): string | undefined {
    let found: string | undefined;
    for (let i = 0; i < this.fields.length; i += 2) {
      if (this.fields[i] !== name) continue;
      if (found !== undefined) return undefined;
      found = this.fields[i + 1];
    }
    return found;
  }

  /** By name; the values of a repeated field are joined. For callers that do not know the names. */
  get asObject(): Readonly<Record<string, string>> {
    if (this.object !== undefined) return this.object;
    const object: Record<string, string> = Object.create(null);
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      object[name] = object[name] === undefined ? value : `${object[name]}, ${value}`;
    }
    this.object = object;
    return object;
  }

  private object: Readonly<Record<string, string>> | undefined;

  /** The rules of RFC 9113, section 8, checked once for each list and use: repeated lists are the same object. */
  private asRequest: string | undefined | null = null;
  private asResponse: string | undefined | null = null;

  /** What is wrong with it as the head of a request; undefined if it is valid. */
  requestFault(): string | undefined {
    if (this.asRequest === null) this.asRequest = faultOf(this.fields, REQUEST_PSEUDO) ?? requestFault(this);
    return this.asRequest;
  }

  /** What is wrong with it as the head of a response, or as trailers. */
  responseFault(): string | undefined {
    if (this.asResponse === null) this.asResponse = faultOf(this.fields, RESPONSE_PSEUDO);
    return this.asResponse;
  }
}

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([':status']);
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Control characters except tab, which would end a line or a text elsewhere. */
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

function faultOf(fields: readonly string[], pseudo: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  let regular = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (BAD_VALUE.test(value)) return 'a value with control characters';
    if (name.startsWith(':')) {
      if (regular || !pseudo.has(name) || seen.has(name)) return 'a pseudo-header out of place';
      seen.add(name);
      continue;
    }
    regular = true;
    if (!NAME.test(name)) return 'a name that is none';
    if (CONNECTION_SPECIFIC.has(name) || (name === 'te' && value !== 'trailers')) return `${name} in HTTP/2`;
  }
  return undefined;
}

function requestFault(list: HeaderList): string | undefined {
  const complete = list.get(':method') && list.get(':scheme') && list.get(':path');
  return complete ? undefined : 'a request without a method, a scheme or a path';
}
