import { DeviceTable, rowKeyOf } from '../../../internal.js';
import type { Command } from '../../commander.js';
import { counted } from '../../options/quantity.js';
import { addPartOptions, collect, type PartCommandOptions, refusePart } from '../../options/selection.js';
import { runCommand, type Session } from '../../session.js';
import { runFileStream } from '../../stream/file-stream.js';
import {
  addConnectionOptions,
  addStreamOptions,
  resolveStream,
  type StreamCommandOptions,
} from '../../stream/stream-options.js';
import { showProgress } from '../../terminal/reading-messages.js';
import { standardOutputs } from '../../terminal/standard-streams.js';
import { watchTable } from './live-table.js';
import { rowJson, tableLines } from './table-text.js';

/** Options of `top`. */
interface TopOptions extends StreamCommandOptions, PartCommandOptions {
  by?: string;
  json?: boolean;
  file?: string[];
}

/** Lines of a terminal for the heading, the rest of the rows, a message, a summary of two lines, and the prompt. */
const LINES_BESIDE = 7;

const HELP = `
Keys: arrows select a row, Enter shows its event, / filters the rows, q quits.

Examples:
  $ opmas-ws top                                watch which devices are in trouble
  $ opmas-ws top devices --by data.site         one row for each site
  $ opmas-ws top --duration 5s --json           one JSON object for each device, after five seconds
  $ opmas-ws top --file capture.ndjson          the devices at the end of a recording
  $ opmas-ws top --file capture.ndjson --to 2s   the devices two seconds after its start`;

/** Configures `top`. */
export function configure(command: Command): void {
  command
    .option(
      '--by <field>',
      'one row for each type, subject, endpoint or member such as data.site (default: data.device_id)',
    )
    .option('--json', 'print the rows as NDJSON at the end, and draw nothing')
    .option('--file <file>', 'read a recording, not a live stream; repeatable; - is stdin', collect)
    .option('--utc', 'read and print times in UTC instead of local time');
  addConnectionOptions(addPartOptions(addStreamOptions(command)))
    .addHelpText('after', HELP)
    .action((endpoints: string[], options: TopOptions) =>
      runCommand(command, (session) => top(session, endpoints, options)),
    );
}

async function top(session: Session, endpoints: readonly string[], options: TopOptions): Promise<void> {
  const { by, json, file, utc } = options;
  const table = new DeviceTable({ keyOf: by === undefined ? undefined : rowKeyOf(by, '--by') });
  const title = by === undefined ? 'DEVICE' : by.slice(by.lastIndexOf('.') + 1).toUpperCase();
  const print = (now: number) => printTable(session, table, { title, now, json: json === true });
  if (file === undefined) {
    refusePart(options);
    const stream = await resolveStream(session, endpoints, options);
    await watchTable(session, stream, { table, title, draws: json !== true, print, utc });
    return;
  }
  let end = Number.NaN;
  const { messages } = session.terminal;
  const progress = await showProgress(messages, file);
  try {
    await runFileStream(
      session,
      endpoints,
      { ...options, file },
      {
        onLine({ receivedAt }) {
          // NaN compares as false.
          if (!(receivedAt <= end)) end = receivedAt;
        },
        keep({ kind, frame, endpoint = '', receivedAt }) {
          if (kind === 'event') table.add(frame, endpoint, receivedAt);
          return false;
        },
        onRead: progress.advance,
      },
    );
  } finally {
    progress.end();
    if (session.stop.aborted) messages.warn('stopped early: the table covers only the part that was read');
    await print(end);
  }
}

/** Prints the table once, if it has rows. @param now The time from which ages count, in microseconds since 1970. */
async function printTable(
  { terminal: { out, messages } }: Session,
  table: DeviceTable,
  { title, now, json }: { title: string; now: number; json: boolean },
): Promise<void> {
  const rows = table.rows();
  if (table.leftOut > 0)
    messages.warn(
      `the table was full: ${counted(table.leftOut, 'row')} left out, those in a normal state first`,
    );
  if (rows.length === 0) return;
  if (json) {
    for (const row of rows) await out.writeJson(rowJson(row));
    return;
  }
  const width = out.isTerminal ? out.columns : Number.POSITIVE_INFINITY;
  // The worst come first, and must not scroll away.
  const most = out.isTerminal
    ? Math.max(1, (standardOutputs().stdout.rows || 24) - LINES_BESIDE)
    : rows.length;
  const shown = rows.slice(0, most);
  const lines = tableLines(shown, { palette: out.palette, width, now, title, hasWords: true });
  if (shown.length < rows.length) lines.push(`… and ${counted(rows.length - most, 'more row')}`);
  await out.write(`${lines.join('\n')}\n`);
}
