import { FakeClock, later } from '@fnfleet/core';
import { BackOff } from './back-off.js';

const FIRST_MS = 100;
const MAX_MS = 1_000;

let clock: FakeClock;
let backOff: BackOff;
beforeEach(() => {
  clock = new FakeClock();
  backOff = new BackOff(FIRST_MS, MAX_MS);
});

/** How long it is left alone from now on, milliseconds. */
const pause = () => backOff.until - clock.now();
const refuse = (random = 1) => backOff.strike(clock.now(), () => random);

it('there is no pause before the first refusal', () => {
  expect(backOff.isActive(clock.now())).toBe(false);
  expect(pause()).toBeLessThan(0);
});

it.each`
  random | ms
  ${0}   | ${50}
  ${0.5} | ${75}
  ${1}   | ${100}
`(
  'the first refusal causes half to all of the first pause: $ms ms when the random number is $random',
  ({ random, ms }) => {
    refuse(random);
    expect(pause()).toBe(ms);
  },
);

it('each further refusal doubles the pause, up to the longest', () => {
  const pauses = Array.from({ length: 6 }, () => {
    refuse();
    return pause();
  });
  expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000]);
});

it('a thousand consecutive refusals still cause the longest pause', () => {
  for (let i = 0; i < 1000; i += 1) refuse();
  expect(pause()).toBe(MAX_MS);
});

it('a refusal is forgotten after twice the longest pause: the next is a first one', async () => {
  refuse();
  refuse();
  await clock.advance(2 * MAX_MS - 1);
  expect(backOff.isActive(clock.now())).toBe(true);
  await clock.advance(1);
  expect(backOff.isActive(clock.now())).toBe(false);
  refuse();
  expect(pause()).toBe(FIRST_MS);
});

it('an attempt holds back others for as long as the last refusal did, and is not another refusal', async () => {
  refuse();
  refuse();
  await clock.advance(200);
  backOff.hold(clock.now(), () => 1);
  expect(pause()).toBe(200);
  refuse();
  expect(pause()).toBe(400);
});

it('after a success the pauses start small again, and the refusal before it still counts as one', () => {
  for (let i = 0; i < 5; i += 1) refuse();
  backOff.ease();
  expect(backOff.isActive(clock.now())).toBe(true);
  backOff.hold(clock.now(), () => 1);
  expect(pause()).toBe(FIRST_MS);
  refuse();
  expect(pause()).toBe(200);
});

it('a success without a refusal changes nothing', () => {
  backOff.ease();
  expect(backOff.isActive(later(clock.now(), 1))).toBe(false);
});

it('cleared, it is as new', () => {
  refuse();
  refuse();
  backOff.clear();
  expect(backOff.isActive(clock.now())).toBe(false);
  expect(pause()).toBeLessThan(0);
  refuse();
  expect(pause()).toBe(FIRST_MS);
});
