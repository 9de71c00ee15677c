import { type ClockTime, createClockTime } from './clock-time.js';
import { KnownSpans, stands } from './known-spans.js';
import type { LineStyle } from './line-style.js';
import { isDigit } from './number-bytes.js';
import { type Part, partOf } from './part.js';
import { type Tone, type TypeMeaning, toneOfWord } from './tone.js';

const POINT = 0x2e;
const COLON = 0x3a;

/** `2026-11-22T21:50:00.123456Z` */
const TIMESTAMP_LENGTH = 27;
export const MINUTE_LENGTH = 16;
/** Of that, what is shown of the seconds: `:00.123`. */
export const SECONDS_LENGTH = 7;

/** An endpoint's label with what stands around it. */
export interface PlacePart {
  readonly painted: Part;
  readonly columns: number;
}

/** A type in each of the colours that it may have. */
export interface TypeParts {
  readonly meaning: TypeMeaning;
  readonly columns: number;
  readonly painted: Readonly<Record<Tone, Part>>;
}

/** What lines begin with, made ready once and found by the bytes of an event. */
export class HeadParts {
  /** The clock's hours and minutes in their colour, for the last timestamp that {@link knowsTime} saw. */
  clockMinute = partOf('');
  readonly #style: LineStyle;
  readonly #time: ClockTime;
  readonly #endpoints = new KnownSpans<PlacePart>();
  readonly #types = new KnownSpans<TypeParts>();
  readonly #states = new KnownSpans<{ tone: Tone | undefined }>();
  /** That timestamp's minute. */
  #minute: Uint8Array = new Uint8Array();

  constructor(style: LineStyle) {
    this.#style = style;
    this.#time = createClockTime(style.utc);
  }

  /** Whether the timestamp has our shape; its minute is known afterwards. */
  knowsTime(bytes: Buffer, at: number): boolean {
    if (bytes[at + 16] !== COLON || bytes[at + 19] !== POINT) return false;
    for (let i = MINUTE_LENGTH + 1; i < TIMESTAMP_LENGTH - 1; i++) {
      if (i !== 19 && !isDigit(bytes[at + i] as number)) return false;
    }
    if (stands(this.#minute, bytes, at, at + MINUTE_LENGTH)) return true;
    const clock = this.#time(bytes.toString('latin1', at, at + TIMESTAMP_LENGTH));
    if (clock.startsWith('-')) return false;
    this.#minute = Uint8Array.prototype.slice.call(bytes, at, at + MINUTE_LENGTH);
    this.clockMinute = partOf(this.#style.colours.dim.open + clock.slice(0, -SECONDS_LENGTH));
    return true;
  }

  endpoint(bytes: Buffer, start: number, end: number): PlacePart {
    return this.#endpoints.get(bytes, start, end) ?? this.#newEndpoint(bytes, start, end);
  }

  type(bytes: Buffer, start: number, end: number): TypeParts {
    return this.#types.get(bytes, start, end) ?? this.#newType(bytes, start, end);
  }

  /** What the word of a payload's state says; `undefined` when that means nothing to us. */
  toneOf(bytes: Buffer, start: number, end: number): Tone | undefined {
    return (this.#states.get(bytes, start, end) ?? this.#newState(bytes, start, end)).tone;
  }

  #newEndpoint(bytes: Buffer, start: number, end: number): PlacePart {
    const { colours, words } = this.#style;
    const { painted, columns } = words.endpoint(bytes.toString('utf8', start, end));
    return keep(this.#endpoints, bytes, start, end, {
      painted: partOf(colours.dim.close + painted),
      columns,
    });
  }

  #newType(bytes: Buffer, start: number, end: number): TypeParts {
    const { colours, words, hasColumns } = this.#style;
    const { text, width, padding, meaning } = words.type(bytes.toString('latin1', start, end));
    const blanks = hasColumns ? `${padding} ` : ' ';
    const painted = (tone: Tone) => partOf(colours[tone].open + text + colours[tone].close + blanks);
    return keep(this.#types, bytes, start, end, {
      meaning,
      columns: width + blanks.length,
      painted: {
        bad: painted('bad'),
        warning: painted('warning'),
        good: painted('good'),
        neutral: painted('neutral'),
      },
    });
  }

  #newState(bytes: Buffer, start: number, end: number): { tone: Tone | undefined } {
    const tone = toneOfWord(bytes.toString('latin1', start, end));
    return keep(this.#states, bytes, start, end, { tone });
  }
}

function keep<Value>(
  known: KnownSpans<Value>,
  bytes: Buffer,
  start: number,
  end: number,
  value: Value,
): Value {
  if (known.isFull) known.clear();
  return known.set(bytes, start, end, value);
}
