import { OpmasError } from '../../core/errors.js';
import type { LineView } from '../../core/recording/line-view.js';
import { collectRecording, type LineCollector } from '../recording/read-recording.js';
import type { Programme } from './read-frames.js';

/** When a recording begins, in microseconds since 1970; `NaN` where it does not say. */
export interface Beginning {
  firstLine: number;
  firstEvent: number;
}

/**
 * Looks at the beginning of a recording before it is served: whether it can be read, which endpoints it has there,
 * and whether its lines have times.
 *
 * @param needsTimes Whether it is to be replayed by its times, or parts of it chosen by them.
 * @throws {OpmasError} `USAGE` when there is no such file, or times are needed and missing; `DATA` when it is none.
 */
export async function surveyBeginning(programme: Programme, needsTimes: boolean): Promise<Beginning> {
  const beginning: Beginning = { firstLine: Number.NaN, firstEvent: Number.NaN };
  let seen = false;
  const looked = new AbortController();
  const keep = (line: LineView) => {
    programme.lanes.indexOf(line.endpoint);
    if (Number.isNaN(beginning.firstLine)) beginning.firstLine = line.receivedAt;
    if (line.kind === 'connection' || seen) return false;
    seen = true;
    beginning.firstEvent = line.receivedAt;
    if (needsTimes && Number.isNaN(line.receivedAt)) throw withoutTimes(programme);
    looked.abort();
    return false;
  };
  await lookThrough(programme, keep, looked.signal);
  return beginning;
}

function withoutTimes({ from, to }: Programme): OpmasError {
  const chooses = from !== undefined || to !== undefined;
  return new OpmasError('USAGE', 'the recording does not say when its events came (received_at)', {
    hint: chooses
      ? 'No part of it can be chosen by time: leave out --from and --to.'
      : 'Say how fast to send them: --rate 10 for ten a second, or --speed max.',
  });
}

/** A recording that is looked through is read in small pieces, which is as fast and holds less memory. */
const BLOCK_BYTES = 128 * 1024;

/** What nothing is put into. */
const nothing: LineCollector<never> = {
  isEmpty: true,
  hasRoomFor: () => true,
  add: () => undefined,
  take: () => {
    throw new Error('there is nothing to take');
  },
};

/** Shows `keep` every line, up to the end of the block in which the signal comes. */
export async function lookThrough(
  { sources, names }: Programme,
  keep: (line: LineView) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const options = { keep, names, signal, skipJsonCheck: true, maxBlockBytes: BLOCK_BYTES };
  for await (const _none of collectRecording(sources, nothing, options));
}
