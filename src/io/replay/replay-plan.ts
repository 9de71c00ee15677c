import { compileFilter } from '../../core/filter/filter.js';
import { endpointAtPath, endpointPath, isEndpointName, WEBSOCKET_PATH } from '../../core/protocol.js';
import { LineSelection } from '../../core/recording/line-selection.js';
import { type Clock, systemClock } from '../clock.js';
import type { ReaderOptions } from '../recording/open-sources.js';
import { partOf, withKnownEnds } from '../recording/part.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { RecordingReader } from '../recording/reader.js';
import type { RepeatableSources } from '../recording/repeatable-sources.js';
import { DEFAULT_LIMITS } from '../server/serving-options.js';
import type { ReplayNotice, ServeRecordingOptions } from './replay-options.js';

/** A replay with its defaults filled in. */
export type ReplayPlan = Awaited<ReturnType<typeof planOf>>;

/** Fills in the defaults of options that have been checked. */
export async function planOf(copies: RepeatableSources, options: ServeRecordingOptions) {
  const { speed = 1, loop = false, lifecycle = false, rate, maxGapMs } = options;
  const onNotice = noticesOf(options);
  const { from, to } = await withKnownEnds(partOf(options), copies.paths, options);
  return {
    ...copies,
    filter: options.filter ?? (await compileFilter()),
    from,
    to,
    schedule: { rate, maxGapMicros: maxGapMs === undefined ? undefined : maxGapMs * 1000 },
    /** Number of passes; 1 or more, or infinite. */
    passes: loop === true ? Number.POSITIVE_INFINITY : loop === false ? 1 : loop,
    /** `max`: the clients set the pace, each chunk waits until the slowest client is ready for it. */
    speed,
    /** One clock for all, which starts with the first client. Lifecycle lines need it. */
    shared: options.clock === 'shared' || lifecycle,
    lifecycle,
    exitWhenDone: options.exitWhenDone === true,
    precise: options.precise === true,
    strict: options.strict === true,
    /** At full speed, a client that takes nothing for this long while others wait for it is ended. */
    stallMs: options.limits?.closePatienceMs ?? DEFAULT_LIMITS.closePatienceMs,
    endpoints: new EndpointLabels((path) => {
      const endpoint = path.slice(WEBSOCKET_PATH.length);
      // Other paths were recorded by that path.
      if (path === WEBSOCKET_PATH + endpoint && !endpoint.includes('/')) {
        onNotice({ kind: 'foreign', endpoint, path });
      }
    }),
    clock: systemClock as Clock,
    /** The schedule of a shared clock starts this long after the first client. */
    leadMs: 0,
    /** An event that is later than this is not caught up: the events after it come later, too. */
    longestLagMs: Number.POSITIVE_INFINITY,
    stdin: options.stdin,
    signal: options.signal,
    onIndexed: options.onIndexed,
    onProblem: onceEach(options.onProblem ?? (() => undefined)),
    onNotice,
  };
}

/** A recording is read once for each client and pass; its damage is reported once. */
function onceEach(onProblem: (problem: ReadProblem) => void): (problem: ReadProblem) => void {
  const lastLines = new Map<string, number>();
  return (problem) => {
    if (problem.line <= (lastLines.get(problem.source) ?? 0)) return;
    lastLines.set(problem.source, problem.line);
    onProblem(problem);
  };
}

/** Notices that are told once: each playback finds them again. */
const ONCE: ReadonlySet<ReplayNotice['kind']> = new Set(['nothing', 'unnamed', 'end', 'again']);
/** Endpoints that the API does not have are named one by one up to this number. */
const MOST_FOREIGN = 10;

/** Wraps the callback for notices: leaves out repeats, the end that was asked for, and a start that is no second one. */
function noticesOf({ onNotice, exitWhenDone }: ServeRecordingOptions): (notice: ReplayNotice) => void {
  const told = new Set<ReplayNotice['kind']>();
  let foreign = 0;
  return (notice) => {
    const { kind } = notice;
    if (told.has(kind) || (kind === 'foreign' && foreign++ >= MOST_FOREIGN)) return;
    if (kind === 'end' && (exitWhenDone || told.has('nothing'))) return;
    if (kind === 'again' && !told.has('end')) return;
    if (ONCE.has(kind)) told.add(kind);
    onNotice?.(notice);
  };
}

/** Endpoint of events that name none, and whose type names none. */
const DEFAULT_ENDPOINT = 'system';

/** More endpoints than this are damage, not endpoints; their events are left out. */
const MOST_ENDPOINTS = 4096;
/** No request has a longer path. */
const LONGEST_LABEL = 2048;

/** The labels under which lines of a recording are served, as far as they have been met. */
export class EndpointLabels {
  /** By endpoint of a line. */
  readonly #labels = new Map<string, string>();
  readonly #met = new Set<string>();

  /** @param onForeign Called with the path of each endpoint that is not one of the four. */
  constructor(private readonly onForeign: (path: string) => void = () => undefined) {}

  /** Returns one of the four endpoints, or a path; `undefined` for a line that is left out. */
  labelOf(endpoint = DEFAULT_ENDPOINT): string | undefined {
    return this.#labels.get(endpoint) ?? this.#add(endpoint);
  }

  #add(endpoint: string): string | undefined {
    const path = endpointPath(endpoint);
    const label = endpointAtPath(path) ?? path;
    if (this.#labels.size === MOST_ENDPOINTS || label.length > LONGEST_LABEL) return undefined;
    this.#labels.set(endpoint, label);
    if (!this.#met.has(label) && !isEndpointName(label)) this.onForeign(label);
    this.#met.add(label);
    return label;
  }

  has(label: string): boolean {
    return this.#met.has(label);
  }
}

/** Opens the sources of a plan. */
export function openPlan(plan: ReplayPlan, options: ReaderOptions): Promise<RecordingReader> {
  const { paths, names, filter, stdin } = plan;
  return RecordingReader.open(paths, {
    names,
    stdin,
    skipJsonCheck: filter.passesAll && options.strict !== true,
    ...options,
  });
}

/** Makes the selection for one pass. It selects lifecycle lines, too, whether or not the plan needs them. */
export function selectionOf({ from, to, filter }: ReplayPlan): LineSelection {
  return new LineSelection({ from, to, filter, maxBytes: 0 });
}
