import { closeMeaning, escapeUnsafe, type InvalidLine, type LifecycleLine, parseLine } from '../../index.js';
import { FrameReader, LineView, parseSparsely } from '../../internal.js';
import { formatDuration, formatSize } from '../options/quantity.js';
import type { Palette } from '../terminal/palette.js';
import { type ClockTime, createClockTime } from './clock-time.js';
import { FieldWriter } from './fields.js';
import { type Color, type Colors, colorsOf, type Severity, severityOf } from './severity.js';
import { VisualLine, widthOf } from './visual-line.js';
import { type Word, Words } from './words.js';

/** Options for lines that people read. */
export interface RenderOptions {
  /** The columns of the terminal. */
  width: number;
  /** Neither lines nor long values are cut. */
  full: boolean;
  /** Times are in UTC instead of the machine's time zone. */
  utc: boolean;
  palette: Palette;
}

/** Place of the timestamp in a line that this program wrote: `{"received_at":"2026-…`. */
const TIMESTAMP_OFFSET = 16;
const TIMESTAMP_LENGTH = 27;
/** On a narrower terminal the fields follow the subject without columns. */
const WIDTH_FOR_COLUMNS = 120;
/** Lines with `--full` are cut here, because a text in memory has a limit of its own. */
const WIDEST_LINE = 64 * 1024 * 1024;
/** Bytes of a frame that is no event, with `--full`. */
const LONGEST_INVALID = 16 * 1024 * 1024;
/** Of a longer line the first thousand members of each object are shown: a signal must not wait for the rest. */
const LONG_LINE = 2 * 1024 * 1024;

/** Turns lines of a recording into lines that people read. */
export class Renderer {
  readonly #line: VisualLine;
  readonly #fields: FieldWriter;
  readonly #time: ClockTime;
  readonly #colors: Colors;
  readonly #full: boolean;
  /** In columns. */
  readonly #width: number;
  readonly #hasColumns: boolean;
  readonly #words: Words;
  readonly #view = new LineView({ skipJsonCheck: true });
  readonly #frame = new FrameReader();
  /** The event that was parsed last has members that are not shown. */
  #hasMore = false;

  constructor({ width, full, utc, palette }: RenderOptions) {
    this.#full = full;
    this.#width = full ? WIDEST_LINE : Math.max(1, Math.floor(width) || 1);
    this.#hasColumns = this.#width >= WIDTH_FOR_COLUMNS;
    this.#colors = colorsOf(palette);
    this.#words = new Words(full, this.#colors);
    this.#line = new VisualLine(this.#width);
    this.#fields = new FieldWriter(this.#line, full, this.#colors.dim);
    this.#time = createClockTime(utc);
  }

  /**
   * Renders one line of any kind.
   *
   * @param line UTF-8, without its LF.
   * @returns The line with its LF. It holds no other control character, except the escape codes of our colors.
   */
  render(line: Buffer): string {
    const event = this.#renderOwnEvent(line);
    if (event !== undefined) return event;
    const parsed = parseLine(line);
    switch (parsed?.kind) {
      case 'event': {
        const text = parsed.frame.toString();
        const event = this.#parseObject(parsed.frame, text) ?? {};
        return this.#renderEvent(parsed.receivedAt, parsed.endpoint, event, text, NAMED_MEMBERS);
      }
      case 'invalid':
        return this.#renderInvalid(parsed);
      case 'connection':
        return this.#renderLifecycle(parsed);
      default:
        return this.#renderInvalid({
          receivedAt: undefined,
          endpoint: undefined,
          reason: 'no line',
          frame: line,
          binary: false,
        });
    }
  }

  /** Renders an event line that this program wrote: the whole line is parsed once, instead of its frame once more. */
  #renderOwnEvent(line: Buffer): string | undefined {
    const view = this.#view;
    if (view.read(line, 0, line.length) !== 'event' || view.members === 0) return undefined;
    const text = line.toString();
    const event = this.#parseObject(line, text);
    if (event === undefined) return undefined;
    const receivedAt = text.slice(TIMESTAMP_OFFSET, TIMESTAMP_OFFSET + TIMESTAMP_LENGTH);
    return this.#renderEvent(receivedAt, view.endpoint, event, text, SHOWN_ELSEWHERE);
  }

  /** @param text The same as the bytes, decoded. */
  #parseObject(bytes: Buffer, text: string): Record<string, unknown> | undefined {
    this.#hasMore = false;
    if (bytes.length > LONG_LINE) {
      if (this.#frame.read(bytes) !== 'object') return undefined;
      const { value, isWhole } = parseSparsely(text, NAMED_MEMBERS);
      this.#hasMore = !isWhole;
      return value;
    }
    try {
      return JSON.parse(text) as Record<string, unknown>;
    } catch {
      return undefined;
    }
  }

  /** @param source The text of the event. @param shownElsewhere Names of members that get no field. */
  #renderEvent(
    receivedAt: string | undefined,
    endpoint: string | undefined,
    event: Record<string, unknown>,
    source: string,
    shownElsewhere: ReadonlySet<string>,
  ): string {
    const { data } = event;
    const type = typeof event.type === 'string' ? event.type : '-';
    const subject = typeof event.subject === 'string' ? event.subject : '-';
    const typeWord = this.#words.type(type);
    const color = this.#colors[severityOf(typeWord.meaning, data)];
    this.#start(receivedAt, endpoint, typeWord, color, this.#words.subject(subject));
    this.#fields.start(source);
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
      const lastToken = subject.slice(subject.lastIndexOf('.') + 1);
      this.#fields.writeMembers(data as Record<string, unknown>, type, lastToken);
    } else if (data !== undefined) {
      this.#fields.write('data', data);
    }
    for (const name in event) {
      if (this.#line.isFull) break;
      if (!shownElsewhere.has(name) || isOddMember(name, event[name])) this.#fields.write(name, event[name]);
    }
    if (this.#hasMore) this.#addText(`… (shown in part: ${formatSize(source.length)}; -f json has all)`);
    return this.#line.end();
  }

  #renderInvalid({ receivedAt, endpoint, reason, frame, binary }: Omit<InvalidLine, 'kind'>): string {
    const label = this.#words.type(binary ? 'binary frame' : 'invalid frame');
    this.#start(receivedAt, endpoint, label, this.#colors.warning);
    if (!binary) this.#addText(this.#words.safe(reason));
    this.#addText(formatSize(frame.length));
    // A column holds at most four bytes of ordinary text.
    const shown = frame.subarray(0, this.#full ? LONGEST_INVALID : this.#width * 4);
    this.#addText(binary ? shown.toString('hex') : escapeUnsafe(shown.toString()));
    return this.#line.end();
  }

  #renderLifecycle({ receivedAt, endpoint, connection }: LifecycleLine): string {
    const { state, ...members } = connection as unknown as Record<string, unknown> & { state: string };
    const color = this.#colors[LIFECYCLE_SEVERITIES[state] ?? 'neutral'];
    this.#start(receivedAt, endpoint, this.#words.type(state), color);
    this.#fields.start('');
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

  /** Begins a line with time, endpoint, type and, for an event, the subject. */
  #start(
    receivedAt: string | undefined,
    endpoint: string | undefined,
    type: Word,
    color: Color,
    subject?: Word,
  ): void {
    const line = this.#line;
    const { dim } = this.#colors;
    const time = this.#time(receivedAt);
    const place = this.#words.endpoint(endpoint ?? '-');
    const typePadding = this.#hasColumns ? type.padding : '';
    line.start();
    const head = `${dim.open}${time}${dim.close}${place.painted}${color.open}${type.text}${color.close}${typePadding}`;
    if (!line.addWhole(head, time.length + place.columns + type.width + typePadding.length)) {
      line.add(time, time.length, dim);
      line.add(' ', 1);
      line.add(place.text, place.width, this.#colors.endpoint);
      line.add(place.padding, place.padding.length);
      line.add(' ', 1);
      line.add(type.text, type.width, color);
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

/** Members of an event that have a place of their own in the line. */
const NAMED_MEMBERS: ReadonlySet<string> = new Set(['type', 'subject', 'data']);
/** The same in the text of a whole event line, with the members that we put there. */
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set([...NAMED_MEMBERS, 'received_at', 'endpoint']);

/** Tells whether `type` or `subject` is no text, so that the head of the line does not show it. */
function isOddMember(name: string, value: unknown): boolean {
  return (name === 'type' || name === 'subject') && typeof value !== 'string';
}

const LIFECYCLE_SEVERITIES: Readonly<Record<string, Severity>> = {
  open: 'good',
  refused: 'warning',
  closed: 'warning',
  dropped: 'bad',
};
