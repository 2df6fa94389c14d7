// needs: nats-server
// takes: 20 s
import { NatsServer } from '@fnfleet/testing';
import { describePromises } from '../testing/describe-promises.js';
import { NatsSetup } from '../testing/nats-setup.js';

let server: NatsServer;
beforeAll(async () => {
  server = await NatsServer.start();
});
afterAll(() => server.close());

describePromises('NATS', { newSetup: () => new NatsSetup(server, true), schedules: 40 });
