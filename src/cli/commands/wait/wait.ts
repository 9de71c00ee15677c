import {
  escapeUnsafe,
  type LifecycleEvent,
  OpmasError,
  type StreamOutcome,
  systemClock,
} from '../../../index.js';
import { compileSequence } from '../../../internal.js';
import type { Command } from '../../commander.js';
import { formatDuration, parsePositiveDuration } from '../../options/quantity.js';
import {
  addEndpoints,
  addFilterOptions,
  addPartOptions,
  collect,
  endpointsOf,
  filterOptionsOf,
  type PartCommandOptions,
  refusePart,
} from '../../options/selection.js';
import { runCommand, type Session } from '../../session.js';
import { givenUpError, printStream, unreachedError } from '../../stream/run-stream.js';
import {
  addConnectionOptions,
  resolveStream,
  type StreamCommandOptions,
} from '../../stream/stream-options.js';
import { WaitProgress } from './progress.js';
import { Trigger } from './trigger.js';

/** Options of `wait`. */
interface WaitOptions extends StreamCommandOptions, PartCommandOptions {
  timeout?: number;
  then?: string[];
  file?: string[];
}

const EXAMPLES = `
COMMAND starts when all endpoints are open; only events after its start count. Its output goes to stderr. If COMMAND
fails, the wait ends with the same exit code. COMMAND gets SIGTERM when the wait is over. --timeout counts from the start
of opmas-ws; with --file, it counts recorded time.

Examples:
  $ opmas-ws wait devices -t device.error --timeout 60s      the next error of a device
  $ opmas-ws wait rules --timeout 60s -- sh -c 'echo trigger it here'
  $ opmas-ws wait rules -t rule.execution_start --then 'data.execution_id == first.data.execution_id'
  $ opmas-ws wait --file capture.ndjson -t device.error      did it come?

Exit codes: 0 the event came; 7 it did not come in time; 8 it may have come in a gap; 4 an endpoint was given up or none
was open; that of COMMAND if it failed (126 not executable, 127 not found, 128+n ended by signal n); and those of every
command.`;

/** Configures `wait`. */
export function configure(command: Command): void {
  command
    .value(
      '--timeout <t>',
      'give up after this time: 500ms, 30s, 5m, 1h (default: never)',
      parsePositiveDuration,
    )
    .option(
      '--then <expr>',
      'then wait for a further event that matches this CEL expression; `first` and `previous` are the earlier events; repeatable',
      collect,
    )
    .option('--file <file>', 'search a recording, not a live stream; repeatable; - is stdin', collect)
    .option('--utc', 'print times in UTC instead of local time');
  addConnectionOptions(addPartOptions(addFilterOptions(addEndpoints(command))))
    .usage('[options] [endpoint...] [-- COMMAND...]')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: WaitOptions) =>
      runCommand(command, (session) => {
        const { commandWords } = command;
        const endpoints = words.slice(0, words.length - (commandWords?.length ?? 0));
        return wait(session, endpoints, options, commandWords);
      }),
    );
}

async function wait(
  session: Session,
  words: readonly string[],
  options: WaitOptions,
  commandWords: readonly string[] | undefined,
): Promise<void> {
  const { messages } = session.terminal;
  if (commandWords !== undefined && !commandWords[0]) {
    const hint = 'Leave -- out to wait without one.';
    throw new OpmasError('USAGE', 'there is no command after --', { hint });
  }
  const { file } = options;
  const sequence = await compileSequence(filterOptionsOf(options), options.then);
  const progress = new WaitProgress(sequence, (text) => messages.say(escapeUnsafe(text)));
  if (file !== undefined) {
    if (commandWords !== undefined)
      throw new OpmasError('USAGE', 'a recording cannot be triggered: leave out -- and the command');
    const { waitInFile } = await import('./wait-file.js');
    return waitInFile(session, words, { ...options, file }, sequence, progress);
  }
  refusePart(options);
  if (commandWords === undefined) checkEndpoints(words);
  const stream = await resolveStream(session, words, options, sequence);
  const onStart = () => progress.begin(`the start of ${commandWords?.[0]}`, systemClock.nowMicros());
  const trigger = commandWords && new Trigger(commandWords, stream.endpoints, session, onStart);
  const endTrigger = () => void trigger?.end();
  session.stop.addEventListener('abort', endTrigger);
  progress.done.addEventListener('abort', endTrigger);
  if (trigger !== undefined) sequence.isOpen = false;
  const waited = {
    ...stream,
    count: sequence.length,
    // The time runs from the start of the process.
    durationMs: options.timeout && Math.max(0, options.timeout - performance.now()),
    signal: AbortSignal.any([session.stop, ...(trigger ? [trigger.failed] : [])]),
    onLifecycle(event: LifecycleEvent) {
      progress.onLifecycle(event);
      trigger?.onLifecycle(event);
    },
    onKept: (endpoint: string) => trigger?.onKept(endpoint),
  };
  const { size } = new Set(stream.endpoints);
  const judge = (outcome: StreamOutcome, thrown: unknown) => {
    if (thrown !== undefined) {
      // All connections have ended, and an endpoint was given up.
      if (!(thrown instanceof OpmasError) || thrown.code !== 'NETWORK') return thrown;
      return progress.judge('before all connections ended', systemClock.nowMicros(), thrown) ?? thrown;
    }
    if (sequence.isDone) return undefined;
    if (trigger?.failure !== undefined) {
      session.exitCode = trigger.failure.exitCode;
      messages.error(`opmas-ws: ${trigger.failure.message}`);
      return undefined;
    }
    const isStuck = trigger?.hasStarted === false;
    const how = `${howItEnded(outcome, options.timeout)}${isStuck ? ': the command was not started' : ''}`;
    const isDeaf = isStuck || outcome.neverOpen.length === size;
    const failure =
      givenUpError(outcome.givenUp, size) ?? (isDeaf ? unreachedError(outcome.neverOpen) : undefined);
    return progress.judge(how, systemClock.nowMicros(), failure);
  };
  try {
    await printStream(session, waited, { ...options, format: 'json', judge });
  } finally {
    await trigger?.end();
  }
}

/** @throws {OpmasError} `USAGE` for a word that names no endpoint: it may begin a command. */
function checkEndpoints(words: readonly string[]): void {
  try {
    endpointsOf(words);
  } catch (error) {
    const { message, hint } = error as OpmasError;
    throw new OpmasError('USAGE', message, { hint: `${hint}\nA command stands after --: wait -- COMMAND.` });
  }
}

function howItEnded({ endedBy, givenUp }: StreamOutcome, timeoutMs = 0): string {
  if (endedBy === 'duration') return `in ${formatDuration(timeoutMs)}`;
  if (endedBy === 'endpoints') return 'before the server closed the connections';
  return givenUp.size > 0 ? 'before an endpoint was given up' : 'before stdout was closed';
}
