import { decodeString, ScanMemory } from './scan-memory.js';

/** What a text is. Only `object` can be an event. */
export type JsonVerdict = 'object' | 'not JSON' | 'not a JSON object';

/** The bits of `wasm/json-scan.ts`. */
const OBJECT = 1;
const OTHER_VALUE = 2;
const TOO_DEEP = 4;
const HAS_LINE_BREAKS = 8;
const HAS_NON_ASCII = 16;

/** Most frames are far shorter; memory for a longer one is kept up to {@link LARGEST_KEPT_BYTES}. */
const USUAL_BYTES = 100 * 1024;
const LARGEST_KEPT_BYTES = 4 * 1024 * 1024;

/** Where texts are copied to that stand elsewhere. One for all scanners: none needs it after its scan. */
let common: ScanMemory | undefined;

/**
 * Checks that bytes are a JSON object, and says where its `type` and `subject` stand. Scans one text after another. The
 * members say what the last scan found; they hold until the next one, and only when its verdict was `object`. Time is
 * linear in the text's length.
 */
export class JsonScanner {
  /** Whether there are line breaks between the tokens. */
  hasLineBreaks = false;
  /** Whether there are bytes in its strings that are not ASCII. */
  hasNonAscii = false;
  /** Where the string value of the top-level `type` stands, without its quotes; -1: there is none or it is no string. */
  typeStart = -1;
  typeEnd = -1;
  /** The same for `subject`. Of several members of one name the last counts, as in `JSON.parse`. */
  subjectStart = -1;
  subjectEnd = -1;

  readonly #own: ScanMemory | undefined;
  /** The bytes of the last text that stood there. Asking anew for each where it stands would cost as much as all else. */
  #held: Buffer | undefined;
  #address = 0;
  /** The last scan: of what, in which memory, what turns an address there into an offset into the bytes, and its number. */
  #bytes: Buffer | undefined;
  #memory: ScanMemory | undefined;
  #offset = 0;
  #number = 0;

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

  /** The top-level `type`, if it is a string. */
  get type(): string | undefined {
    return this.typeStart < 0 ? undefined : this.#textAt(this.typeStart, this.typeEnd);
  }

  /** The top-level `subject`, if it is a string. */
  get subject(): string | undefined {
    return this.subjectStart < 0 ? undefined : this.#textAt(this.subjectStart, this.subjectEnd);
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
    let found = scanIn(memory, bytes, start, end, isRest);
    if (found === TOO_DEEP) {
      // No text has more levels than bytes.
      memory = new ScanMemory(length + 1, length + 1);
      found = scanIn(memory, bytes, start, end, isRest);
    }
    return this.#tell(found, bytes, memory, start - memory.room.byteOffset);
  }

  #tell(found: number, bytes: Buffer, memory: ScanMemory, offset: number): JsonVerdict {
    if ((found & OBJECT) === 0) return (found & OTHER_VALUE) === 0 ? 'not JSON' : 'not a JSON object';
    this.hasLineBreaks = (found & HAS_LINE_BREAKS) !== 0;
    this.hasNonAscii = (found & HAS_NON_ASCII) !== 0;
    this.#bytes = bytes;
    this.#memory = memory;
    this.#offset = offset;
    this.#number = memory.scans;
    const { spans } = memory;
    const type = spans[0] as number;
    const subject = spans[2] as number;
    this.typeStart = type < 0 ? -1 : type + offset;
    this.typeEnd = (spans[1] as number) + offset;
    this.subjectStart = subject < 0 ? -1 : subject + offset;
    this.subjectEnd = (spans[3] as number) + offset;
    return 'object';
  }
}

function memoryFor(length: number): ScanMemory {
  if (common !== undefined && length < common.room.length) return common;
  const memory = new ScanMemory(Math.max(USUAL_BYTES, length + 1));
  if (memory.room.length <= LARGEST_KEPT_BYTES) common = memory;
  return memory;
}

function scanIn(memory: ScanMemory, bytes: Buffer, start: number, end: number, isRest: boolean): number {
  const { room } = memory;
  room.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  return memory.scan(room.byteOffset, room.byteOffset + end - start, isRest);
}
