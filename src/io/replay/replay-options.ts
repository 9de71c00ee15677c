import type { Readable } from 'node:stream';
import { OpmasError } from '../../core/errors.js';
import type { Filter } from '../../core/filter/filter.js';
import { parseTimestamp } from '../../core/recording/timestamp.js';
import type { Moment } from '../../core/replay/time-window.js';
import type { ReadProblem } from '../recording/read-problems.js';
import type { ServingOptions } from '../server/serving-options.js';
import type { ReplayNotice } from './replay-source.js';

/** How to serve a recording; all of it optional. */
export interface ServeRecordingOptions extends ServingOptions {
  /** 2 is twice the recorded speed, 0.5 half of it; `max` = as fast as clients take it. Default 1. */
  speed?: number | 'max';
  /** Events a second in place of the recorded times. Needed for recordings without times. */
  rate?: number;
  /** Longer silences are cut to so many milliseconds. Default: none are. */
  maxGapMs?: number;
  /** First event: an RFC 3339 time, or milliseconds from the start of the recording. Default: its start. */
  from?: string | number;
  /** Last event, in the same way. Default: the end of the recording. */
  to?: string | number;
  /** From {@link compileFilter}. Default: everything. */
  filter?: Filter;
  /** `true` = again and again, or how often in all; times go on. Default: once. */
  loop?: boolean | number;
  /**
   * `client`: every connection gets its endpoint's events from the start. `shared`: all share one clock that starts
   * with the first client; who comes later gets what comes later, but for the first connection to each endpoint in
   * the first second, which misses nothing. When a shared replay is over and all clients have gone, the next one
   * starts it again. Default `client`.
   */
  clock?: 'client' | 'shared';
  /**
   * Act out what happened to the recorded connections: refusals, closes, drops, downtimes. Implies a shared clock.
   * `core/replay/lifecycle-script.ts` says what that means for a client that does not come when the recorded one did.
   */
  lifecycle?: boolean;
  /** At the end: close clients with 1000 and stop. Default: the end closes nothing, and new clients are served. */
  exitWhenDone?: boolean;
  /** Be on time to a quarter of a millisecond, by blocking this thread for up to 2 ms at a time. Default `false`. */
  precise?: boolean;
  /** Damage in the recording is an error. Default: it is skipped and told to `onProblem`. */
  strict?: boolean;
  /** Told of damage that was skipped, once for each. */
  onProblem?: (problem: ReadProblem) => void;
  /** Told what else is worth knowing. */
  onNotice?: (notice: ReplayNotice) => void;
  /** What the source `-` means. Default: standard input. It is copied to a temporary file. */
  stdin?: Readable;
  /** Stops the preparation; once the server listens, `close` ends it. */
  signal?: AbortSignal;
}

/** The part of a recording that was asked for. @throws {OpmasError} `USAGE` when it is none. */
export function windowOf({ from, to }: ServeRecordingOptions): {
  from: Moment | undefined;
  to: Moment | undefined;
} {
  const window = { from: momentOf(from, 'from'), to: momentOf(to, 'to') };
  if (isBefore(window.to, window.from)) {
    throw new OpmasError('USAGE', 'the end (to) comes before the start (from)');
  }
  return window;
}

/** Whether that can be told: a time and an offset need the recording for it. */
function isBefore(one: Moment | undefined, other: Moment | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  if ('at' in one) return 'at' in other && one.at < other.at;
  return 'offset' in other && one.offset < other.offset;
}

function momentOf(moment: string | number | undefined, name: string): Moment | undefined {
  if (moment === undefined) return undefined;
  if (typeof moment === 'number' && moment >= 0) return { offset: moment * 1000 };
  const at = typeof moment === 'string' ? parseTimestamp(moment) : undefined;
  if (at === undefined) {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(moment)} is neither a time nor an offset`, {
      hint: 'Write an RFC 3339 time with its zone, 2026-11-22T21:50:00Z, or an offset from the start.',
    });
  }
  return { at };
}

/** @throws {OpmasError} `USAGE` for options that are none, or exclude each other. */
export function checkOptions({ speed, rate, maxGapMs, loop, clock, lifecycle }: ServeRecordingOptions): void {
  const wrong = (message: string) => new OpmasError('USAGE', message);
  if (
    speed !== undefined &&
    speed !== 'max' &&
    !(typeof speed === 'number' && speed > 0 && speed <= HIGHEST)
  ) {
    throw wrong(`a speed is above 0 and at most ${HIGHEST}, or max`);
  }
  if (rate !== undefined && !(rate > 0 && rate <= HIGHEST)) {
    throw wrong(`a rate is above 0 and at most ${HIGHEST} events a second`);
  }
  if (maxGapMs !== undefined && !(maxGapMs >= 0)) throw wrong('a longest gap is not negative');
  if (loop !== undefined && typeof loop !== 'boolean' && !(Number.isInteger(loop) && loop >= 1)) {
    throw wrong('a loop is a whole number of passes, 1 or more');
  }
  if (clock !== undefined && clock !== 'client' && clock !== 'shared') {
    throw wrong('a clock is client or shared');
  }
  if (rate !== undefined && speed === 'max') throw wrong('a rate and the speed max exclude each other');
  if (lifecycle === true && (rate !== undefined || speed === 'max')) {
    throw wrong('lifecycle needs the recorded times: it goes with no rate, and not with the speed max');
  }
  if (lifecycle === true && clock === 'client') throw wrong('lifecycle needs the shared clock');
}

const HIGHEST = 1_000_000;
