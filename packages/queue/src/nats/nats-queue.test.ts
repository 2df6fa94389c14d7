// needs: nats-server
// takes: 5 s
import { NatsServer } from '@fnfleet/testing';
import { describeQueue } from '../testing/describe-queue.js';
import { NatsSetup } from '../testing/nats-setup.js';

let server: NatsServer;
beforeAll(async () => {
  server = await NatsServer.start();
});
afterAll(() => server.close());

describeQueue('NATS', () => new NatsSetup(server, true));
