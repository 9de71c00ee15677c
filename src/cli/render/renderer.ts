import {
  type ConnectionEvent,
  closeMeaning,
  escapeUnsafe,
  type Line,
  parseLine,
  type Severity,
  severityOf,
} from '../../index.js';
import { LineView, parseSparsely } from '../../internal.js';
import { formatDuration, formatSize } from '../options/quantity.js';
import type { Palette } from '../terminal/palette.js';
import { FieldWriter } from './fields.js';
import { TimeText } from './time-text.js';
import { type Color, codesOf, headOf, VisualLine } from './visual-line.js';

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

/** Columns in which the type, the subject and the fields begin, where the longest of `devices` and the like fit. */
const TYPE_COLUMN = '21:50:00.123 devices '.length;
const SUBJECT_COLUMN = TYPE_COLUMN + 'rule.execution_complete '.length;
const FIELDS_COLUMN = SUBJECT_COLUMN + 25;
/** On a narrower terminal the fields follow the subject without columns. */
const WIDTH_FOR_COLUMNS = 120;
/** Lines with `--full` are cut here, because a text in memory has a limit of its own. */
const WIDEST_LINE = 64 * 1024 * 1024;
/** Bytes of a frame that is no event, with `--full`. */
const LONGEST_INVALID = 16 * 1024 * 1024;
/** Of a longer line the first thousand members of each object are shown: a signal must not wait for the rest. */
const LONG_LINE = 2 * 1024 * 1024;
/** Longer types, subjects and endpoints are cut, except with `--full`. */
const MAX_WORD = 200;

/** Turns lines of a recording into lines that people read. */
export class Renderer {
  readonly #line: VisualLine;
  readonly #fields: FieldWriter;
  readonly #colors: Readonly<Record<Severity | 'dim' | 'endpoint', Color>>;
  readonly #full: boolean;
  readonly #times: TimeText;
  /** In columns. */
  readonly #width: number;
  readonly #hasColumns: boolean;
  /** Most lines are checked by the parser alone. */
  readonly #view = new LineView({ skipJsonCheck: true });

  constructor({ width, full, utc, palette }: RenderOptions) {
    this.#full = full;
    this.#times = new TimeText(utc);
    this.#width = full ? WIDEST_LINE : Math.max(1, Math.floor(width) || 1);
    this.#hasColumns = this.#width >= WIDTH_FOR_COLUMNS;
    this.#colors = {
      critical: codesOf(palette.red),
      error: codesOf(palette.red),
      warning: codesOf(palette.yellow),
      recovered: codesOf(palette.green),
      normal: { open: '', close: '' },
      dim: codesOf(palette.dim),
      endpoint: codesOf(palette.cyan),
    };
    this.#line = new VisualLine(this.#width);
    this.#fields = new FieldWriter(this.#line, full, this.#colors.dim);
  }

  /**
   * Renders one line of any kind.
   *
   * @param line UTF-8, without its LF.
   * @returns The line with its LF. It holds no other control character, except the escape codes of our colors.
   */
  render(line: Buffer): string {
    const view = this.#view;
    const kind = view.read(line, 0, line.length);
    const source = kind === 'event' ? view.text() : '';
    const event = kind === 'event' ? parseEvent(line, source) : undefined;
    if (event !== undefined) this.#renderEvent(view, source, event);
    else if (view.connection !== undefined) this.#renderLifecycle(view, view.connection);
    else this.#renderInvalid(line, kind === 'invalid' ? parseLine(line) : undefined);
    return this.#line.end();
  }

  #renderEvent(
    view: LineView,
    source: string,
    { value: event, isWhole }: ReturnType<typeof parseSparsely>,
  ): void {
    const { data } = event;
    const type = typeof event.type === 'string' ? event.type : '-';
    const subject = typeof event.subject === 'string' ? event.subject : '-';
    this.#start(view, type, severityOf(type, data));
    this.#line.add(` ${this.#safe(subject)}`);
    if (this.#hasColumns) this.#line.padTo(FIELDS_COLUMN - 1);
    this.#fields.start(source);
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
      const lastToken = subject.slice(subject.lastIndexOf('.') + 1);
      this.#fields.writeMembers(data as Record<string, unknown>, lastToken);
    } else if (data !== undefined) {
      this.#fields.write('data', data);
    }
    for (const name in event) {
      if (this.#line.isFull) break;
      // A type or a subject that is no text is not shown yet.
      const isShown = NAMED_MEMBERS.has(name) && (name === 'data' || typeof event[name] === 'string');
      if (!isShown) this.#fields.write(name, event[name]);
    }
    if (!isWhole) this.#line.add(` … (shown in part: ${formatSize(source.length)}; -f json has all)`);
  }

  #renderLifecycle(view: LineView, connection: ConnectionEvent): void {
    const { state, ...members } = connection as unknown as Record<string, unknown> & { state: string };
    this.#start(view, state, LIFECYCLE_SEVERITIES[state] ?? 'normal');
    this.#fields.start('');
    for (const [name, value] of Object.entries(members)) {
      if (name === 'retry_in_ms' && typeof value === 'number') {
        this.#fields.write('retry_in', formatDuration(value));
      } else if (value !== '') {
        this.#fields.write(name, value);
      }
      if (name === 'code' && typeof value === 'number') this.#fields.write('meaning', closeMeaning(value));
    }
  }

  /** Renders a line of a message that is no event, or a line that is none of a recording. */
  #renderInvalid(line: Buffer, parsed: Line | undefined): void {
    const { reason, frame, binary } =
      parsed?.kind === 'invalid' ? parsed : { reason: 'no line', frame: line, binary: false };
    this.#start(parsed && this.#view, binary ? 'binary frame' : 'invalid frame', 'warning');
    if (!binary && reason !== '') this.#line.add(` ${this.#safe(reason)}`);
    this.#line.add(` ${formatSize(frame.length)}`);
    // A column holds at most four bytes of ordinary text.
    const shown = frame.subarray(0, this.#full ? LONGEST_INVALID : this.#width * 4);
    const text = binary ? shown.toString('hex') : escapeUnsafe(shown.toString());
    if (text !== '') this.#line.add(` ${text}`);
  }

  /** Begins a line with time, endpoint and type. */
  #start(view: LineView | undefined, type: string, severity: Severity): void {
    const line = this.#line;
    line.add(this.#times.clock(view?.receivedAt ?? Number.NaN), this.#colors.dim);
    line.add(' ');
    line.add(this.#safe(view?.endpoint ?? '-'), this.#colors.endpoint);
    line.padTo(TYPE_COLUMN - 1);
    line.add(' ');
    line.add(this.#safe(type), this.#colors[severity]);
    if (this.#hasColumns) line.padTo(SUBJECT_COLUMN - 1);
  }

  /** Escapes control characters and cuts a text that is longer than anybody reads. */
  #safe(text: string): string {
    return this.#full || text.length <= MAX_WORD
      ? escapeUnsafe(text)
      : `${escapeUnsafe(headOf(text, MAX_WORD))}…`;
  }
}

/** Parses an event, whose text is `source`; `undefined` when its line is damaged. */
function parseEvent(line: Buffer, source: string): ReturnType<typeof parseSparsely> | undefined {
  try {
    if (source.length <= LONG_LINE) return { value: JSON.parse(source), isWhole: true };
  } catch {
    return undefined;
  }
  // Of a longer text only a part is parsed.
  const isChecked = new LineView().read(line, 0, line.length) === 'event';
  return isChecked ? parseSparsely(source, NAMED_MEMBERS) : undefined;
}

/** Members of an event that have a place of their own in the line. */
const NAMED_MEMBERS: ReadonlySet<string> = new Set(['type', 'subject', 'data']);

const LIFECYCLE_SEVERITIES: Readonly<Record<string, Severity>> = {
  open: 'recovered',
  refused: 'warning',
  closed: 'warning',
  dropped: 'error',
};
