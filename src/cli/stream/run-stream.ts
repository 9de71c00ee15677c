import {
  type ConnectionEvent,
  escapeUnsafe,
  OpmasError,
  type StreamOutcome,
  type StreamSummary,
  type SubscribeOptions,
  type Subscription,
  subscribe,
} from '../../index.js';
import { firstToMend, ProblemCounts } from '../../internal.js';
import type { Session } from '../session.js';
import { createLiveLine, type LiveLine } from '../terminal/live-line.js';
import type { Messages } from '../terminal/terminal.js';
import { ConnectionMessages } from './connection-messages.js';
import { FilterMessages } from './filter-messages.js';
import { createLinePrinter, type PrintOptions } from './line-printer.js';
import { budgetError, type GapBudgetOptions, summaryText } from './stream-summary.js';

/** State of the connection of an endpoint. */
export interface EndpointState {
  name: 'connecting' | 'open' | 'waiting' | 'ended';
  /** Since when it is open, or is not, in milliseconds of `performance.now`. */
  sinceMs: number;
}

/** The facts about a stream for a live line, a table or a status. */
export interface StreamState {
  readonly states: ReadonlyMap<string, EndpointState>;
  summary(): StreamSummary;
}

/** The work of a command on a stream. */
export interface StreamTask extends GapBudgetOptions {
  /** Creates the live line, where one can be shown. */
  showStatus?(stream: StreamState): LiveLine;
  /** Takes all lines of the stream. */
  consume(subscription: Subscription, stream: StreamState): Promise<void>;
  /** Names the lines that are lost if the process must exit now; `undefined` when there are none. */
  lossText?(subscription: Subscription): string | undefined;
  /** Prints the times of connection changes in UTC. */
  utc?: boolean | undefined;
  /** Problems that were printed. */
  counts?: ProblemCounts;
  /** Formats a line to print after the summary. */
  resultText?(): string;
  /**
   * Compares a stream that has ended, other than by a signal, with the request. Default: all that was requested has to come.
   *
   * @param failure The error that has ended the stream. @returns The error to end with; `undefined` when nothing is missing.
   */
  judge?(outcome: StreamOutcome, failure: unknown): unknown;
}

/**
 * Runs a stream to its end: prints connection changes and a summary on stderr.
 *
 * @throws {OpmasError} When the stream fails, or less came than was asked for.
 */
export async function runStream(session: Session, stream: SubscribeOptions, task: StreamTask): Promise<void> {
  const { messages } = session.terminal;
  const isEach = messages.isQuiet || session.globals.debug;
  const connections = new ConnectionMessages(messages, stream, { utc: task.utc, isEach });
  const filtering = new FilterMessages(messages, stream.filter, () => subscription.summary());
  const begun: EndpointState = { name: 'connecting', sinceMs: performance.now() };
  const states = new Map(stream.endpoints.map((endpoint) => [endpoint, begun]));
  const state = { states, summary: () => subscription.summary() };
  const status = messages.canShowLive ? task.showStatus?.(state) : undefined;
  /** True once there is something to sum up, until that is printed. */
  let needsSummary = false;
  const subscription = subscribe({
    ...stream,
    onLifecycle: (event) => {
      needsSummary = true;
      states.set(event.endpoint, stateAfter(states.get(event.endpoint) ?? begun, event.connection));
      status?.redraw();
      connections.onLifecycle(event);
      stream.onLifecycle?.(event);
    },
    onKept: (endpoint) => {
      connections.onKept(endpoint);
      stream.onKept?.(endpoint);
    },
    onDropping: (endpoint) => connections.onDropping(endpoint),
    onGiveUp: (endpoint, error) => connections.onGiveUp(endpoint, error),
  });
  const summary = () =>
    messages.palette.dim(escapeUnsafe(summaryText(subscription.summary(), filtering.end(task.counts))));
  session.exitMessage = () => {
    connections.end();
    const loss = task.lossText?.(subscription);
    return [
      ...(needsSummary ? [summary()] : []),
      ...(loss === undefined ? [] : [messages.warningText(loss)]),
    ];
  };
  if (stream.durationMs !== undefined) void session.requests.endAfter(stream.durationMs);
  let failure: unknown;
  try {
    await task.consume(subscription, state);
    needsSummary = true;
  } catch (error) {
    // The message of each endpoint that was given up has been printed, if there are several.
    const { givenUp } = subscription.outcome();
    const isGivenUp = [...givenUp.values()].some((one) => one === error);
    failure = isGivenUp ? givenUpError(givenUp, states.size) : error;
  }
  status?.end();
  connections.end(failure !== undefined);
  const overBudget = needsSummary ? budgetError(subscription.summary().outages, task) : undefined;
  if (needsSummary) {
    messages.say(summary());
    if (task.resultText !== undefined) messages.say(task.resultText());
  }
  needsSummary = false;
  if (session.requests.signal === undefined) {
    const outcome = subscription.outcome();
    failure = task.judge ? task.judge(outcome, failure) : (failure ?? shortfallOf(outcome, states.size));
  }
  if (overBudget !== undefined) {
    // Events that did not come may have been missed in an outage; all other failures are worse.
    const isShort = failure instanceof OpmasError && failure.code === 'INCOMPLETE';
    if (isShort) failure = new OpmasError('GAPS', `${(failure as Error).message}; ${overBudget.message}`);
    else if (failure === undefined && session.requests.signal === undefined) failure = overBudget;
    else messages.error(messages.palette.red(overBudget.message));
  }
  if (failure !== undefined) throw failure;
}

/**
 * Judges a stream that has ended by itself, by `--count` or by `--duration`, or because stdout was closed. Its exit
 * code is decided here and nowhere else: 0 only when all that was asked for came true. Errors that end a stream are
 * thrown by the stream, and a signal ends the process by that signal.
 *
 * @returns The error to end with; `undefined` when nothing is missing.
 */
function shortfallOf(outcome: StreamOutcome, endpoints: number): OpmasError | undefined {
  const { endedBy, count, wanted, givenUp } = outcome;
  const isShort = wanted !== undefined && count < wanted && endedBy !== 'stop';
  // An endpoint that was still connecting for the first time counts only when the whole time was to be watched.
  const unreached = outcome.neverOpen.filter(
    ({ reason }) => endedBy === 'duration' || (endedBy === 'count' && reason !== undefined),
  );
  // The reason why the events did not come goes before their number.
  const failure = givenUpError(givenUp, endpoints) ?? unreachedError(unreached);
  if (!isShort) return failure;
  const how = endedBy === 'duration' ? 'when --duration ended' : 'when the server had closed the connections';
  const number = `${count} of ${wanted} events had come ${how}`;
  if (failure === undefined) return new OpmasError('INCOMPLETE', number);
  return new OpmasError(failure.code, `${number}; ${failure.message}`, { hint: failure.hint });
}

/** Returns the error for endpoints that were given up. @param of Number of all endpoints. */
export function givenUpError(givenUp: StreamOutcome['givenUp'], of: number): OpmasError | undefined {
  const first = firstToMend(givenUp.values());
  // The reason of a single endpoint has not been printed yet.
  if (first === undefined || of === 1) return first;
  const endpoints = givenUp.size === of ? 'all endpoints' : [...givenUp.keys()].map(escapeUnsafe).join(', ');
  return new OpmasError(first.code, `gave up on ${endpoints} (see above)`, { hint: first.hint });
}

/** Returns the error for endpoints that were never open. */
export function unreachedError(unreached: StreamOutcome['neverOpen']): OpmasError | undefined {
  if (unreached.length === 0) return undefined;
  const endpoints = unreached.map(({ endpoint }) => escapeUnsafe(endpoint)).join(', ');
  const reason = unreached.find((each) => each.reason !== undefined)?.reason ?? 'no answer';
  return new OpmasError('NETWORK', `${endpoints} could not be reached: ${escapeUnsafe(reason)}`, {
    hint: '`opmas-ws doctor` says more.',
  });
}

/** Prints a live stream to its end: lines on stdout, connection changes on stderr. */
export async function printStream(
  session: Session,
  stream: SubscribeOptions,
  print: PrintOptions & Pick<StreamTask, 'judge' | 'gapBudget'> & { lifecycle?: boolean },
): Promise<void> {
  const counts = new ProblemCounts();
  const printLines = await createLinePrinter(session.terminal.out, { ...print, counts });
  let printing = 0;
  const printed = { ...stream, lifecycle: print.lifecycle };
  await runStream(session, printed, {
    utc: print.utc,
    ...(print.judge && { judge: print.judge }),
    counts,
    gapBudget: print.gapBudget,
    showStatus: (state) => createSpinner(session.terminal.messages, state),
    async consume(subscription) {
      for await (const batch of subscription) {
        printing = batch.count;
        await printLines(batch);
        printing = 0;
      }
    },
    lossText({ waiting }) {
      const left = waiting + printing;
      return left === 0 ? undefined : `${left} lines were not written: stdout was not read`;
    },
  });
}

/** Creates a spinner that turns while an endpoint has no connection. */
function createSpinner(messages: Messages, { states }: StreamState): LiveLine {
  const isConnecting = ({ name }: EndpointState) => name === 'connecting' || name === 'waiting';
  const missing = () => [...states].flatMap(([endpoint, state]) => (isConnecting(state) ? endpoint : []));
  const line = createLiveLine(messages, () => `connecting: ${escapeUnsafe(missing().join(', '))}`);
  return { redraw: () => (missing().length > 0 ? line.redraw() : line.end()), end: line.end };
}

function stateAfter(before: EndpointState, connection: ConnectionEvent): EndpointState {
  const { state } = connection;
  if (state === 'dropped') return before;
  const after = 'retry_in_ms' in connection ? 'waiting' : 'ended';
  const name = state === 'connecting' || state === 'open' ? state : after;
  const isSame = (name === 'open') === (before.name === 'open');
  return { name, sinceMs: isSame ? before.sinceMs : performance.now() };
}
