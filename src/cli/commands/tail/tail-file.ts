import { ProblemCounts } from '../../../internal.js';
import type { Session } from '../../session.js';
import { type FileStreamOptions, runFileStream } from '../../stream/file-stream.js';
import { createLinePrinter, type PrintOptions } from '../../stream/line-printer.js';

/** Options of `tail --file`. */
export interface TailFileOptions extends FileStreamOptions, PrintOptions {
  lifecycle?: boolean;
}

/** Prints a recording with the filters and formats of a live stream. */
export async function tailFile(
  session: Session,
  endpoints: readonly string[],
  options: TailFileOptions,
): Promise<void> {
  const counts = new ProblemCounts();
  await runFileStream(session, endpoints, options, {
    keep: ({ kind }) => kind !== 'connection' || options.lifecycle === true,
    // With --problems they are counted before they are printed.
    take: await createLinePrinter(session.terminal.out, options.problems ? options : { ...options, counts }),
    counts,
  });
}
