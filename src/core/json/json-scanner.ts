import { decodeString, ScanMemory } from './scan-memory.js';

/** What a text is. Only `object` can be an event. */
export type JsonVerdict = 'object' | 'not JSON' | 'not a JSON object';

/** The bits of `wasm/json-scan.ts`. */
const OBJECT = 1;
const OTHER_VALUE = 2;
const TOO_DEEP = 4;
const HAS_LINE_BREAKS = 8;
const HAS_NON_ASCII = 16;

const BACKSLASH = 0x5c;

/** Most frames are far shorter; memory for a longer one is kept up to {@link LARGEST_KEPT_BYTES}. */
const USUAL_BYTES = 100 * 1024;
const LARGEST_KEPT_BYTES = 4 * 1024 * 1024;

/** Where texts are copied to that stand elsewhere. One for all scanners: none needs it after its scan. */
let common: ScanMemory | undefined;

/**
 * Checks that bytes are a JSON object, and says what its `type` and `subject` are. Scans one text after another. The
 * members say what the last scan found; they hold until the next one, as long as the bytes stay as they are, and only
 * when its verdict was `object`. Time is linear in the text's length.
 */
export class JsonScanner {
  /** Whether there are line breaks between the tokens. */
  hasLineBreaks = false;
  /** Whether there are bytes in its strings that are not ASCII. */
  hasNonAscii = false;

  readonly #own: ScanMemory | undefined;
  /** The bytes of the last text that stood there. Asking anew for each where it stands would cost as much as all else. */
  #held: Buffer | undefined;
  #address = 0;
  /** Where the string value of `type` stands, without its quotes; -1: there is none or it is no string. */
  #typeStart = -1;
  #typeEnd = -1;
  /** The same for `subject`. */
  #subjectStart = -1;
  #subjectEnd = -1;
  /** The last scan: of what, in which memory, what turns an address there into an offset into the bytes, and its number. */
  #bytes: Buffer | undefined;
  #memory: ScanMemory | undefined;
  #offset = 0;
  #number = 0;
  /** The object, where it had to be parsed. */
  #parsed: Record<string, unknown> | undefined;

  /** @param memory Texts that stand there need not be copied. The byte behind each of them has to be there, too. */
  constructor(memory?: ScanMemory) {
    this.#own = memory;
  }

  /** Scans a whole text, `bytes[start..end)`. */
  scan(bytes: Buffer, start: number, end: number): JsonVerdict {
    return this.#scan(bytes, start, end, false);
  }

  /** Scans an object from where one of its members has ended, so that a comma or the closing brace is next. */
  scanRest(bytes: Buffer, start: number, end: number): JsonVerdict {
    return this.#scan(bytes, start, end, true);
  }

  /** The top-level `type`, if it is a string. Of several members of one name the last counts, as in `JSON.parse`. */
  get type(): string | undefined {
    if (this.#parsed !== undefined) return textOrNothing(this.#parsed.type);
    return this.#typeStart < 0 ? undefined : this.#textAt(this.#typeStart, this.#typeEnd);
  }

  /** Whether that type is this text, of ASCII and not empty; where it is not, this costs less than asking for the type. */
  typeIs(text: string): boolean {
    if (this.#parsed === undefined) {
      if (this.#typeStart < 0) return false;
      const first = (this.#bytes as Buffer)[this.#typeStart];
      if (first !== text.charCodeAt(0) && first !== BACKSLASH) return false;
    }
    return this.type === text;
  }

  /** The top-level `subject`, if it is a string. */
  get subject(): string | undefined {
    if (this.#parsed !== undefined) return textOrNothing(this.#parsed.subject);
    return this.#subjectStart < 0 ? undefined : this.#textAt(this.#subjectStart, this.#subjectEnd);
  }

  #textAt(start: number, end: number): string {
    const memory = this.#memory as ScanMemory;
    // A copy is gone with the next scan, which may have been another scanner's.
    const isThere = memory === this.#own || memory.scans === this.#number;
    if (isThere) return memory.textAt(start - this.#offset, end - this.#offset);
    return decodeString(this.#bytes as Buffer, start, end);
  }

  #scan(bytes: Buffer, start: number, end: number, isRest: boolean): JsonVerdict {
    const own = this.#own;
    if (own !== undefined && (bytes === this.#held || own.holds(bytes))) {
      if (bytes !== this.#held) {
        this.#held = bytes;
        this.#address = bytes.byteOffset;
      }
      const address = this.#address;
      const found = own.scan(address + start, address + end, isRest);
      if (found !== TOO_DEEP) return this.#tell(found, bytes, own, -address);
    }
    return this.#scanCopy(bytes, start, end, isRest);
  }

  #scanCopy(bytes: Buffer, start: number, end: number, isRest: boolean): JsonVerdict {
    const length = end - start;
    let memory = memoryFor(length);
    let found = memory === undefined ? TOO_DEEP : scanIn(memory, bytes, start, end, isRest);
    if (memory !== undefined && found === TOO_DEEP) {
      // No text has more levels than bytes.
      memory = ScanMemory.create(length + 1, length + 1);
      if (memory !== undefined) found = scanIn(memory, bytes, start, end, isRest);
    }
    if (memory === undefined) return this.#parse(bytes, start, end, isRest);
    return this.#tell(found, bytes, memory, start - memory.room.byteOffset);
  }

  /** Does without WebAssembly: several times as slow, and right all the same. */
  #parse(bytes: Buffer, start: number, end: number, isRest: boolean): JsonVerdict {
    const text = bytes.toString('utf8', start, end);
    let value: unknown;
    try {
      value = JSON.parse(isRest ? `{"":""${text}` : text);
    } catch {
      return 'not JSON';
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object';
    this.#parsed = value as Record<string, unknown>;
    this.hasLineBreaks = /[\r\n]/.test(text);
    this.hasNonAscii = text.length !== end - start || /[^\0-\x7f]/.test(text);
    return 'object';
  }

  #tell(found: number, bytes: Buffer, memory: ScanMemory, offset: number): JsonVerdict {
    if ((found & OBJECT) === 0) return (found & OTHER_VALUE) === 0 ? 'not JSON' : 'not a JSON object';
    this.hasLineBreaks = (found & HAS_LINE_BREAKS) !== 0;
    this.hasNonAscii = (found & HAS_NON_ASCII) !== 0;
    this.#parsed = undefined;
    this.#bytes = bytes;
    this.#memory = memory;
    this.#offset = offset;
    this.#number = memory.scans;
    const { spans } = memory;
    const type = spans[0] as number;
    const subject = spans[2] as number;
    this.#typeStart = type < 0 ? -1 : type + offset;
    this.#typeEnd = (spans[1] as number) + offset;
    this.#subjectStart = subject < 0 ? -1 : subject + offset;
    this.#subjectEnd = (spans[3] as number) + offset;
    return 'object';
  }
}

function memoryFor(length: number): ScanMemory | undefined {
  if (common !== undefined && length < common.room.length) return common;
  const memory = ScanMemory.create(Math.max(USUAL_BYTES, length + 1));
  if (memory !== undefined && memory.room.length <= LARGEST_KEPT_BYTES) common = memory;
  return memory;
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function scanIn(memory: ScanMemory, bytes: Buffer, start: number, end: number, isRest: boolean): number {
  const { room } = memory;
  room.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  return memory.scan(room.byteOffset, room.byteOffset + end - start, isRest);
}
