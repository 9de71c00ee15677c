import {
  closeMeaning,
  type EventLine,
  escapeUnsafe,
  eventLineShape,
  type InvalidLine,
  type LifecycleLine,
  type Line,
  type LineBatch,
  parseLine,
} from '../index.js';
import type { Palette } from './palette.js';
import { formatDuration, formatSize } from './quantity.js';
import { createClockTime } from './render/clock-time.js';
import { type FieldOrder, FieldWriter } from './render/fields.js';
import { Remembered } from './render/remembered.js';
import { fitting, widthOf } from './render/text-width.js';
import { meaningOfType, type Tone, type TypeMeaning, toneOf } from './render/tone.js';
import { type Colour, NO_COLOUR, VisualLine } from './render/visual-line.js';

export interface RenderOptions {
  /** Columns that a line may take. */
  width: number;
  /** Lines are not cut to the width, nor long values in them. */
  full: boolean;
  /** Times in UTC instead of the machine's zone. */
  utc: boolean;
  palette: Palette;
}

/** Makes lines for people. Every line ends with its LF, and nothing in it but that and our colours is a control. */
export interface Renderer {
  render(line: Line): string;
  /** All lines of a batch, as UTF-8; the fast way. */
  renderBatch(batch: LineBatch): Buffer;
}

/** Wide enough for `devices`. */
const ENDPOINT_WIDTH = 7;
/** Wide enough for `rule.execution_complete`. */
const TYPE_WIDTH = 23;
const SUBJECT_WIDTH = 24;
/** Below this there is no room for columns: fields follow the subject at once. */
const WIDTH_FOR_COLUMNS = 120;
/** Longer ones are cut, but for `--full`. */
const MAX_WORD_LENGTH = 200;
const LF = 0x0a;
/** What a line with its colours hardly ever exceeds. */
const USUAL_BYTES = 512;

/** A word that comes again and again, made ready to show. */
interface Word {
  text: string;
  width: number;
  /** Blanks that fill its column. */
  padding: string;
}

/** A type, and what it means. */
interface TypeWord extends Word {
  meaning: TypeMeaning;
  order: FieldOrder | undefined;
}

/** An endpoint's label. */
interface EndpointWord extends Word {
  /** With its colour, its padding and a blank on each side; and the columns of all that. */
  painted: string;
  columns: number;
}

/** Makes a renderer. It may be used for any number of lines, one after another. */
export function createRenderer(options: RenderOptions): Renderer {
  return new LineRenderer(options);
}

class LineRenderer implements Renderer {
  readonly #line: VisualLine;
  readonly #fields: FieldWriter;
  readonly #time: (receivedAt: string | undefined) => string;
  readonly #colours: Colours;
  readonly #full: boolean;
  readonly #hasColumns: boolean;
  readonly #width: number;
  readonly #types = new Remembered<TypeWord>();
  readonly #subjects = new Remembered<Word>();
  readonly #endpoints = new Remembered<EndpointWord>();

  constructor({ width, full, utc, palette }: RenderOptions) {
    this.#full = full;
    this.#width = full ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(width) || 1);
    this.#hasColumns = full || this.#width >= WIDTH_FOR_COLUMNS;
    this.#colours = coloursOf(palette);
    this.#line = new VisualLine(this.#width);
    this.#fields = new FieldWriter(this.#line, full, this.#colours.dim);
    this.#time = createClockTime(utc);
  }

  renderBatch({ bytes, count }: LineBatch): Buffer {
    let target: Buffer = Buffer.allocUnsafe(count * USUAL_BYTES);
    let length = 0;
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      const line = this.#renderBytes(bytes, start, end);
      // A code unit takes three bytes at most.
      const needed = length + line.length * 3;
      if (needed > target.length) target = enlarged(target, length, needed);
      // Line by line into bytes: putting the text of a whole batch together first costs a sixth more.
      length += target.write(line, length);
      start = end + 1;
    }
    return target.subarray(0, length);
  }

  render(line: Line): string {
    switch (line.kind) {
      case 'event':
        return this.#renderEvent(line);
      case 'invalid':
        return this.#renderInvalid(line);
      case 'connection':
        return this.#renderLifecycle(line);
    }
  }

  #renderBytes(bytes: Buffer, start: number, end: number): string {
    const shape = eventLineShape(bytes, start, end);
    if (shape !== undefined) {
      const text = bytes.toString('utf8', start, end);
      const event = parseObject(text);
      if (event !== undefined) {
        // All before the label is ASCII, so that these offsets hold in the text too.
        const timestamp = shape.timestamp - start;
        const label = shape.endpoint - start;
        const receivedAt = text.slice(timestamp, timestamp + TIMESTAMP_LENGTH);
        const endpoint = text.slice(label, text.indexOf('"', label));
        return this.#renderMessage(receivedAt, endpoint, event, () => text);
      }
    }
    const line = parseLine(bytes, start, end);
    if (line !== undefined) return this.render(line);
    const frame = bytes.subarray(start, end);
    return this.#renderInvalid({ receivedAt: undefined, endpoint: undefined, reason: 'no line', frame });
  }

  #renderEvent({ receivedAt, endpoint, frame }: EventLine): string {
    const text = frame.toString();
    return this.#renderMessage(receivedAt, endpoint, parseObject(text) ?? {}, () => text);
  }

  #renderMessage(
    receivedAt: string | undefined,
    endpoint: string | undefined,
    event: Record<string, unknown>,
    source: () => string,
  ): string {
    const { type, subject, data } = event;
    const typeWord = this.#typeWord(typeof type === 'string' ? type : '-');
    const subjectText = typeof subject === 'string' ? subject : '-';
    const subjectWord =
      this.#subjects.get(subjectText) ?? this.#newWord(this.#subjects, subjectText, SUBJECT_WIDTH);
    this.#start(receivedAt, endpoint, typeWord, this.#colours[toneOf(typeWord.meaning, data)], subjectWord);
    if (!this.#line.isFull) this.#writePayload(event, subjectText, typeWord, source);
    return this.#line.end();
  }

  #writePayload(event: Record<string, unknown>, subject: string, type: TypeWord, source: () => string): void {
    const { data } = event;
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
      const known = subject.slice(subject.lastIndexOf('.') + 1);
      const members = data as Record<string, unknown>;
      type.order = this.#fields.writeMembers(members, known, source, type.order);
    } else if (data !== undefined) {
      this.#fields.write('data', data);
    }
    for (const name in event) {
      if (this.#line.isFull) return;
      if (!SHOWN_ELSEWHERE.has(name) || isOddMember(name, event[name])) this.#fields.write(name, event[name]);
    }
  }

  #renderInvalid(
    invalid: Pick<InvalidLine, 'receivedAt' | 'endpoint' | 'reason' | 'frame'> & { binary?: boolean },
  ) {
    const { receivedAt, endpoint, reason, frame } = invalid;
    const what = this.#typeWord(invalid.binary === true ? 'binary frame' : 'invalid frame');
    this.#start(receivedAt, endpoint, what, this.#colours.warning);
    if (invalid.binary !== true) this.#addText(this.#safe(reason));
    this.#addText(formatSize(frame.length));
    // Four bytes a column are more than any text needs.
    const shown = this.#full ? frame : frame.subarray(0, this.#width * 4);
    this.#addText(invalid.binary === true ? shown.toString('hex') : escapeUnsafe(shown.toString()));
    return this.#line.end();
  }

  #renderLifecycle({ receivedAt, endpoint, connection }: LifecycleLine): string {
    const { state, ...members } = connection as unknown as Record<string, unknown> & { state: string };
    const colour = this.#colours[LIFECYCLE_TONES[state] ?? 'neutral'];
    this.#start(receivedAt, endpoint, this.#typeWord(state), colour);
    for (const [name, value] of Object.entries(members)) {
      if (name === 'retry_in_ms' && typeof value === 'number') {
        this.#fields.write('retry_in', formatDuration(value));
      } else if (value !== '') {
        this.#fields.write(name, value);
      }
      if (name === 'code' && typeof value === 'number') this.#fields.write('meaning', closeMeaning(value));
    }
    return this.#line.end();
  }

  /** Begins a line: time, endpoint, type and, for events, the subject. */
  #start(
    receivedAt: string | undefined,
    endpoint: string | undefined,
    type: Word,
    colour: Colour,
    subject?: Word,
  ): void {
    const line = this.#line;
    const { dim } = this.#colours;
    const time = this.#time(receivedAt);
    const label = endpoint ?? '-';
    const place = this.#endpoints.get(label) ?? this.#newEndpoint(label);
    const typePadding = this.#hasColumns ? type.padding : '';
    line.start();
    const head = `${dim.open}${time}${dim.close}${place.painted}${colour.open}${type.text}${colour.close}${typePadding}`;
    if (!line.addWhole(head, time.length + place.columns + type.width + typePadding.length)) {
      line.add(time, time.length, dim);
      line.add(' ', 1);
      line.add(place.text, place.width, this.#colours.endpoint);
      line.add(place.padding, place.padding.length);
      line.add(' ', 1);
      line.add(type.text, type.width, colour);
      line.add(typePadding, typePadding.length);
    }
    if (subject === undefined) return;
    const subjectPadding = this.#hasColumns ? subject.padding : '';
    if (line.addWhole(` ${subject.text}${subjectPadding}`, 1 + subject.width + subjectPadding.length)) return;
    line.add(' ', 1);
    line.add(subject.text, subject.width);
    line.add(subjectPadding, subjectPadding.length);
  }

  #addText(text: string): void {
    if (text === '') return;
    this.#line.add(' ', 1);
    this.#line.add(text, widthOf(text));
  }

  #typeWord(type: string): TypeWord {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    const word = { ...this.#wordOf(type, TYPE_WIDTH), meaning: meaningOfType(type), order: undefined };
    return this.#types.set(type, word);
  }

  #newEndpoint(label: string): EndpointWord {
    const word = this.#wordOf(label, ENDPOINT_WIDTH);
    const { open, close } = this.#colours.endpoint;
    return this.#endpoints.set(label, {
      ...word,
      painted: ` ${open}${word.text}${close}${word.padding} `,
      columns: word.width + word.padding.length + 2,
    });
  }

  #newWord(remembered: Remembered<Word>, text: string, column: number): Word {
    return remembered.set(text, this.#wordOf(text, column));
  }

  #wordOf(text: string, column: number): Word {
    const safe = this.#safe(text);
    const width = widthOf(safe);
    return { text: safe, width, padding: ' '.repeat(Math.max(0, column - width)) };
  }

  #safe(text: string): string {
    if (this.#full || text.length <= MAX_WORD_LENGTH) return escapeUnsafe(text);
    return `${escapeUnsafe(fitting(text, MAX_WORD_LENGTH))}…`;
  }
}

function enlarged(buffer: Buffer, length: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(needed, 2 * buffer.length));
  buffer.copy(larger, 0, 0, length);
  return larger;
}

const TIMESTAMP_LENGTH = 27;

/** Members of an event that have a place of their own in the line, or that we put there. */
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set(['type', 'subject', 'data', 'received_at', 'endpoint']);

/** Whether a member that should be text is something else, and so has not been shown. */
function isOddMember(name: string, value: unknown): boolean {
  return (name === 'type' || name === 'subject') && typeof value !== 'string';
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const LIFECYCLE_TONES: Readonly<Record<string, Tone>> = {
  open: 'good',
  refused: 'warning',
  closed: 'warning',
  dropped: 'bad',
};

type Colours = Readonly<Record<Tone | 'dim' | 'endpoint', Colour>>;

/** The codes of a palette's colours, taken once: a call for each field would cost more than the field. */
function coloursOf(palette: Palette): Colours {
  return {
    bad: codesOf(palette.red),
    warning: codesOf(palette.yellow),
    good: codesOf(palette.green),
    neutral: NO_COLOUR,
    dim: codesOf(palette.dim),
    endpoint: codesOf(palette.cyan),
  };
}

function codesOf(paint: (text: string) => string): Colour {
  const [open = '', close = ''] = paint('\0').split('\0');
  return { open, close };
}
