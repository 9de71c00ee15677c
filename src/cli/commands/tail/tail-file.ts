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
  await runFileStream(session, endpoints, options, {
    keep: ({ kind }) => kind !== 'connection' || options.lifecycle === true,
    take: await createLinePrinter(session.terminal.out, options),
  });
}
