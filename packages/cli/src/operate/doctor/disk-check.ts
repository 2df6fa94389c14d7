import { type DiskNeed, diskRoom, diskTrouble } from '@fnfleet/drivers';
import { shownBytes } from '../quantities.js';
import { type Finding, ok, warn } from './finding.js';

/** @param remedy how to free space there */
export async function diskFinding(path: string, need: DiskNeed, remedy: string): Promise<Finding> {
  const room = await diskRoom(path);
  if (room === undefined) {
    return warn('disk', `${path} cannot be seen from here`, 'run this command on that machine, or correct the path');
  }
  const trouble = diskTrouble(path, room, need, remedy);
  if (trouble === undefined) {
    return ok('disk', `${path}: ${shownBytes(room.freeBytes)} of ${shownBytes(room.totalBytes)} free`);
  }
  return { check: 'disk', verdict: trouble.grave ? 'fail' : 'warn', what: trouble.what, remedy };
}
