/** A text that is written again and again, ready to be copied four bytes at a time. */
export interface Part {
  /** The first byte lowest; the last one is filled up with zeros. */
  readonly fours: Int32Array;
  /** In bytes. */
  readonly length: number;
}

export function partOf(text: string): Part {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.alloc(length + 3);
  bytes.write(text);
  const fours = Int32Array.from({ length: Math.ceil(length / 4) }, (_, i) => bytes.readInt32LE(4 * i));
  return { fours, length };
}
