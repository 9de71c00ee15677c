const USUAL_SIZE = 64 * 1024;
/** A buffer that one huge batch made larger is not kept. */
const MAX_KEPT_SIZE = 8 * 1024 * 1024;

/** Bytes to which more are added; their memory is used again for the next ones. */
export class GrowingBytes {
  /** What has been added is `bytes[0..length)`. Whoever writes there after {@link reserve} moves `length` on. */
  bytes: Buffer = Buffer.alloc(0);
  length = 0;
  /** The same bytes, for writing four at a time. */
  view: DataView = new DataView(new ArrayBuffer(0));

  clear(): void {
    this.length = 0;
    if (this.bytes.length > MAX_KEPT_SIZE) this.bytes = Buffer.alloc(0);
  }

  /** Makes room for so many bytes more. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    // Has its memory to itself, so that offsets are the same in all views.
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length, USUAL_SIZE));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  addText(text: string): void {
    // A code unit takes three bytes at most.
    this.reserve(text.length * 3);
    this.length += this.bytes.write(text, this.length);
  }

  /** All that has been added. It holds until the next {@link clear}. */
  taken(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
