import {
  type ConnectionEvent,
  closeMeaning,
  escapeUnsafe,
  parseLine,
  parseTimestamp,
  type Severity,
  severityOf,
} from '../../index.js';
import { isObject, LineView, type ProblemCounts, parseSparsely } from '../../internal.js';
import { formatDuration, formatSize } from '../options/quantity.js';
import { MARKS, markPaints, type Palette } from '../terminal/palette.js';
import { FieldWriter } from './fields.js';
import { type Cell, Columns, headingOf, shortEndpoint } from './heading.js';
import { TimeText } from './time-text.js';
import { type Color, codesOf, NO_COLOR, VisualLine } from './visual-line.js';

/** Options for lines that people read. */
export interface RenderOptions {
  /** The columns of the terminal. */
  width: number;
  /** Neither lines nor long values are cut. */
  full: boolean;
  /** Times are in UTC instead of the machine's time zone. */
  utc: boolean;
  palette: Palette;
  /** Microseconds since 1970. A line of another day is preceded by one with its date. */
  startMicros: number;
  /** Counts the problems that are shown. */
  problems?: ProblemCounts | undefined;
}

/** Lines with `--full` are cut here, because a text in memory has a limit of its own. */
const WIDEST_LINE = 64 * 1024 * 1024;
/** Bytes of a frame that is no event, with `--full`. */
const LONGEST_INVALID = 16 * 1024 * 1024;
/** A longer line shows only the first thousand members of each object, so that a signal need not wait for the rest. */
const LONG_LINE = 2 * 1024 * 1024;

/** Turns lines of a recording into lines that people read. */
export class Renderer {
  readonly #line: VisualLine;
  readonly #fields: FieldWriter;
  readonly #columns: Columns;
  readonly #marks: Readonly<Record<Severity, Color>>;
  readonly #names: Readonly<Record<Severity, Color>>;
  readonly #dim: Color;
  readonly #bold: Color;
  readonly #times: TimeText;
  /** In columns. */
  readonly #width: number;
  /** Most lines are checked by the parser alone. */
  readonly #view = new LineView({ skipJsonCheck: true });
  /** The date line before the current line, if it needs one. */
  #dateLine = '';
  #date: string;
  /** A time of the day of the last line, in microseconds since 1970. */
  lastMicros: number;

  constructor(private readonly options: RenderOptions) {
    const { width, full, utc, palette, startMicros } = options;
    this.#times = new TimeText(utc);
    this.#date = this.#times.date(startMicros);
    this.lastMicros = startMicros;
    this.#width = full ? WIDEST_LINE : Math.max(1, Math.floor(width) || 1);
    this.#columns = new Columns(this.#width, full);
    const { critical, error, warning, recovered } = markPaints(palette);
    this.#bold = codesOf(palette.bold);
    this.#dim = codesOf(palette.dim);
    const [red, green] = [codesOf(error), codesOf(recovered)];
    this.#names = { critical: red, error: red, recovered: green, warning: this.#bold, normal: NO_COLOR };
    this.#marks = { ...this.#names, critical: codesOf(critical), warning: codesOf(warning) };
    this.#line = new VisualLine(this.#width);
    this.#fields = new FieldWriter(this.#line, full, this.#dim);
  }

  /**
   * Renders one line of any kind: `bytes[start..end)`, UTF-8 without its LF.
   *
   * @returns The line with its LF, after one with the date if the day has changed. They hold no other control
   * character, except the escape codes of our colors.
   */
  render(bytes: Buffer, start = 0, end = bytes.length): string {
    const view = this.#view;
    const kind = view.read(bytes, start, end);
    const source = kind === 'event' ? view.text() : '';
    const event = kind === 'event' ? parseEvent(view, source) : undefined;
    if (event !== undefined) this.#renderEvent(view, source, event);
    else if (view.connection !== undefined) this.#renderLifecycle(view, view.connection);
    else this.#renderInvalid(bytes.subarray(start, end), kind === 'invalid');
    const text = this.#dateLine + this.#line.end();
    this.#dateLine = '';
    return text;
  }

  #renderEvent(
    view: LineView,
    source: string,
    { value: event, isWhole }: ReturnType<typeof parseSparsely>,
  ): void {
    const { data } = event;
    const type = typeof event.type === 'string' ? event.type : '-';
    const parts = this.#columns.type(type);
    const subject = typeof event.subject === 'string' ? event.subject : undefined;
    const { device, needsSubject, needsEndpoint } = headingOf(parts, subject, data, view.endpoint);
    const severity = severityOf(type, data);
    this.options.problems?.add(severity, data, subject);
    const cell = this.#start(view, device, type, severity);
    this.#fields.start(source, this.#names[severity]);
    if (isObject(data)) {
      this.#fields.writeMembers(data, cell.isWhole ? device : '');
    } else if (data !== undefined) {
      this.#fields.write('data', data);
    }
    for (const name in event) {
      if (this.#line.isFull) break;
      // A type or a subject that is no text is not shown yet.
      const isShown = NAMED_MEMBERS.has(name) && (name === 'data' || typeof event[name] === 'string');
      if (!isShown) this.#fields.write(name, event[name]);
    }
    if (needsSubject) this.#fields.write('subject', subject);
    if (needsEndpoint) this.#fields.write('endpoint', shortEndpoint(view.endpoint ?? ''));
    if (!isWhole) this.#line.add(` … (shown in part: ${formatSize(source.length)}; -f json has all)`);
  }

  #renderLifecycle(view: LineView, connection: ConnectionEvent): void {
    const { state, ...members } = connection as ConnectionEvent & Record<string, unknown>;
    const isBack = state === 'open' && members.gap_since !== undefined;
    const severity = isBack ? 'recovered' : (LIFECYCLE_SEVERITIES[state] ?? 'normal');
    this.#start(view, shortEndpoint(view.endpoint ?? ''), state, severity);
    this.#fields.start('');
    for (const [name, value] of Object.entries(members)) {
      if (name === 'retry_in_ms' && typeof value === 'number') {
        this.#fields.write('retry_in', formatDuration(value));
      } else if (TIME_MEMBERS.has(name) && typeof value === 'string') {
        const micros = parseTimestamp(value);
        this.#fields.write(name, micros === undefined ? value : this.#times.dateAndClock(micros));
      } else if (value !== '') {
        this.#fields.write(name, value);
      }
      if (name === 'code' && typeof value === 'number') this.#fields.write('meaning', closeMeaning(value));
    }
  }

  /** Renders a line of a message that is no event, or a line that is none of a recording. */
  #renderInvalid(line: Buffer, isOurs: boolean): void {
    const parsed = isOurs ? parseLine(line) : undefined;
    const { reason, frame, binary } =
      parsed?.kind === 'invalid' ? parsed : { reason: 'no line', frame: line, binary: false };
    const view = parsed && this.#view;
    const endpoint = shortEndpoint(view?.endpoint ?? '');
    this.#start(view, endpoint, binary ? 'binary frame' : 'invalid frame', 'warning');
    if (!binary && reason !== '') this.#line.add(` ${this.#columns.safe(reason)}`);
    this.#line.add(` ${formatSize(frame.length)}`);
    // A column holds at most four bytes of ordinary text.
    const shown = frame.subarray(0, this.options.full ? LONGEST_INVALID : this.#width * 4);
    const text = binary ? shown.toString('hex') : escapeUnsafe(shown.toString());
    if (text !== '') this.#line.add(` ${text}`);
  }

  /** Begins a line with time, severity, device and type. @returns The device as it is shown. */
  #start(view: LineView | undefined, device: string, type: string, severity: Severity): Cell {
    const line = this.#line;
    const at = view?.receivedAt ?? Number.NaN;
    const clock = this.#times.clock(at);
    const date = this.#times.date(at);
    if (date !== this.#date && date !== '') {
      this.#date = date;
      this.lastMicros = at;
      line.add(`-- ${date} --`, this.#bold);
      this.#dateLine = line.end();
    }
    const cell = this.#columns.device(device);
    line.add(clock.slice(0, this.#columns.clock), this.#dim);
    line.add(' ');
    line.add(MARKS[severity], this.#marks[severity]);
    line.add(' ');
    line.add(cell.text, this.#names[severity]);
    line.add(' ');
    line.add(this.#columns.type(type).text, this.#names[severity]);
    return cell;
  }
}

/** Parses an event, whose text is `source`; `undefined` when its line is damaged. */
function parseEvent(view: LineView, source: string): ReturnType<typeof parseSparsely> | undefined {
  try {
    if (source.length <= LONG_LINE) return { value: JSON.parse(source), isWhole: true };
  } catch {
    return undefined;
  }
  // Only a part of a longer text is parsed.
  const isChecked = new LineView().read(view.bytes, view.start, view.end) === 'event';
  return isChecked ? parseSparsely(source, NAMED_MEMBERS) : undefined;
}

/** Members of an event that have a place of their own in the line. */
const NAMED_MEMBERS: ReadonlySet<string> = new Set(['type', 'subject', 'data']);
/** Members of a lifecycle line that are times. */
const TIME_MEMBERS: ReadonlySet<string> = new Set(['gap_since', 'from', 'to']);

const LIFECYCLE_SEVERITIES: Readonly<Record<ConnectionEvent['state'], Severity>> = {
  connecting: 'normal',
  refused: 'warning',
  open: 'normal',
  closed: 'warning',
  dropped: 'error',
  given_up: 'error',
  stopped: 'normal',
};
