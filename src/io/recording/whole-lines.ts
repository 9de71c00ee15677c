const LF = 0x0a;
/** A longer line is an error: no server of ours sends one, and memory is limited. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * Cuts blocks where lines end. The blocks that it gives are whole lines, and what follows the last line feed of all;
 * zero bytes in the place of text, because a hole may have any length; and empty blocks, as they come. A block is valid
 * until the next one is requested.
 *
 * @param onLongLine Called when a line is longer than 64 MiB; throws.
 */
export async function* wholeLines(
  blocks: AsyncIterable<Buffer>,
  onLongLine: () => never,
): AsyncGenerator<Buffer> {
  /** Copies of the beginning of a line whose end has not come yet, because its block will be overwritten. */
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const block of blocks) {
    let start = 0;
    if (pieces.length > 0) {
      start = block.indexOf(LF) + 1;
      if (start > 0) {
        yield Buffer.concat([...pieces, block.subarray(0, start)]);
        pieces = [];
        length = 0;
      }
    }
    const end = Math.max(start, block.lastIndexOf(LF) + 1);
    if (end > start || block.length === 0) yield block.subarray(start, end);
    const text = pieces.length > 0 ? end : endOfZeros(block, end, block.length);
    if (text > end) yield block.subarray(end, text);
    if (text === block.length) continue;
    pieces.push(Buffer.from(block.subarray(text)));
    length += block.length - text;
    if (length > MAX_LINE_BYTES) onLongLine();
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

/** Returns the offset of the first byte of `bytes[start..end)` that is not 0. */
export function endOfZeros(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at++;
  return at;
}
