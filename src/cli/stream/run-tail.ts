import { escapeUnsafe, type SubscribeOptions, subscribe } from '../../index.js';
import type { Session } from '../session.js';
import { createConnectingSpinner } from './connecting-spinner.js';
import { LifecycleMessages } from './lifecycle-messages.js';
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
  let attempted = false;
  let written = 0;
  let lifecycleLines = 0;
  const subscription = subscribe({
    ...stream,
    lifecycle: print.lifecycle === true,
    onLifecycle: (event) => {
      attempted = true;
      if (print.lifecycle === true) lifecycleLines++;
      spinner.onLifecycle(event);
      lifecycle.onLifecycle(event);
    },
    onDropping: (endpoint) => lifecycle.onDropping(endpoint),
    onGiveUp: (endpoint, error) => lifecycle.onGiveUp(endpoint, error),
  });
  const summarize = () =>
    messages.say(messages.palette.dim(escapeUnsafe(summaryText(subscription.summary()))));
  session.lastWords = () => {
    const { events, invalid } = subscription.summary();
    const came = Object.values(events).reduce((sum, count) => sum + count, invalid + lifecycleLines);
    summarize();
    if (came > written)
      messages.warn(`${came - written} lines were not written: nobody took them from stdout`);
  };
  try {
    for await (const batch of subscription) {
      await printLines(batch);
      written += batch.count;
    }
  } catch (error) {
    throw lifecycle.withoutRepetition(error);
  } finally {
    spinner.stop();
    if (attempted) summarize();
  }
}
