import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import { each, type OptionRules } from '../../core/options.js';
import type { StreamOptions } from '../jetstream/target.js';
import { PART_RULES, type PartOptions, partOf } from '../recording/part.js';
import type { ReadProblem } from '../recording/read-problems.js';
import { checkServing, SERVING_RULES, type ServingOptions } from '../server/serving-options.js';

/** Options of a replay, all optional. */
export interface ServeRecordingOptions extends ServingOptions, PartOptions {
  /** 2 is twice the recorded speed, 0.5 half of it; `max` sends as fast as clients take it. Default 1. */
  speed?: number | 'max' | undefined;
  /** Events a second in place of the recorded times. Needed for recordings without times. */
  rate?: number | undefined;
  /** Silences longer than this are cut to this. Default: no limit. */
  maxGapMs?: number | undefined;
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
  /** The login at the NATS server of a source `nats://HOST/STREAM`, and the subjects there. */
  nats?: StreamOptions | undefined;
  /** Stops the preparation. Once the server listens, `close` ends it. */
  signal?: AbortSignal | undefined;
}

const HIGHEST = 1_000_000;

/** The rules for the options of a replay. */
export const REPLAY_RULES: OptionRules<ServeRecordingOptions> = {
  ...SERVING_RULES,
  ...PART_RULES,
  ...each(true, 'lifecycle', 'exitWhenDone', 'precise', 'strict'),
  ...each(true, 'onProblem', 'onNotice', 'onIndexed', 'stdin', 'nats', 'signal'),
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
  /** With `lifecycle`: the recording has no lines about connections. */
  | { kind: 'no lifecycle' }
  /** The end of the recording was reached; a client that came after it starts it again. */
  | { kind: 'end' }
  | { kind: 'again' }
  /** No event of the recording passes the filter and lies between `from` and `to`; which times it has, if those are why. */
  | { kind: 'nothing'; why?: string | undefined };

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

/** Checks the options of a replay. @throws {OpmasError} `USAGE` */
export function checkReplay(options: ServeRecordingOptions): void {
  checkServing('serveRecording', options, REPLAY_RULES);
  const { speed, rate, clock, lifecycle } = options;
  const wrong = (message: string) => new OpmasError('USAGE', message);
  if (rate !== undefined && speed === 'max') throw wrong('a rate and the speed max cannot be combined');
  if (lifecycle === true && (rate !== undefined || speed === 'max')) {
    throw wrong('lifecycle needs the recorded times: it cannot be combined with a rate or the speed max');
  }
  if (lifecycle === true && clock === 'client') throw wrong('lifecycle needs the shared clock');
  partOf(options);
}
