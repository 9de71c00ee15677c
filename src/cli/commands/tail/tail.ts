import { type Command, Option } from '../../commander.js';
import { runCommand, type Session } from '../../session.js';
import type { PrintOptions } from '../../stream/line-printer.js';
import { addStreamOptions, type StreamCommandOptions } from '../../stream/stream-options.js';

interface TailCommandOptions extends StreamCommandOptions, PrintOptions {
  lifecycle?: boolean;
  file?: string;
}

const EXAMPLES = `
Examples:
  $ opmas-ws tail                                         all four endpoints, for people
  $ opmas-ws tail devices --type 'device.*' | jq -c .data   device events, for a script
  $ opmas-ws tail -w 'data.cpu > 90' -n 10                the next ten busy devices
  $ opmas-ws tail --lifecycle -f json > capture.ndjson    the same lines that \`record\` writes
  $ opmas-ws tail --file capture.ndjson --type '*.error'  try a filter on a recording`;

/** Puts `tail` together. */
export function configure(command: Command): void {
  addStreamOptions(command)
    .addOption(
      new Option('-f, --format <format>', 'auto is pretty on a terminal and json elsewhere')
        .choices(['auto', 'pretty', 'json'])
        .default('auto'),
    )
    .option('--lifecycle', 'print what happens to the connections, too')
    .option('--full', 'pretty: do not cut lines to the width')
    .option('--utc', 'pretty: times in UTC instead of local time')
    .option('--file <file>', 'print a recording instead of a live stream (- is stdin); no server, no token')
    .addHelpText('after', EXAMPLES)
    .action((endpoints: string[], options: TailCommandOptions) =>
      runCommand(command, (session) => tail(session, endpoints, options)),
    );
}

async function tail(session: Session, endpoints: string[], options: TailCommandOptions): Promise<void> {
  if (options.file !== undefined) {
    const { runTailFile } = await import('./tail-file.js');
    await runTailFile(session, endpoints, { ...options, file: options.file });
    return;
  }
  const { resolveStream } = await import('../../stream/resolve-stream.js');
  const stream = await resolveStream(session, endpoints, options);
  const { runTail } = await import('../../stream/print-stream.js');
  await runTail(session, stream, options);
}
