import { JsonScanner, type JsonVerdict } from './json-scanner.js';
import type { ScanMemory } from './scan-memory.js';

/** What a frame's text is. Only `object` can be an event. */
export type FrameVerdict = JsonVerdict;

/**
 * Looks at one frame after another: is it a JSON object, and what are its top-level `type` and `subject`? One reader
 * is used again and again, so that nothing is allocated per frame; what it says holds until the next {@link read}
 * and as long as the bytes stay as they are. Ask it only about frames whose verdict was `object`.
 */
export class FrameReader {
  readonly #scanner: JsonScanner;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  /** What of the frame's text stands before `#start`: nothing, or the brace of a frame that is read in its line. */
  #before: '' | '{' = '';
  #value: Record<string, unknown> | undefined;

  /** @param memory Where most of the frames stand, if they stand in such memory: those need not be copied. */
  constructor(memory?: ScanMemory) {
    this.#scanner = new JsonScanner(memory);
  }

  /**
   * Reads the frame in `bytes[start..end)`.
   *
   * @returns The verdict of `JSON.parse` on the decoded text, to which this agrees in every case.
   */
  read(bytes: Buffer, start = 0, end = bytes.length): FrameVerdict {
    this.#take(bytes, start, end, '');
    return this.#scanner.scan(bytes, start, end);
  }

  /**
   * Reads the frame of an event line where it stands, without copying it.
   *
   * @param end The byte after the line's last, without the LF.
   * @param members Where the members that we put there end, as in `EventLineShape`: a comma or the closing brace.
   * @returns `object`, or `not JSON` when the line is no JSON.
   */
  readLine(bytes: Buffer, end: number, members: number): FrameVerdict {
    this.#take(bytes, bytes[members] === COMMA ? members + 1 : members, end, '{');
    return this.#scanner.scanRest(bytes, members, end);
  }

  /** Whether the text has line breaks (between its tokens: JSON allows them nowhere else). */
  get hasLineBreaks(): boolean {
    return this.#scanner.hasLineBreaks;
  }

  /** Whether the text has bytes that are not ASCII, so that it can be no UTF-8. */
  get hasNonAscii(): boolean {
    return this.#scanner.hasNonAscii;
  }

  /** The top-level `type` of the object read last, when it is a string. The last of several counts, as in JSON.parse. */
  get type(): string | undefined {
    return this.#scanner.type;
  }

  /** Whether that type is this text, of ASCII and not empty; where it is not, this costs less than asking for the type. */
  typeIs(text: string): boolean {
    return this.#scanner.typeIs(text);
  }

  /** The top-level `subject` of the object read last, when it is a string. */
  get subject(): string | undefined {
    return this.#scanner.subject;
  }

  /** The object read last, parsed (once, when first asked for). */
  get value(): Record<string, unknown> {
    if (this.#value === undefined) {
      const text = this.#before + this.#bytes.toString('utf8', this.#start, this.#end);
      this.#value = JSON.parse(text) as Record<string, unknown>;
    }
    return this.#value;
  }

  #take(bytes: Buffer, start: number, end: number, before: '' | '{'): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#before = before;
    this.#value = undefined;
  }
}

const COMMA = 0x2c;
