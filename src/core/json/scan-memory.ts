import { JSON_SCAN } from './wasm/json-scan.wasm.js';

/** What `wasm/json-scan.ts` exports. Addresses are offsets into its memory. */
interface ScanExports {
  scan(start: number, end: number, isRest: boolean, levels: number, mostLevels: number): number;
}

const PAGE_BYTES = 64 * 1024;
/** Where the spans stand that a scan has found. */
const SPANS_BYTES = 16;
/** Behind a text, so many bytes may be read. */
const SLACK_BYTES = 16;
/** Levels of nesting for which there is room in any memory. */
const USUAL_LEVELS = 8 * 1024;

/** Compiled when it is first needed: programs that read no events need not wait. */
let compiled: WebAssembly.Module | undefined;

/** Memory in which texts can be scanned, where they stand. */
export class ScanMemory {
  /** Room for texts. Whoever scans one writes to the byte behind it, for a moment. */
  readonly room: Buffer;
  /** What the last scan found: start and end of the `type`, start and end of the `subject`, as addresses. */
  readonly spans: Int32Array;
  /** How deep a text may be nested. */
  readonly mostLevels: number;
  readonly #exports: ScanExports;

  /** @param roomBytes At least. @param levels For how many levels of nesting there is to be room at least. */
  constructor(roomBytes: number, levels = USUAL_LEVELS) {
    const roomStart = SPANS_BYTES + levels;
    const pages = Math.ceil((roomStart + roomBytes + SLACK_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new WebAssembly.Module(Buffer.from(JSON_SCAN, 'base64'));
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
    return this.#exports.scan(start, end, isRest, SPANS_BYTES, this.mostLevels);
  }
}
