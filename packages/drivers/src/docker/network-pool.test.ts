import { NetworkPool } from './network-pool.js';

describe('the networks of a driver', () => {
  it('agent-and-docker 55: are filled evenly, and count containers that leave', () => {
    const pool = new NetworkPool(['blue', 'green']);
    const first = pool.join();
    const second = pool.join();
    expect([first?.network, second?.network]).toEqual(['blue', 'green']);

    second?.release();
    second?.release();
    expect([pool.count('blue'), pool.count('green')]).toEqual([1, 0]);
    expect(pool.join()?.network).toBe('green');
  });

  it('agent-and-docker 55: are left to the engine if none is configured', () => {
    expect(new NetworkPool([]).join()).toBeUndefined();
  });
});
