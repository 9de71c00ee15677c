import {
  closeMeaning,
  type EventLine,
  escapeUnsafe,
  eventLineShape,
  type InvalidLine,
  type LifecycleLine,
  type Line,
  parseLine,
} from '../../index.js';
import { formatDuration, formatSize } from '../options/quantity.js';
import { createClockTime } from './clock-time.js';
import type { Colours } from './colours.js';
import { FieldWriter } from './fields.js';
import type { LineStyle } from './line-style.js';
import { widthOf } from './text-width.js';
import { type Tone, toneOf } from './tone.js';
import { type Colour, VisualLine } from './visual-line.js';
import type { TypeWord, Word, Words } from './words.js';

/** Makes lines of any kind: the plain way, which says how lines look. */
export class PlainRenderer {
  readonly #line: VisualLine;
  readonly #fields: FieldWriter;
  readonly #time: (receivedAt: string | undefined) => string;
  readonly #colours: Colours;
  readonly #full: boolean;
  readonly #hasColumns: boolean;
  readonly #width: number;
  readonly #words: Words;

  constructor({ width, full, hasColumns, utc, colours, words }: LineStyle) {
    this.#full = full;
    this.#width = width;
    this.#hasColumns = hasColumns;
    this.#colours = colours;
    this.#words = words;
    this.#line = new VisualLine(width);
    this.#fields = new FieldWriter(this.#line, full, colours.dim);
    this.#time = createClockTime(utc);
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

  /** The line in `bytes[start..end)`, whatever it is. */
  renderBytes(bytes: Buffer, start: number, end: number): string {
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
    const typeWord = this.#words.type(typeof type === 'string' ? type : '-');
    const subjectText = typeof subject === 'string' ? subject : '-';
    const subjectWord = this.#words.subject(subjectText);
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
    const what = this.#words.type(invalid.binary === true ? 'binary frame' : 'invalid frame');
    this.#start(receivedAt, endpoint, what, this.#colours.warning);
    if (invalid.binary !== true) this.#addText(this.#words.safe(reason));
    this.#addText(formatSize(frame.length));
    // Four bytes a column are more than any text needs.
    const shown = this.#full ? frame : frame.subarray(0, this.#width * 4);
    this.#addText(invalid.binary === true ? shown.toString('hex') : escapeUnsafe(shown.toString()));
    return this.#line.end();
  }

  #renderLifecycle({ receivedAt, endpoint, connection }: LifecycleLine): string {
    const { state, ...members } = connection as unknown as Record<string, unknown> & { state: string };
    const colour = this.#colours[LIFECYCLE_TONES[state] ?? 'neutral'];
    this.#start(receivedAt, endpoint, this.#words.type(state), colour);
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
    const place = this.#words.endpoint(endpoint ?? '-');
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
