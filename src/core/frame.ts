/** What a frame's text is. Only `object` can be an event. */
export type FrameVerdict = 'object' | 'not JSON' | 'not a JSON object';

/**
 * Looks at one frame after another: is it a JSON object, and what are its top-level `type` and `subject`? One reader
 * is used again and again, so that nothing is allocated per frame; what it says holds until the next {@link read}.
 */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #value: unknown;
  #parsed = false;

  /** Whether the text has line breaks (between its tokens: JSON allows them nowhere else). */
  hasLineBreaks = false;

  /**
   * Reads the frame in `bytes[start..end)`.
   *
   * @returns The verdict of `JSON.parse`, to which this agrees in every case.
   */
  read(bytes: Buffer, start = 0, end = bytes.length): FrameVerdict {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#parsed = false;
    const text = bytes.toString('utf8', start, end);
    this.hasLineBreaks = text.includes('\n') || text.includes('\r');
    try {
      this.#value = JSON.parse(text);
    } catch {
      return 'not JSON';
    }
    this.#parsed = true;
    const isObject = typeof this.#value === 'object' && this.#value !== null && !Array.isArray(this.#value);
    return isObject ? 'object' : 'not a JSON object';
  }

  /** The top-level `type` of the object read last, when it is a string. The last of several counts, as in JSON.parse. */
  get type(): string | undefined {
    return this.#stringMember('type');
  }

  /** The top-level `subject` of the object read last, when it is a string. */
  get subject(): string | undefined {
    return this.#stringMember('subject');
  }

  /** The object read last, parsed (once, when first asked for). */
  get value(): Record<string, unknown> {
    if (!this.#parsed) {
      this.#value = JSON.parse(this.#bytes.toString('utf8', this.#start, this.#end));
      this.#parsed = true;
    }
    return this.#value as Record<string, unknown>;
  }

  #stringMember(name: string): string | undefined {
    const member = this.value[name];
    return typeof member === 'string' ? member : undefined;
  }
}
