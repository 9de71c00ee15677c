import type { Readable } from 'node:stream';
import type { Filter } from '../../core/filter/filter.js';
import { keepsLine } from '../../core/filter/filter.js';
import { each, type OptionRules } from '../../core/options.js';
import { endpointAtPath, endpointPath, isEndpointName } from '../../core/protocol.js';
import type { LineView } from '../../core/recording/line-view.js';
import { type Moment, type ScheduleOptions, TimeWindow } from '../../core/replay/schedule.js';
import type { Clock } from '../clock.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { type ReaderOptions, RecordingReader } from '../recording/reader.js';
import { SERVING_RULES, type ServingOptions } from '../server/serving-options.js';
import type { RepeatableSources } from './repeatable-sources.js';

/** Options of a replay, all optional. */
export interface ServeRecordingOptions extends ServingOptions {
  /** 2 is twice the recorded speed, 0.5 half of it; `max` sends as fast as clients take it. Default 1. */
  speed?: number | 'max' | undefined;
  /** Events a second in place of the recorded times. Needed for recordings without times. */
  rate?: number | undefined;
  /** Silences longer than this are cut to this. Default: no limit. */
  maxGapMs?: number | undefined;
  /** First event: an RFC 3339 time, or milliseconds from the start of the recording. Default: its start. */
  from?: string | number | undefined;
  /** Last event, in the same form. Default: the end of the recording. */
  to?: string | number | undefined;
  /** A filter from {@link compileFilter}. Default: everything. */
  filter?: Filter | undefined;
  /** `true` repeats forever, a number is the number of passes in all. Default: once. */
  loop?: boolean | number | undefined;
  /**
   * `client`: every connection gets its endpoint's events from the start. `shared`: one clock for all starts with the
   * first client, and late clients join mid-stream. The first connection to each endpoint within the first second
   * misses nothing. When a shared replay is over and all clients have gone, the next client starts it again.
   * Default `client`.
   */
  clock?: 'client' | 'shared' | undefined;
  /**
   * Play what happened to the recorded connections: refusals, closes, drops, downtimes. Implies a shared clock.
   * `docs/library.md` shows it. Clients whose times differ from the recorded client's meet the same events.
   */
  lifecycle?: boolean | undefined;
  /** At the end, close clients with 1000 and stop. Default: the end closes nothing, and new clients are served. */
  exitWhenDone?: boolean | undefined;
  /** Be on time to a quarter of a millisecond, by blocking this thread for up to 2 ms at a time. Default `false`. */
  precise?: boolean | undefined;
  /** Treat damage in the recording as an error. Default: skip it and call `onProblem`. */
  strict?: boolean | undefined;
  /** Called once for each piece of damage that was skipped. */
  onProblem?: ((problem: ReadProblem) => void) | undefined;
  /** Called with everything else that is worth knowing. */
  onNotice?: ((notice: ReplayNotice) => void) | undefined;
  /**
   * Called while a recording is indexed before it is served (`lifecycle`), with the number of bytes that were read
   * since the last call, as they are stored in the files.
   */
  onIndexed?: ((bytes: number) => void) | undefined;
  /** Stream for the source `-`. Default: standard input. It is copied to a temporary file. */
  stdin?: Readable | undefined;
  /** Stops the preparation. Once the server listens, `close` ends it. */
  signal?: AbortSignal | undefined;
}

const HIGHEST = 1_000_000;

/** The rules for the options of a replay. */
export const REPLAY_RULES: OptionRules<ServeRecordingOptions> = {
  ...SERVING_RULES,
  ...each(true, 'from', 'to', 'filter', 'lifecycle', 'exitWhenDone', 'precise', 'strict'),
  ...each(true, 'onProblem', 'onNotice', 'onIndexed', 'stdin', 'signal'),
  speed: [
    (speed) => speed === 'max' || (typeof speed === 'number' && speed > 0 && speed <= HIGHEST),
    `a speed is above 0 and at most ${HIGHEST}, or max`,
  ],
  rate: [(rate) => rate > 0 && rate <= HIGHEST, `a rate is above 0 and at most ${HIGHEST} events a second`],
  maxGapMs: [(gapMs) => gapMs >= 0, 'a longest gap is not negative'],
  loop: [
    (loop) => typeof loop === 'boolean' || (Number.isInteger(loop) && loop >= 1),
    'a loop is a whole number of passes, 1 or more',
  ],
  clock: [(clock) => clock === 'client' || clock === 'shared', 'a clock is client or shared'],
};

/** Something that a replay reports. Text is foreign: it comes from recordings and paths. */
export type ReplayNotice =
  /** Events of an endpoint that came while no client was connected. */
  | { kind: 'unseen'; endpoint: string; events: number }
  /** A recorded time in which nothing listens. */
  | { kind: 'downtime'; phase: 'begins' | 'ends' }
  /** A source that can be read only once is being copied, and has not ended yet. `source`: a path or `stdin`. */
  | { kind: 'copying'; source: string }
  /** Events of an endpoint that the API does not have, and the path at which they are served. */
  | { kind: 'foreign'; endpoint: string; path: string }
  /** Events that name no endpoint and have such a type are served on `system`. */
  | { kind: 'unnamed'; type: string }
  /** With `lifecycle`: the recording says nothing of connections. */
  | { kind: 'no lifecycle' }
  /** The end of the recording was reached; a client that came after it starts it again. */
  | { kind: 'end' }
  | { kind: 'again' }
  /** No event of the recording passes the filter and lies between `from` and `to`. */
  | { kind: 'nothing' };

/** State of a replay. */
export interface ReplayStatus {
  /** Microseconds of the schedule; of several playbacks, of the one that is furthest. */
  position: number;
  /** Microseconds of the whole schedule; `undefined` when that is not known (compressed files, loops). */
  length: number | undefined;
  speed: number | 'max';
  paused: boolean;
  /** Every client that is there has come to the end. */
  over: boolean;
}

/** Controls of a running replay. */
export interface PlaybackControls {
  /** 2 is twice the recorded speed. */
  setSpeed(speed: number): void;
  pause(): void;
  resume(): void;
  /** While paused: sends the next event, whenever it is due. */
  step(): void;
}

/** A replay with its defaults filled in. Its members without a comment are {@link ServeRecordingOptions}. */
export interface ReplayPlan extends RepeatableSources {
  filter: Filter;
  from: Moment | undefined;
  to: Moment | undefined;
  schedule: ScheduleOptions;
  /** Number of passes; 1 or more, or infinite. */
  passes: number;
  /** `max`: the clients set the pace, each chunk waits until the slowest client is ready for it. */
  speed: number | 'max';
  /** `true`: one clock for all, which starts with the first client. Lifecycle lines need it. */
  shared: boolean;
  lifecycle: boolean;
  exitWhenDone: boolean;
  precise: boolean;
  strict: boolean;
  /** At full speed, a client that takes nothing for this long while others wait for it is ended. */
  stallMs: number;
  endpoints: EndpointTable;
  clock: Clock;
  signal: AbortSignal | undefined;
  onIndexed: ((bytes: number) => void) | undefined;
  onProblem: (problem: ReadProblem) => void;
  onNotice: (notice: ReplayNotice) => void;
}

/** Endpoint of events that name none, and whose type names none. */
const DEFAULT_ENDPOINT = 'system';

/** More endpoints than this are damage, not endpoints; their events are left out. */
const MOST_ENDPOINTS = 4096;
/** No request has a longer path. */
const LONGEST_LABEL = 2048;

/** Numbers the endpoints of a recording, so that lines need not carry texts. */
export class EndpointTable {
  readonly #indices = new Map<string, number>();
  readonly #labels: string[] = [];
  readonly #onForeign: (path: string) => void;
  /** The endpoint of the last line is mostly the endpoint of the next one. */
  #last: { endpoint: string | undefined; index: number } | undefined;

  /** @param onForeign Called with the path of each endpoint that is not one of the four. */
  constructor(onForeign: (path: string) => void = () => undefined) {
    this.#onForeign = onForeign;
  }

  /** The number of an endpoint; a new endpoint gets one. All endpoints beyond the limit share one number. */
  indexOf(endpoint: string | undefined): number {
    if (this.#last !== undefined && endpoint === this.#last.endpoint) return this.#last.index;
    const index = this.#find(this.labelFor(endpoint));
    this.#last = { endpoint, index };
    return index;
  }

  #find(label: string): number {
    const known = this.#indices.get(label);
    if (known !== undefined) return known;
    if (this.#labels.length === MOST_ENDPOINTS || label.length > LONGEST_LABEL) return MOST_ENDPOINTS;
    this.#indices.set(label, this.#labels.length);
    if (!isEndpointName(label)) this.#onForeign(label);
    return this.#labels.push(label) - 1;
  }

  /** The label under which a line is served: one of the four endpoints, or a path. */
  labelFor(endpoint: string | undefined): string {
    if (endpoint === undefined) return DEFAULT_ENDPOINT;
    if (isEndpointName(endpoint)) return endpoint;
    const path = endpointPath(endpoint);
    return endpointAtPath(path) ?? path;
  }

  /** The label with that number; `undefined` beyond the limit. */
  labelOf(index: number): string | undefined {
    return this.#labels[index];
  }

  has(endpoint: string): boolean {
    return this.#indices.has(endpoint);
  }
}

/** Opens the sources of a plan. */
export function openPlan(plan: ReplayPlan, options: ReaderOptions): Promise<RecordingReader> {
  const { paths, names, filter } = plan;
  return RecordingReader.open(paths, {
    names,
    skipJsonCheck: filter.passesAll && options.strict !== true,
    ...options,
  });
}

/** Chooses the lines of one pass that a plan asks for. */
export class LineChooser {
  readonly #plan: ReplayPlan;
  readonly #window: TimeWindow;
  readonly #choosesAll: boolean;
  /** `true` once no later line can be chosen. */
  isOver = false;

  constructor(plan: ReplayPlan) {
    this.#plan = plan;
    this.#window = new TimeWindow(plan.from, plan.to);
    this.#choosesAll = plan.filter.passesAll && plan.from === undefined && plan.to === undefined;
  }

  /** Pass every line of the recording, from its first line on. */
  chooses(line: LineView): boolean {
    const { filter, endpoints, lifecycle } = this.#plan;
    if (line.kind === 'connection' && !lifecycle) {
      // It may be the line that offsets count from.
      if (!this.#choosesAll) this.#window.place(line.receivedAt);
      return false;
    }
    if (this.#choosesAll) return true;
    const place = this.#window.place(line.receivedAt);
    if (place === 'over') this.isOver = true;
    if (place !== 'inside') return false;
    return keepsLine(filter, line.kind, line.frame, endpoints.labelFor(line.endpoint));
  }
}
