import {
  escapeUnsafe,
  type LifecycleEvent,
  type StreamSummary,
  type SubscribeOptions,
  type Subscription,
  subscribe,
} from '../../index.js';
import type { Session } from '../session.js';
import type { Messages } from '../terminal/terminal.js';
import { ConnectionMessages, summaryText } from './connection-messages.js';
import { FilterMessages } from './filter-messages.js';
import { shortfallOf } from './outcome.js';

/** Live line with the state of the connections. */
export interface StreamStatus {
  onLifecycle(event: LifecycleEvent): void;
  onGiveUp?(endpoint: string): void;
  end(): void;
}

/** The work of a command on a stream. */
export interface StreamTask {
  /** Creates the live line; `undefined` where none can be shown. */
  showStatus(messages: Messages, summary: () => StreamSummary): Promise<StreamStatus | undefined>;
  /** Takes all lines of the stream, and calls `onEvents` when some have come. */
  consume(subscription: Subscription, onEvents: () => void): Promise<void>;
  /** Names the lines that are lost if the process must exit now; `undefined` when there are none. */
  lossText(subscription: Subscription): string | undefined;
  /** Formats a line to print after the summary. */
  resultText?(): string;
}

/**
 * Runs a stream to its end: prints connection changes and a summary on stderr.
 *
 * @throws {OpmasError} When the stream fails, or less came than was asked for.
 */
export async function runStream(session: Session, stream: SubscribeOptions, task: StreamTask): Promise<void> {
  const { messages } = session.terminal;
  const connections = new ConnectionMessages(
    messages,
    stream,
    (endpoint) => subscription.summary().events[endpoint] ?? 0,
  );
  const filtering = new FilterMessages(messages, stream.filter, () => subscription.summary());
  const status = await task.showStatus(messages, () => subscription.summary());
  /** True once there is something to sum up, until that is printed. */
  let needsSummary = false;
  const subscription = subscribe({
    ...stream,
    onLifecycle: (event) => {
      needsSummary = true;
      status?.onLifecycle(event);
      connections.onLifecycle(event);
    },
    onDropping: (endpoint) => connections.onDropping(endpoint),
    onGiveUp: (endpoint, error) => {
      status?.onGiveUp?.(endpoint);
      connections.onGiveUp(endpoint, error);
    },
  });
  const summary = () =>
    messages.palette.dim(escapeUnsafe(summaryText(subscription.summary(), filtering.end())));
  session.exitMessage = () => {
    const loss = task.lossText(subscription);
    return [
      ...(needsSummary ? [summary()] : []),
      ...(loss === undefined ? [] : [messages.warningText(loss)]),
    ];
  };
  if (stream.durationMs !== undefined) session.endAfter(stream.durationMs);
  try {
    await task.consume(subscription, () => connections.onEvents());
    needsSummary = true;
  } catch (error) {
    throw connections.finalError(error);
  } finally {
    status?.end();
    connections.end();
    if (needsSummary) {
      messages.say(summary());
      if (task.resultText !== undefined) messages.say(task.resultText());
    }
    needsSummary = false;
  }
  const shortfall = session.isSignalled ? undefined : shortfallOf(subscription.outcome());
  if (shortfall !== undefined) throw shortfall;
}
