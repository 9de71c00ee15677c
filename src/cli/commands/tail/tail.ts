import { OpmasError } from '../../../index.js';
import { ProblemCounts } from '../../../internal.js';
import type { Command } from '../../commander.js';
import {
  addContextOptions,
  addPartOptions,
  collect,
  type PartCommandOptions,
  refusePart,
} from '../../options/selection.js';
import { runCommand, type Session } from '../../session.js';
import { createLinePrinter, type PrintOptions } from '../../stream/line-printer.js';
import { printStream } from '../../stream/run-stream.js';
import {
  addConnectionOptions,
  addStreamOptions,
  resolveStream,
  type StreamCommandOptions,
} from '../../stream/stream-options.js';
import { addGapBudget, type GapBudgetOptions } from '../../stream/stream-summary.js';

/** Options of `tail`. */
interface TailOptions extends StreamCommandOptions, PrintOptions, PartCommandOptions, GapBudgetOptions {
  lifecycle?: boolean;
  file?: string[];
  follow?: boolean;
}

const EXAMPLES = `
Examples:
  $ opmas-ws tail                                         watch all four endpoints
  $ opmas-ws tail devices --type 'device.*' | jq -c .data   feed device events to a script
  $ opmas-ws tail -w 'data.cpu > 90' -n 10                wait for ten events of busy devices
  $ opmas-ws tail --lifecycle -f json > capture.ndjson    print the same lines that \`record\` writes
  $ opmas-ws tail --file capture.ndjson --type '*.error'  try a filter on a recording
  $ opmas-ws tail --file capture.ndjson --last 15m --problems   see the end of the night
  $ opmas-ws tail --file capture.ndjson --last 10 --follow   watch what a recorder writes`;

/** Configures `tail`. */
export function configure(command: Command): void {
  command
    .choice('-f, --format <format>', 'auto is pretty on a terminal and json elsewhere', [
      'auto',
      'pretty',
      'json',
    ])
    .option('--lifecycle', 'print connection changes too')
    .option('--full', 'pretty, also in a pipe: do not cut lines to the width of the terminal')
    .option('--utc', 'print times in UTC instead of local time')
    .option('--file <file>', 'print a recording, not a live stream; repeatable; - is stdin', collect)
    .option('--follow', 'with --file: also wait for further lines');
  addPartOptions(addContextOptions(addStreamOptions(addGapBudget(command))));
  addConnectionOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((endpoints: string[], options: TailOptions) =>
      runCommand(command, (session) => tail(session, endpoints, options)),
    );
}

async function tail(session: Session, endpoints: string[], options: TailOptions): Promise<void> {
  const { file } = options;
  if (file === undefined) {
    refusePart(options);
    await printStream(session, await resolveStream(session, endpoints, options), options);
    return;
  }
  if (options.gapBudget !== undefined) {
    throw new OpmasError('USAGE', '--gap-budget and --file cannot be combined', {
      hint: 'To judge the gaps of a recording: opmas-ws inspect --gap-budget T FILE',
    });
  }
  // Imported late: a live tail starts faster without the reader of recordings.
  const { runFileStream } = await import('../../stream/file-stream.js');
  const counts = new ProblemCounts();
  await runFileStream(
    session,
    endpoints,
    { ...options, file },
    {
      keep: ({ kind }) => kind !== 'connection' || options.lifecycle === true,
      // With --problems they are counted before they are printed.
      take: await createLinePrinter(
        session.terminal.out,
        options.problems ? options : { ...options, counts },
      ),
      counts,
    },
  );
}
