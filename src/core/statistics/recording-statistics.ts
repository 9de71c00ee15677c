import { ByteCache } from '../json/byte-cache.js';
import type { FrameReader } from '../json/frame.js';
import type { LineView } from '../recording/line-view.js';
import { ConnectionHistory } from './connection-history.js';
import type { ConnectionReport } from './connection-report.js';
import { LossesBehind } from './outages.js';
import { type ProblemReport, Problems } from './problems.js';
import { type Entry, type NamedCount, shortName, Tally } from './tally.js';
import { type Series, Timeline } from './timeline.js';

/** Statistics of a recording. Times are microseconds since 1970; counts by name begin with the most frequent. */
export interface RecordingReport extends ConnectionReport, ProblemReport {
  /** Number of good lines: events, invalid lines and lifecycle lines. */
  lines: number;
  events: number;
  byEndpoint: NamedCount[];
  byType: NamedCount[];
  /** The most frequent subjects. */
  subjects: NamedCount[];
  /** Number of different subjects. */
  subjectCount: number;
  /** `true` when there were so many different names that counts are approximate. */
  isApproximate: boolean;
  /** Times of the first and the last line; `undefined` when no line has a time. */
  first: number | undefined;
  last: number | undefined;
  rate: {
    /** Events a second from the first line to the last. */
    mean: number;
    /** Most events in any second of the clock. */
    peak: number;
  };
  /** Number of frames that were not a JSON object. */
  invalid: number;
  /** Events over time by type. */
  timeline: Timeline;
}

/** At least this many names are counted exactly. */
const MAX_ENDPOINTS = 1000;
const MAX_TYPES = 2000;
const MAX_SUBJECTS = 10_000;
/** Number of subjects in the report. */
const TOP_SUBJECTS = 20;
const MICROS_PER_SECOND = 1_000_000;
/** Seconds that are counted at the same time; a power of two. */
const OPEN_SECONDS = 2 ** 14;

/** Computes statistics in one pass, in memory that does not grow with the recording. */
export class RecordingStatistics {
  readonly #endpoints = new Tally(MAX_ENDPOINTS);
  readonly #subjects = new Tally(MAX_SUBJECTS);
  readonly #subjectEntries = new ByteCache<Entry<never>>(4096);
  readonly #problems = new Problems();
  #history = new ConnectionHistory();
  readonly #behind = new LossesBehind();
  readonly #timeline = new Timeline();
  readonly #types = new Tally<Series>(MAX_TYPES);
  #lines = 0;
  #events = 0;
  #invalid = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  /** The open seconds and the events in each: recordings that follow each other may cover the same seconds. */
  readonly #seconds = new Float64Array(OPEN_SECONDS).fill(-1);
  readonly #inSecond = new Uint32Array(OPEN_SECONDS);
  #peak = 0;

  /** Takes a line before the part that is reported: it tells how the endpoints stand where the part begins. */
  addBefore({ endpoint = '', receivedAt, connection }: LineView): void {
    if (connection !== undefined) this.#history.add(shortName(endpoint), receivedAt, connection);
  }

  /** Begins the part that is reported. Lines after it go to {@link add}. */
  beginAt(start: number): void {
    this.#history = this.#history.continuedAt(start);
  }

  /** Takes a line behind the part: it may tell that an endpoint had been silent at its end. */
  addBehind({ endpoint = '', receivedAt, connection }: LineView): void {
    if (connection !== undefined) this.#behind.add(shortName(endpoint), receivedAt, connection);
  }

  add(line: LineView): void {
    const { kind, receivedAt } = line;
    this.#lines++;
    if (receivedAt < this.#first) this.#first = receivedAt;
    if (receivedAt > this.#last) this.#last = receivedAt;
    if (kind === 'event') this.#addEvent(line);
    else if (kind === 'invalid') this.#invalid++;
    else if (line.connection !== undefined) {
      this.#history.add(shortName(line.endpoint ?? ''), receivedAt, line.connection);
    }
  }

  #addEvent({ frame, endpoint: label = '(unknown)', receivedAt }: LineView): void {
    this.#events++;
    const endpoint = shortName(label);
    const name = frame.type;
    const type = this.#types.add(name ?? '(none)');
    this.#endpoints.add(endpoint);
    this.#addSubject(frame);
    const isProblem = this.#problems.add(frame, name, endpoint, receivedAt);
    if (Number.isNaN(receivedAt)) return;
    this.#history.heard(endpoint, receivedAt);
    type.extra ??= this.#timeline.seriesOf(type.name);
    this.#timeline.add(receivedAt, type.extra);
    if (isProblem) this.#timeline.add(receivedAt, this.#timeline.problems);
    const second = Math.floor(receivedAt / MICROS_PER_SECOND);
    const slot = second & (OPEN_SECONDS - 1);
    if (second !== this.#seconds[slot]) {
      this.#seconds[slot] = second;
      this.#inSecond[slot] = 0;
    }
    const count = (this.#inSecond[slot] as number) + 1;
    this.#inSecond[slot] = count;
    if (count > this.#peak) this.#peak = count;
  }

  /** Counts the subject. Most are found by their bytes. */
  #addSubject(frame: FrameReader): void {
    const known = frame.recall(0, this.#subjectEntries);
    if (known !== undefined && known !== null) {
      known.count++;
      return;
    }
    const { subject } = frame;
    if (subject === undefined) return;
    const { prunes } = this.#subjects;
    const entry = this.#subjects.add(subject);
    if (known === undefined) this.#subjectEntries.add(entry);
    // An entry that was removed must not be counted on.
    if (prunes !== this.#subjects.prunes) this.#subjectEntries.clear();
  }

  /**
   * Returns the report. Call it once, at the end.
   *
   * @param end The end of the part, if the recording goes on behind it. Default: the last line.
   */
  finish(end = this.#last): RecordingReport {
    const hasTimes = this.#first <= this.#last;
    const seconds = hasTimes ? (this.#last - this.#first) / MICROS_PER_SECOND : 0;
    return {
      lines: this.#lines,
      events: this.#events,
      byEndpoint: this.#endpoints.sorted(),
      byType: this.#types.sorted(),
      subjects: this.#subjects.sorted().slice(0, TOP_SUBJECTS),
      subjectCount: this.#subjects.size,
      isApproximate: !(this.#endpoints.isExact && this.#types.isExact && this.#subjects.isExact),
      first: hasTimes ? this.#first : undefined,
      last: hasTimes ? this.#last : undefined,
      rate: { mean: seconds > 0 ? this.#events / seconds : 0, peak: this.#peak },
      ...this.#history.finish(end, this.#behind),
      ...this.#problems.finish(),
      invalid: this.#invalid,
      timeline: this.#timeline,
    };
  }
}
