export type {
  AttemptOutcome,
  BodyPiece,
  BodyReader,
  CallReport,
  OutboundCall,
  RefusalReason,
  ReplayableBody,
} from './outbound-call.js';
export type { RunnerStatus } from './runner-status.js';
