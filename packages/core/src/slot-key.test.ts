import { slotKey } from './slot-key.js';

const EMPTY = {
  appId: '',
  syslogUrl: '',
  fnId: '',
  image: '',
  timeoutSeconds: 0,
  idleTimeoutSeconds: 0,
  tmpfsMb: 0,
  memoryMb: 0,
  cpuMillis: 0,
  config: {},
  annotations: {},
};

const HELLO = {
  ...EMPTY,
  appId: 'app1',
  fnId: 'fn1',
  image: 'fnproject/hello:0.0.1',
  timeoutSeconds: 30,
  idleTimeoutSeconds: 30,
  memoryMb: 128,
  config: { FN_MEMORY: '128', FN_TYPE: 'sync', FN_FN_ID: 'fn1', FN_APP_ID: 'app1' },
};

const SMALL = {
  ...EMPTY,
  appId: 'app',
  fnId: 'fn',
  image: 'img:1',
  timeoutSeconds: 30,
  idleTimeoutSeconds: 30,
  memoryMb: 128,
};

describe('the slot key', () => {
  it('protocol 102, agent-and-docker 19: is the same as in Fn', () => {
    expect(slotKey(EMPTY)).toBe('eb142b0cae0baa72a767ebc0823d1be94e14c5bfc52d8e417fc4302fceb6240c');
    expect(slotKey(HELLO)).toBe('ee8cb731b0ed49c38e4de5a38950969ad84fbe5bd63da6555ac4168c0d66bdc3');
    const config = {
      ...HELLO.config,
      FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock',
      FN_FORMAT: 'http-stream',
    };
    expect(slotKey({ ...HELLO, config })).toBe('278120f73dee1f1f52bced4fdff0b6fa4ae28e8640a8078b30c2a17c6522a940');
    const everything = {
      appId: 'app1',
      syslogUrl: 'udp://log:514',
      fnId: 'fn1',
      image: 'img',
      timeoutSeconds: 60,
      idleTimeoutSeconds: 5,
      tmpfsMb: 64,
      memoryMb: 256,
      cpuMillis: 1500,
      config: { B: '2', A: '1' },
      annotations: { k2: { x: 1 }, k1: 'v' },
    };
    expect(slotKey(everything, 'ext')).toBe('35cbddc61527508e46bda2e1eb53d5bbe273ea332db446a3a2864607a19633a6');
  });

  it('protocol 102: is the same as in Fn for the vectors of the agent', () => {
    expect(slotKey(SMALL)).toBe('6cad0f46da260d7d4d1fafa29903692b81ff18eeb4ed564b81b7b8bd00d2dc8b');
    const configured = { ...SMALL, config: { A: '1', B: '2' }, annotations: { k: 'v' } };
    expect(slotKey(configured)).toBe('77fe4accb322d6cb455b60f28e42484572303a2405fb280ddb06c4384c1469c5');
  });

  it('agent-and-docker 19: does not depend on the order of keys, and sorts them by byte', () => {
    const config = { '\u{10000}': '1', '\uffff': '2', a: '3' };
    const reversed = { a: '3', '\uffff': '2', '\u{10000}': '1' };
    expect(slotKey({ ...SMALL, config })).toBe(slotKey({ ...SMALL, config: reversed }));
  });

  it.each`
    where            | change                                     | key
    ${'config'}      | ${(map: object) => ({ config: map })}      | ${'42a3c120777f910e449833c79c457d4d61f4b48da6349b68b6e783761f1e8524'}
    ${'annotations'} | ${(map: object) => ({ annotations: map })} | ${'7186f754ec35219ca0e2aa502322dd802a1bd81f71c3e722ca58809589f5e3e1'}
  `('agent-and-docker 19: sorts keys of $where as Go does: B, a, U+FFFF, U+10000', ({ change, key }) => {
    expect(slotKey({ ...SMALL, ...change({ a: '1', '\u{10000}': '4', B: '2', '\uffff': '3' }) })).toBe(key);
  });

  it('agent-and-docker 19: sorts ASCII keys by byte, whatever the locale of the machine', () => {
    const config = { a: '1', B: '2', _: '3' };
    expect(slotKey({ ...SMALL, config })).toBe('f72bb8654cf322dcd6eb8f3588aef2ded77f0aa5bf348aef94b17f7d01f0e21a');
  });

  it.each`
    what                                 | change
    ${'a value of the configuration'}    | ${{ config: { A: '1', B: 'x' } }}
    ${'an additional key'}               | ${{ config: { A: '1', B: '2', C: '3' } }}
    ${'a removed key'}                   | ${{ config: { A: '1' } }}
    ${'another key'}                     | ${{ config: { A: '1', C: '2' } }}
    ${'a nested value in an annotation'} | ${{ annotations: { k: { deep: [1, 3] } } }}
    ${'the type of an annotation'}       | ${{ annotations: { k: '{"deep":[1,2]}' } }}
    ${'the memory'}                      | ${{ memoryMb: 129 }}
  `('changes for the next call after a change of $what, and changes back when that is undone', ({ change }) => {
    const call = { ...SMALL, config: { A: '1', B: '2' }, annotations: { k: { deep: [1, 2] } } };
    const key = slotKey(call);
    const changed = slotKey({ ...call, ...change });
    expect(changed).not.toBe(key);
    expect(slotKey({ ...call, ...change })).toBe(changed);
    expect(slotKey(call)).toBe(key);
  });

  it('changes when the maps of a call are changed in place', () => {
    const call = { ...SMALL, config: { A: '1' } as Record<string, string>, annotations: { k: { deep: 1 } } };
    const key = slotKey(call);
    call.annotations.k.deep = 2;
    const second = slotKey(call);
    call.config.A = '2';
    expect(new Set([key, second, slotKey(call)]).size).toBe(3);
  });

  it('agent-and-docker 18: changes with everything that shapes a container', () => {
    const changes = [
      { appId: 'x' },
      { syslogUrl: 'x' },
      { fnId: 'x' },
      { image: 'x' },
      { timeoutSeconds: 1 },
      { idleTimeoutSeconds: 1 },
      { tmpfsMb: 1 },
      { memoryMb: 1 },
      { cpuMillis: 1 },
      { config: { A: '1' } },
      { annotations: { A: '1' } },
    ];
    const keys = changes.map((change) => slotKey({ ...SMALL, ...change }));
    expect(new Set([slotKey(SMALL), slotKey(SMALL, 'x'), ...keys]).size).toBe(changes.length + 2);
  });
});
