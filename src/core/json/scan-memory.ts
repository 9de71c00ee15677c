import { WASM_MODULE } from './wasm/module.js';

/** What `wasm/json-scan.ts` and `wasm/text-table.ts` export. Addresses are offsets into the memory. */
interface ScanExports {
  scan(start: number, end: number, isRest: boolean, levels: number, mostLevels: number): number;
  slotOf(start: number, end: number, table: number): number;
}

const PAGE_BYTES = 64 * 1024;
/** Where the spans stand that a scan has found. */
const SPANS_BYTES = 16;
/** Behind a text, so many bytes may be read. */
const SLACK_BYTES = 16;
/** The table of texts: its slots, and the longest text that fits into one. */
const SLOTS = 2048;
const SLOT_BYTES = 128;
const LONGEST_KNOWN = 112;
/** Levels of nesting for which there is room in any memory. */
const USUAL_LEVELS = 8 * 1024;

/** Compiled when it is first needed: programs that read no events need not wait. */
let compiled: WebAssembly.Module | undefined;
/** Whether there has been no memory of usual size once: asking again for each text would cost more than doing without. */
let isUnavailable = false;
const LARGEST_USUAL_BYTES = 1024 * 1024;

/** Memory in which texts can be scanned, where they stand. */
export class ScanMemory {
  /** Room for texts. Whoever scans one writes to the byte behind it, for a moment. */
  readonly room: Buffer;
  /** What the last scan found: start and end of the `type`, start and end of the `subject`, as addresses. */
  readonly spans: Int32Array;
  /** How deep a text may be nested. */
  readonly mostLevels: number;
  /** How many scans there have been: texts that are copied here for one are gone with the next. */
  scans = 0;
  readonly #exports: ScanExports;
  readonly #table: number;
  readonly #levels: number;
  /** By slot of the table. */
  readonly #texts: string[] = [];

  /**
   * @param roomBytes At least. @param levels For how many levels of nesting there is to be room at least.
   * @returns `undefined` where there is no WebAssembly (`node --jitless`), or no room for it among the addresses of the
   *   process (`ulimit -v`): it takes gigabytes of them, though hardly any memory.
   */
  static create(roomBytes: number, levels = USUAL_LEVELS): ScanMemory | undefined {
    if (isUnavailable) return undefined;
    try {
      return new ScanMemory(roomBytes, levels);
    } catch {
      isUnavailable = roomBytes <= LARGEST_USUAL_BYTES;
      return undefined;
    }
  }

  private constructor(roomBytes: number, levels: number) {
    this.#table = SPANS_BYTES;
    this.#levels = this.#table + SLOTS * SLOT_BYTES;
    const roomStart = this.#levels + levels;
    const pages = Math.ceil((roomStart + roomBytes + SLACK_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new WebAssembly.Module(Buffer.from(WASM_MODULE, 'base64'));
    this.#exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as ScanExports;
    this.room = Buffer.from(memory.buffer, roomStart, pages * PAGE_BYTES - SLACK_BYTES - roomStart);
    this.spans = new Int32Array(memory.buffer, 0, SPANS_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.mostLevels = levels;
  }

  /** Whether those bytes stand here. */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.room.buffer;
  }

  /** Scans the text between two addresses; what comes of it are the bits that `wasm/json-scan.ts` describes. */
  scan(start: number, end: number, isRest: boolean): number {
    this.scans++;
    return this.#exports.scan(start, end, isRest, this.#levels, this.mostLevels);
  }

  /** The text of a JSON string that has been checked; its quotes stand around the two addresses. */
  textAt(start: number, end: number): string {
    if (end - start > LONGEST_KNOWN) return this.#decode(start, end);
    const slot = this.#exports.slotOf(start, end, this.#table);
    if (slot >= 0) return this.#texts[slot] as string;
    const text = this.#decode(start, end);
    this.#texts[~slot] = text;
    return text;
  }

  #decode(start: number, end: number): string {
    const offset = this.room.byteOffset;
    return decodeString(this.room, start - offset, end - offset);
  }
}

/** The text of a JSON string that has been checked; `bytes[start..end)` is what stands between its quotes. */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}
