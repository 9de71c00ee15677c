import { type ConnectionEvent, escapeUnsafe, type SubscribeOptions } from '../../index.js';
import type { Session } from '../session.js';
import { createLiveLine } from '../terminal/live-line.js';
import type { Messages } from '../terminal/terminal.js';
import { createLinePrinter, type PrintOptions } from './line-printer.js';
import { runStream, type StreamStatus } from './run-stream.js';

/** Prints a live stream to its end: lines on stdout, connection changes on stderr. */
export async function printStream(
  session: Session,
  stream: SubscribeOptions,
  print: PrintOptions & { lifecycle?: boolean },
): Promise<void> {
  const printLines = await createLinePrinter(session.terminal.out, print);
  let printing = 0;
  const printed = { ...stream, lifecycle: print.lifecycle };
  await runStream(session, printed, {
    showStatus: createConnectingSpinner,
    async consume(subscription, onEvents) {
      for await (const batch of subscription) {
        printing = batch.count;
        onEvents();
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
async function createConnectingSpinner(messages: Messages): Promise<StreamStatus | undefined> {
  if (!messages.canShowLive) return undefined;
  const waiting = new Set<string>();
  const line = await createLiveLine(messages, () => `connecting: ${escapeUnsafe([...waiting].join(', '))}`);
  return {
    onLifecycle({ endpoint, connection }) {
      if (isConnecting(connection)) waiting.add(endpoint);
      else waiting.delete(endpoint);
      if (waiting.size === 0) line.end();
      else line.redraw();
    },
    end: line.end,
  };
}

/** Returns true when an attempt is in progress or scheduled. */
function isConnecting(connection: ConnectionEvent): boolean {
  return (
    connection.state === 'connecting' || ('retry_in_ms' in connection && connection.retry_in_ms !== undefined)
  );
}
