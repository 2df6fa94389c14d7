import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { MIB } from './units.js';

/** Far more than a setting, a certificate or a list of runners needs. */
const MAX_BYTES = MIB;
/** Opening a pipe without a writer would block forever. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a file that an operator has named. It may be anything: a pipe, a device, a folder, or far too long.
 * @throws Error that says what is wrong with it
 */
export function readSmallFileSync(path: string, maxBytes = MAX_BYTES): string {
  const descriptor = openSync(path, FLAGS);
  try {
    if (!fstatSync(descriptor).isFile()) throw notAFile();
    // Files in /proc report a length of zero.
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += read;
      if (length > maxBytes) throw tooLong(maxBytes);
      if (read === 0) return buffer.toString('utf8', 0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The same without blocking the process on the disk. */
export async function readSmallFile(path: string, maxBytes = MAX_BYTES): Promise<string> {
  const file = await open(path, FLAGS);
  try {
    if (!(await file.stat()).isFile()) throw notAFile();
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (length > maxBytes) throw tooLong(maxBytes);
      if (bytesRead === 0) return buffer.toString('utf8', 0, length);
    }
  } finally {
    await file.close();
  }
}

function notAFile(): Error {
  return new Error('it is not a file, but a folder, a pipe or a device');
}

function tooLong(maxBytes: number): Error {
  return new Error(`it has more than ${maxBytes} bytes`);
}
