import {
  type ConnectionEvent,
  escapeUnsafe,
  type LifecycleEvent,
  type OpmasError,
  type SubscribeOptions,
  subscribe,
} from '../../index.js';
import type { Session } from '../session.js';
import { createLiveLine } from '../terminal/live-line.js';
import type { Messages } from '../terminal/terminal.js';
import { ConnectionMessages, summaryText } from './connection-messages.js';
import { FilterMessages } from './filter-messages.js';
import { createLinePrinter, type PrintOptions } from './line-printer.js';
import { shortfallOf } from './outcome.js';

/** Prints a live stream to its end: lines on stdout, connection changes on stderr. */
export async function printStream(
  session: Session,
  stream: SubscribeOptions,
  print: PrintOptions & { lifecycle?: boolean },
): Promise<void> {
  const { out, messages } = session.terminal;
  const printLines = await createLinePrinter(out, print);
  const spinner = await createConnectingSpinner(messages);
  const connections = new ConnectionMessages(messages, stream, (endpoint) => countOf(endpoint));
  const filtering = new FilterMessages(messages, stream.filter);
  let hasSummary = false;
  let printing = 0;
  let shortfall: OpmasError | undefined;
  const subscription = subscribe({
    ...stream,
    lifecycle: print.lifecycle === true,
    onLifecycle: (event) => {
      hasSummary = true;
      spinner.onLifecycle(event);
      connections.onLifecycle(event);
    },
    onDropping: (endpoint) => connections.onDropping(endpoint),
    onGiveUp: (endpoint, error) => connections.onGiveUp(endpoint, error),
  });
  const countOf = (endpoint: string) => subscription.summary().events[endpoint] ?? 0;
  const summary = () =>
    messages.palette.dim(escapeUnsafe(summaryText(subscription.summary(), filtering.end())));
  session.exitMessage = () => {
    const left = subscription.waiting + printing;
    const loss = `${left} lines were not written: stdout was not read`;
    return `${summary()}\n${left === 0 ? '' : `${messages.palette.yellow('warning:')} ${loss}\n`}`;
  };
  if (stream.durationMs !== undefined) session.endAfter(stream.durationMs);
  try {
    for await (const batch of subscription) {
      printing = batch.count;
      connections.onEvents();
      await printLines(batch);
      printing = 0;
    }
    hasSummary = true;
    shortfall = session.isSignalled ? undefined : shortfallOf(subscription.outcome());
  } catch (error) {
    throw connections.finalError(error);
  } finally {
    spinner.stop();
    connections.end();
    if (hasSummary) messages.say(summary());
  }
  if (shortfall !== undefined) throw shortfall;
}

/** Spinner that turns while an endpoint has no connection. */
interface ConnectingSpinner {
  onLifecycle(event: LifecycleEvent): void;
  stop(): void;
}

/** Creates the spinner; without a terminal it does nothing. */
async function createConnectingSpinner(messages: Messages): Promise<ConnectingSpinner> {
  if (!messages.canShowLive) return { onLifecycle: () => undefined, stop: () => undefined };
  const line = await createLiveLine(messages);
  const waiting = new Set<string>();
  return {
    onLifecycle({ endpoint, connection }) {
      if (isConnecting(connection)) waiting.add(endpoint);
      else waiting.delete(endpoint);
      if (waiting.size === 0) line.stop();
      else line.start(`connecting: ${escapeUnsafe([...waiting].join(', '))}`);
    },
    stop: () => line.stop(),
  };
}

/** Returns true when an attempt is in progress or scheduled. */
function isConnecting(connection: ConnectionEvent): boolean {
  return (
    connection.state === 'connecting' || ('retry_in_ms' in connection && connection.retry_in_ms !== undefined)
  );
}
