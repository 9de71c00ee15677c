import { escapeUnsafe, type SubscribeOptions, subscribe } from '../../index.js';
import type { Session } from '../session.js';
import { createConnectingSpinner } from './connecting-spinner.js';
import { LifecycleMessages } from './connection-messages.js';
import { createLinePrinter, type PrintOptions } from './line-printer.js';
import { summaryText } from './summary-text.js';

/** Prints a live stream to its end: lines on stdout, what happens to the connections on stderr. */
export async function runTail(
  session: Session,
  stream: SubscribeOptions,
  print: PrintOptions & { lifecycle?: boolean },
): Promise<void> {
  const { out, messages } = session.terminal;
  const printLines = await createLinePrinter(out, print);
  const spinner = await createConnectingSpinner(messages);
  const lifecycle = new LifecycleMessages(messages, stream.endpoints);
  let hasSummary = false;
  let printing = 0;
  const subscription = subscribe({
    ...stream,
    lifecycle: print.lifecycle === true,
    onLifecycle: (event) => {
      hasSummary = true;
      spinner.onLifecycle(event);
      lifecycle.onLifecycle(event);
    },
    onDropping: (endpoint) => lifecycle.onDropping(endpoint),
    onGiveUp: (endpoint, error) => lifecycle.onGiveUp(endpoint, error),
  });
  const summary = () => messages.palette.dim(escapeUnsafe(summaryText(subscription.summary())));
  session.lastWords = () => {
    const left = subscription.waiting + printing;
    const loss = `${left} lines were not written: nobody took them from stdout`;
    return `${summary()}\n${left === 0 ? '' : `${messages.palette.yellow('warning:')} ${loss}\n`}`;
  };
  try {
    for await (const batch of subscription) {
      printing = batch.count;
      await printLines(batch);
      printing = 0;
    }
    hasSummary = true;
  } catch (error) {
    throw lifecycle.withoutRepetition(error);
  } finally {
    spinner.stop();
    if (hasSummary) messages.say(summary());
  }
}
