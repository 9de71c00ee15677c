import { escapeUnsafe, OpmasError, type StreamOutcome } from '../../index.js';
import { firstToMend } from '../../internal.js';

/**
 * Judges a stream that has ended by itself, by `--count` or by `--duration`, or because stdout was closed. Its exit
 * code is decided here and nowhere else: 0 only when all that was asked for came true. Errors that end a stream are
 * thrown by the stream, and a signal ends the process by that signal.
 *
 * @returns The error to end with; `undefined` when nothing is missing.
 */
export function shortfallOf(outcome: StreamOutcome): OpmasError | undefined {
  const { endedBy, count, wanted, givenUp } = outcome;
  const isShort = wanted !== undefined && count < wanted && endedBy !== 'stop';
  // The reason why the events did not come goes before their number.
  const failure = givenUpError(givenUp) ?? unreachedError(outcome);
  if (!isShort) return failure;
  const how = endedBy === 'duration' ? 'when --duration ended' : 'when the server had closed the connections';
  const number = `${count} of ${wanted} events had come ${how}`;
  if (failure === undefined) return new OpmasError('INCOMPLETE', number);
  return new OpmasError(failure.code, `${number}; ${failure.message}`, { hint: failure.hint });
}

function givenUpError(givenUp: StreamOutcome['givenUp']): OpmasError | undefined {
  const first = firstToMend(givenUp.values());
  if (first === undefined) return undefined;
  const endpoints = [...givenUp.keys()].map(escapeUnsafe).join(', ');
  return new OpmasError(first.code, `gave up on ${endpoints} (see above)`, { hint: first.hint });
}

/** An endpoint that was still connecting for the first time counts only when the whole time was to be watched. */
function unreachedError({ endedBy, neverOpen }: StreamOutcome): OpmasError | undefined {
  const unreached = neverOpen.filter(
    ({ reason }) => endedBy === 'duration' || (endedBy === 'count' && reason !== undefined),
  );
  if (unreached.length === 0) return undefined;
  const endpoints = unreached.map(({ endpoint }) => escapeUnsafe(endpoint)).join(', ');
  const reason = unreached.find((each) => each.reason !== undefined)?.reason ?? 'no answer';
  return new OpmasError('NETWORK', `${endpoints} could not be reached: ${escapeUnsafe(reason)}`, {
    hint: '`opmas-ws doctor` says more.',
  });
}
