import type { FuzzTarget } from '../target.js';
import { engageAtBalancer } from './engage-at-balancer.js';
import { engageAtRunner } from './engage-at-runner.js';
import { functionAnswers } from './function-answers.js';
import { httpDoor } from './http-door.js';
import { messagesAtRunner } from './messages-at-runner.js';
import { parsers } from './parsers.js';
import { rest } from './rest.js';
import { balancerSession, runnerSession } from './sessions.js';

/** The borders that somebody else sends over. */
export const TARGETS: readonly FuzzTarget[] = [
  balancerSession,
  runnerSession,
  parsers,
  engageAtRunner,
  messagesAtRunner,
  engageAtBalancer,
  functionAnswers,
  httpDoor,
  rest,
];
