import { OpmasError } from '../../core/errors.js';
import type { RecordedLine } from '../../core/recording/recorded-line.js';
import { LifecycleScript } from '../../core/replay/lifecycle-script.js';
import { Pace } from '../../core/replay/pace.js';
import { readRecording } from '../recording/reader.js';
import { type Programme, Selection } from './read-frames.js';

/** When a recording begins, in microseconds since 1970; `NaN` where it does not say. */
export interface Beginning {
  firstLine: number;
  firstEvent: number;
}

/**
 * Looks at the beginning of a recording before it is served: whether it can be read, which endpoints it has, and
 * whether its lines have times.
 *
 * @param needsTimes Whether it is to be replayed by its times, or parts of it chosen by them.
 * @throws {OpmasError} `USAGE` when there is no such file, or times are needed and missing; `DATA` when it is none.
 */
export async function surveyBeginning(programme: Programme, needsTimes: boolean): Promise<Beginning> {
  const beginning: Beginning = { firstLine: Number.NaN, firstEvent: Number.NaN };
  let seen = false;
  const keep = (line: RecordedLine) => {
    programme.lanes.indexOf(line.endpoint);
    if (Number.isNaN(beginning.firstLine)) beginning.firstLine = line.receivedAt;
    if (line.kind === 'connection' || seen) return true;
    seen = true;
    beginning.firstEvent = line.receivedAt;
    if (needsTimes && Number.isNaN(line.receivedAt)) throw withoutTimes();
    return true;
  };
  for await (const batch of readRecording(programme.sources, { keep })) if (seen && batch.count > 0) break;
  return beginning;
}

function withoutTimes(): OpmasError {
  return new OpmasError('USAGE', 'the recording does not say when its events came (received_at)', {
    hint: 'Say how fast to send them: --rate 10 for ten a second, or --speed max.',
  });
}

/** Reads the whole recording for what happened to its connections, without keeping anything else. */
export async function readLifecycle(programme: Programme, signal?: AbortSignal): Promise<LifecycleScript> {
  const script = new LifecycleScript();
  const pace = new Pace(programme.pace);
  const selection = new Selection(programme);
  const keep = (line: RecordedLine) => {
    if (!selection.keeps(line)) return false;
    const due = pace.next(Number.isNaN(line.receivedAt) ? undefined : line.receivedAt);
    script.add(programme.lanes.labelFor(line.endpoint), due, line.connection);
    programme.lanes.indexOf(line.endpoint);
    return false;
  };
  const ending = signal === undefined ? selection.over : AbortSignal.any([signal, selection.over]);
  for await (const _none of readRecording(programme.sources, { ...programme, keep, signal: ending }));
  const length = pace.due;
  pace.restart();
  script.finish(length, programme.passes > 1 ? pace.due : undefined);
  return script;
}
