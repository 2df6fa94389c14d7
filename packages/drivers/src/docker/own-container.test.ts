import { EngineError } from './engine-errors.js';
import { containerIdIn, findOwnContainer, isEngineOutside } from './own-container.js';

const ID = 'ab12'.repeat(16);
const INSIDE = `
570 480 0:52 / / rw,relatime master:201 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A
590 570 254:0 /var/lib/docker/containers/${ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
591 570 254:0 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
592 570 0:23 /docker.sock /run/docker.sock rw,nosuid - tmpfs tmpfs rw
593 570 254:0 /var/lib/docker/volumes/iofs/_data /run/fnfleet/iofs rw,relatime - ext4 /dev/vda rw
`;
const ON_THE_HOST = '25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n26 25 0:23 / /run rw - tmpfs tmpfs rw\n';

const mounts = [
  { source: '/var/lib/docker/volumes/iofs/_data', destination: '/run/fnfleet/iofs' },
  { source: '/srv/run', destination: '/run' },
];
const knowing = (id: string) => (asked: string) =>
  asked === id ? Promise.resolve(mounts) : Promise.reject(new EngineError(404, 'no such container'));

it('a process in a container of the engine finds the container and its mounts', async () => {
  const own = await findOwnContainer(knowing(ID), INSIDE);
  expect(own?.id).toBe(ID);
  expect(own?.engineSideOf('/run/fnfleet/iofs')).toBe('/var/lib/docker/volumes/iofs/_data');
  expect(own?.engineSideOf('/run/fnfleet/iofs/a/b')).toBe('/var/lib/docker/volumes/iofs/_data/a/b');
  expect(own?.engineSideOf('/run/fnfleet/iofs2')).toBe('/srv/run/fnfleet/iofs2');
  expect(own?.engineSideOf('/tmp')).toBeUndefined();
});

it('in a container of another engine, and on a host, there is none', async () => {
  expect(await findOwnContainer(knowing('other'), INSIDE)).toBeUndefined();
  expect(await findOwnContainer(knowing(ID), ON_THE_HOST)).toBeUndefined();
  expect(containerIdIn(ON_THE_HOST)).toBeUndefined();
});

it('an engine that does not answer is an error, not another engine', async () => {
  const away = () => Promise.reject(new Error('connect ECONNREFUSED'));
  await expect(findOwnContainer(away, INSIDE)).rejects.toThrow('ECONNREFUSED');
});

it.each`
  socket                | where          | outside
  ${'/run/docker.sock'} | ${INSIDE}      | ${true}
  ${'/srv/docker.sock'} | ${INSIDE}      | ${false}
  ${'/run/docker.sock'} | ${ON_THE_HOST} | ${false}
  ${undefined}          | ${INSIDE}      | ${false}
`('an engine at $socket is outside of our container: $outside', ({ socket, where, outside }) => {
  expect(isEngineOutside(socket, where)).toBe(outside);
});
