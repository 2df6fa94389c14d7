/**
 * A peer as a process of its own: `listen <transport> <bytes>` is a runner, `call <transport> <bytes> <port>` a balancer that makes as
 * many calls as its parent asks for. Both report the CPU time that they have used.
 */
import { nodeHttp2 } from './transport-node-http2.mjs';
import { own } from './transport-own.mjs';

/** @type {Map<string, import('./transport-messages.mjs').Transport>} */
const TRANSPORTS = new Map([
  ['own', own],
  ['node:http2', nodeHttp2],
]);

const [, , role, name = '', bytes, port] = process.argv;
const transport = TRANSPORTS.get(name);
if (transport === undefined) throw new Error(`expected one of ${[...TRANSPORTS.keys()].join(', ')}, got ${name}`);
const body = Buffer.alloc(Number(bytes), 'x');
if (role === 'listen') await listen(transport);
else await call(transport);

/** @param {import('./transport-messages.mjs').Transport} transport */
async function listen(transport) {
  const port = await transport.listen(body);
  let from = process.cpuUsage();
  process.on('message', () => {
    const { user, system } = process.cpuUsage(from);
    from = process.cpuUsage();
    process.send?.({ cpuMicros: user + system });
  });
  process.send?.({ port });
}

/** @param {import('./transport-messages.mjs').Transport} transport */
async function call(transport) {
  const callOnce = transport.connect(Number(port), body);
  await callOnce();
  process.on('message', async (/** @type {{ calls: number, clients: number }} */ { calls, clients }) => {
    const cpu = process.cpuUsage();
    const from = performance.now();
    let left = calls;
    const client = async () => {
      while (left-- > 0) {
        const { code, bytes: got } = await callOnce();
        if (code !== 0 || got !== body.length) throw new Error(`status ${code}, ${got} bytes`);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    const { user, system } = process.cpuUsage(cpu);
    process.send?.({ cpuMicros: user + system, ms: performance.now() - from });
  });
  process.send?.({ ready: true });
}
