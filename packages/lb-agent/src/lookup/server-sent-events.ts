/** One event of a stream, or a comment, which is a sign of life only. */
export interface ServerSentEvent {
  /** Position after the event; undefined if it has none. */
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Maximum length of an event, in characters; the largest change has about 6 000. */
const MAX_EVENT_LENGTH = 64 * 1024;

/**
 * Parses server-sent events as they arrive (WHATWG HTML, section 9.2), in linear time and bounded memory. The line end
 * is LF or CR LF; a lone CR, which nobody sends, is not one.
 */
export class ServerSentEvents {
  private line = '';
  private held = 0;
  private id: string | undefined;
  private event = '';
  private data: string[] = [];

  /**
   * @returns the events that this text completes
   * @throws Error when an event is too long
   */
  push(text: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      const line = this.line + text.slice(from, at);
      from = at + 1;
      this.line = '';
      this.hold(line.length + 1);
      const complete = this.take(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (complete !== undefined) events.push(complete);
    }
    this.line += text.slice(from);
    if (this.held + this.line.length > MAX_EVENT_LENGTH) throw new TooLong();
    return events;
  }

  private hold(length: number): void {
    this.held += length;
    if (this.held > MAX_EVENT_LENGTH) throw new TooLong();
  }

  private take(line: string): ServerSentEvent | undefined {
    if (line === '') return this.finish();
    const colon = line.indexOf(':');
    if (colon === 0) {
      // A comment belongs to no event.
      this.held -= Math.min(this.held, line.length + 1);
      return undefined;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    else if (field === 'id' && !value.includes('\0')) this.id = value;
    return undefined;
  }

  private finish(): ServerSentEvent | undefined {
    const { id, event, data } = this;
    this.held = 0;
    this.id = undefined;
    this.event = '';
    this.data = [];
    return data.length === 0 ? undefined : { id, event: event || 'message', data: data.join('\n') };
  }
}

class TooLong extends Error {
  constructor() {
    super(`an event of more than ${MAX_EVENT_LENGTH} characters`);
  }
}
