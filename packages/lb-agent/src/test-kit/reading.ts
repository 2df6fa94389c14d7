import type { BodyPiece, BodyReader } from '@fnfleet/protocol';

/** The next chunk, as soon as there is one. */
export async function next(reader: BodyReader): Promise<BodyPiece> {
  for (;;) {
    const piece = reader.read();
    if (piece !== undefined) return piece;
    await new Promise<void>((resolve) => {
      reader.onReadable = resolve;
    });
  }
}

/** All bytes up to the chunk that is marked as the last. */
export async function readAll(reader: BodyReader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const { data, last } = await next(reader);
    pieces.push(data);
    if (last) return Buffer.concat(pieces);
  }
}
