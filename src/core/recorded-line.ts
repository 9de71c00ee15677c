import { FrameReader } from './frame.js';
import { type ConnectionState, eventLineShape, frameOf, type Line, parseLine } from './line.js';
import { endpointOfType } from './protocol.js';
import { SpanTexts } from './span-texts.js';
import { parseTimestamp } from './timestamp.js';
import { TimestampReader } from './timestamp-reader.js';

/** What a line of a recording tells of: an event, a frame that was none, or the connection. */
export type LineKind = Line['kind'];

/**
 * Looks at one line of a recording after another. One object is used again and again, so that nothing is allocated
 * per line; what it says holds until the next {@link read} and as long as the bytes stay as they are.
 */
export class RecordedLine {
  /** The event: its type, subject and value. Only for lines of kind `event`. */
  readonly frame = new FrameReader();
  kind: LineKind = 'event';
  /** The line is `bytes[start..end)`, without its line feed. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** When it was received: microseconds since 1970; `NaN` in NDJSON of other origin that does not say so. */
  receivedAt = Number.NaN;
  /**
   * Label of the endpoint. In NDJSON of other origin it follows from the type's first word; `undefined` when that
   * is none of ours either.
   */
  endpoint: string | undefined;

  readonly #timestamps = new TimestampReader();
  readonly #labels = new SpanTexts();
  /** A line that has not the fixed shape of our event lines, in parts. */
  #line: Line | undefined;

  /**
   * Reads the line in `bytes[start..end)`.
   *
   * @returns Its kind, or `undefined` when it is no JSON object.
   */
  read(bytes: Buffer, start: number, end: number): LineKind | undefined {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#line = undefined;
    const shape = eventLineShape(bytes, start, end);
    if (shape === undefined) return this.#readOther(bytes, start, end);
    if (this.frame.readLine(bytes, end, shape) !== 'object') return undefined;
    this.receivedAt = this.#timestamps.read(bytes, shape.timestamp);
    this.endpoint = this.#labels.textOf(bytes, shape.endpoint, shape.endpointEnd);
    this.kind = 'event';
    return 'event';
  }

  #readOther(bytes: Buffer, start: number, end: number): LineKind | undefined {
    const line = parseLine(bytes, start, end);
    if (line === undefined) return undefined;
    this.#line = line;
    this.kind = line.kind;
    this.receivedAt =
      (line.receivedAt === undefined ? undefined : parseTimestamp(line.receivedAt)) ?? Number.NaN;
    this.endpoint = line.endpoint;
    if (line.kind === 'event') {
      this.frame.read(line.frame);
      this.endpoint ??= endpointOfType(this.frame.type ?? '');
    }
    return line.kind;
  }

  /** What happened to the connection; `undefined` for lines of another kind. */
  get connection(): ConnectionState | undefined {
    return this.#line?.kind === 'connection' ? this.#line.connection : undefined;
  }

  /** Whether the payload came as a binary frame. */
  get isBinary(): boolean {
    return this.#line?.kind === 'invalid' && this.#line.binary;
  }

  /** The payload that the server sent, byte for byte, as a copy; `undefined` for lifecycle lines. */
  payload(): Buffer | undefined {
    const line = this.#line;
    if (line !== undefined) return line.kind === 'connection' ? undefined : line.frame;
    const shape = eventLineShape(this.bytes, this.start, this.end);
    return shape && frameOf(this.bytes, this.start, this.end, shape);
  }
}
