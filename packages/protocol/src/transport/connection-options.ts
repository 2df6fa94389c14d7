import type { HeaderList } from './header-list.js';
import type { Http2Stream } from './http2-stream.js';

export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  /** Flow-control window of a stream, bytes; at least 65 535. */
  readonly streamWindowBytes: number;
  /** Flow-control window of the connection: the limit for what a peer can make this end buffer. */
  readonly connectionWindowBytes: number;
  /** Limit for streams opened by the peer; 0 for a client. */
  readonly maxStreams: number;
  /** Looks after which a peer whose socket accepts nothing is disconnected. */
  readonly stuckLooks: number;
  /** Looks after which a stream is reset that has ended here and of whose rest the peer reads nothing. */
  readonly stalledLooks: number;
  readonly events: ConnectionEvents;
}

/** None of these may throw. */
export interface ConnectionEvents {
  /** The peer has opened a stream: give it a listener, or reset it. */
  onStream?(stream: Http2Stream, head: HeaderList): void;
  /** The first frame of the peer has arrived. */
  onReady?(): void;
  /** The peer accepts no new streams; open ones continue. */
  onGoaway?(): void;
  /** A listener has thrown: an internal fault, which cost one stream. */
  onFault?(error: Error): void;
  /** The connection is over, and its streams have been notified. Called once. */
  onClose(error: Error): void;
}
