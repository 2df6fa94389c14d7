import { needsLaunch } from './slots/slot-queue.js';

it.each`
  waiting | starting | idle  | launch
  ${1}    | ${10}    | ${0}  | ${false}
  ${10}   | ${1}     | ${0}  | ${true}
  ${10}   | ${0}     | ${11} | ${false}
  ${10}   | ${0}     | ${5}  | ${true}
  ${1}    | ${0}     | ${0}  | ${true}
  ${0}    | ${0}     | ${0}  | ${false}
`(
  'agent-and-docker 24: $waiting waiting, $starting starting, $idle idle: launch $launch',
  ({ waiting, starting, idle, launch }) => {
    expect(needsLaunch({ waiting, starting, idle })).toBe(launch);
  },
);
