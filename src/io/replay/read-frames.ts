import type { Filter } from '../../core/filter/filter.js';
import { keepsLine } from '../../core/filter/keeps-line.js';
import type { LineView } from '../../core/recording/line-view.js';
import { Pace, type PaceOptions } from '../../core/replay/pace.js';
import { type Moment, TimeWindow } from '../../core/replay/time-window.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { collectRecording, type LineCollector } from '../recording/read-recording.js';
import { type FrameRun, FrameRunBuilder } from './frame-run.js';
import type { LaneTable } from './lane-table.js';

/** What to replay, and in which time. */
export interface Programme {
  /** Files that can be read again and again, merged by time. */
  sources: readonly string[];
  /** What messages call a source, where that is not its path. */
  names: ReadonlyMap<string, string>;
  filter: Filter;
  from: Moment | undefined;
  to: Moment | undefined;
  pace: PaceOptions;
  /** How often; 1 or more, or infinite. */
  passes: number;
  /** Whether the lines of connections are asked for. */
  lifecycle: boolean;
  lanes: LaneTable;
  strict: boolean;
  onProblem: (problem: ReadProblem) => void;
  /** Told when a whole pass has given no event. */
  onNothing: () => void;
}

/** How a reading is to be done. */
export interface ReadingOptions {
  signal: AbortSignal;
  /** Bytes of a run, about, and of a piece read from the file. Large ones cost less, small ones hold less memory. */
  runBytes: number;
  blockBytes: number;
  /** Whether each event needs its own due time. */
  timed: boolean;
  /** Whether frames of that lane are wanted. */
  wants: (lane: number) => boolean;
}

/** Reads the recording from its start and makes frames of what was asked for, pass after pass. */
export function readFrames(
  programme: Programme,
  { signal, runBytes, blockBytes, timed, wants }: ReadingOptions,
): AsyncGenerator<FrameRun, void, undefined> {
  const { lanes, lifecycle } = programme;
  const builder = (pace: Pace) => new FrameRunBuilder({ lanes, lifecycle, pace, runBytes, timed, wants });
  const hasEvents = (run: FrameRun) => run.count > run.lifecycle.size;
  return readPasses(programme, builder, { signal, blockBytes, hasEvents });
}

interface PassesOptions<Batch> {
  signal: AbortSignal;
  /** Whether there is an event in it. Default: there is. */
  hasEvents?: (batch: Batch) => boolean;
  /** Bytes of a piece read from the file. */
  blockBytes: number;
  /** Told of the end of each pass. */
  onPass?: () => void;
}

/**
 * Reads the lines that were asked for, pass after pass, with whatever is to be made of them.
 *
 * @param createCollector Its pace tells when each line is due: call `next` for each one, in their order.
 */
export async function* readPasses<Batch>(
  programme: Programme,
  createCollector: (pace: Pace) => LineCollector<Batch>,
  { signal, blockBytes, hasEvents, onPass }: PassesOptions<Batch>,
): AsyncGenerator<Batch, void, undefined> {
  const pace = new Pace(programme.pace);
  const collector = createCollector(pace);
  const { filter, strict, onNothing } = programme;
  const reading = { ...programme, skipJsonCheck: filter.passesAll && !strict, maxBlockBytes: blockBytes };
  for (let pass = 0; pass < programme.passes && !signal.aborted; pass++) {
    pace.restart();
    const selection = new Selection(programme);
    // `AbortSignal.any` would leave something behind in the signal for each pass of a loop.
    signal.addEventListener('abort', selection.end);
    const keep = selection.keepsAll ? undefined : (line: LineView) => selection.keeps(line);
    let batches = 0;
    let isEmpty = true;
    for await (const batch of collectRecording(programme.sources, collector, {
      ...reading,
      keep,
      signal: selection.over,
    })) {
      batches++;
      if (isEmpty) isEmpty = hasEvents?.(batch) === false;
      yield batch;
    }
    onPass?.();
    signal.removeEventListener('abort', selection.end);
    if (isEmpty && !signal.aborted) onNothing();
    // Nothing, repeated for ever, would be a loop without an end.
    if (batches === 0) return;
  }
}

/** Which lines of one pass are wanted. */
class Selection {
  readonly #programme: Programme;
  readonly #window: TimeWindow;
  readonly #over = new AbortController();

  constructor(programme: Programme) {
    this.#programme = programme;
    this.#window = new TimeWindow(programme.from, programme.to);
  }

  /** Whether every line is wanted, so that nobody needs to ask. */
  get keepsAll(): boolean {
    const { filter, from, to } = this.#programme;
    return filter.passesAll && from === undefined && to === undefined;
  }

  /** Aborts when nothing more can be wanted, or is. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Nothing more is wanted. */
  readonly end = (): void => this.#over.abort();

  keeps(line: LineView): boolean {
    const place = this.#window.place(Number.isNaN(line.receivedAt) ? undefined : line.receivedAt);
    if (place === 'over') this.#over.abort();
    if (place !== 'inside') return false;
    const { filter, lanes } = this.#programme;
    return keepsLine(filter, line.kind, line.frame, lanes.labelFor(line.endpoint));
  }
}
