import { compileFilter, readRecording } from '../../../index.js';
import { DeviceTable, keepsLine, rowKeyOf } from '../../../internal.js';
import type { Command } from '../../commander.js';
import { collect, endpointsOf, filterOptionsOf } from '../../options/selection.js';
import { runCommand, type Session } from '../../session.js';
import { FilterMessages } from '../../stream/filter-messages.js';
import { addStreamOptions, resolveStream, type StreamCommandOptions } from '../../stream/stream-options.js';
import { ProblemMessages, showProgress } from '../../terminal/reading-messages.js';
import { standardInput } from '../../terminal/standard-streams.js';
import { watchTable } from './live-table.js';
import { rowJson, tableLines } from './table-text.js';

/** Options of `top`. */
interface TopOptions extends StreamCommandOptions {
  by?: string;
  json?: boolean;
  file?: string[];
}

const HELP = `
Keys: arrows select a row, Enter shows its event, / filters the rows, q quits.

Examples:
  $ opmas-ws top                                watch which devices are in trouble
  $ opmas-ws top devices --by data.site         one row for each site
  $ opmas-ws top --duration 5s --json           one JSON object for each device, after five seconds
  $ opmas-ws top --file capture.ndjson          the devices at the end of a recording`;

/** Configures `top`. */
export function configure(command: Command): void {
  addStreamOptions(command)
    .option(
      '--by <path>',
      'one row for each value of type, subject, endpoint or a member such as data.site (default: data.device_id, else the last token of the subject)',
    )
    .option('--json', 'print the rows as NDJSON when it ends, and draw nothing')
    .option(
      '--file <file>',
      'print the table of a recording; repeatable, merged by time; - is stdin; needs no server and no token',
      collect,
    )
    .addHelpText('after', HELP)
    .action((endpoints: string[], options: TopOptions) =>
      runCommand(command, (session) => top(session, endpoints, options)),
    );
}

async function top(session: Session, endpoints: readonly string[], options: TopOptions): Promise<void> {
  const { by, json, file } = options;
  const table = new DeviceTable(by === undefined ? undefined : rowKeyOf(by, '--by'));
  const title = by === undefined ? 'DEVICE' : by.slice(by.lastIndexOf('.') + 1).toUpperCase();
  const print = (now: number) => printTable(session, table, { title, now, json: json === true });
  if (file === undefined) {
    const stream = await resolveStream(session, endpoints, options);
    await watchTable(session, stream, { table, title, draws: json !== true, print });
    return;
  }
  await print(await readTable(session, table, endpoints, { ...options, file }));
}

/** Fills the table from recordings. @returns The time of the last line. */
async function readTable(
  session: Session,
  table: DeviceTable,
  endpoints: readonly string[],
  options: TopOptions & { file: string[] },
): Promise<number> {
  const { messages } = session.terminal;
  const filter = await compileFilter(filterOptionsOf(options));
  const wanted = endpoints.length === 0 ? undefined : new Set(endpointsOf(endpoints));
  messages.warn(...filter.hints);
  const problems = new ProblemMessages(messages);
  const filtering = new FilterMessages(messages, filter);
  const progress = await showProgress(messages, options.file);
  let last = Number.NaN;
  const batches = readRecording(options.file, {
    keep: (line) => {
      const { kind, frame, endpoint = '', receivedAt } = line;
      if (!(receivedAt <= last)) last = receivedAt;
      if (
        kind === 'event' &&
        wanted?.has(endpoint) !== false &&
        keepsLine(filter, kind, frame, endpoint, line)
      ) {
        table.add(frame, endpoint, receivedAt);
      }
      return false;
    },
    onProblem: problems.onProblem,
    onRead: progress.advance,
    stdin: options.file.includes('-') ? standardInput() : undefined,
    signal: session.stop,
  });
  try {
    for await (const _ of batches);
  } finally {
    progress.end();
    problems.end();
    filtering.end();
  }
  return last;
}

/** Prints the table once, if it has rows. @param now The time from which ages count, in microseconds since 1970. */
async function printTable(
  { terminal: { out, messages } }: Session,
  table: DeviceTable,
  { title, now, json }: { title: string; now: number; json: boolean },
): Promise<void> {
  const rows = table.rows();
  if (table.leftOut > 0)
    messages.warn(`the table was full: ${table.leftOut} rows were left out, the calmest first`);
  if (rows.length === 0) return;
  if (json) {
    for (const row of rows) await out.writeJson(rowJson(row));
    return;
  }
  const width = out.isTerminal ? out.columns : Number.POSITIVE_INFINITY;
  const lines = tableLines(rows, { palette: out.palette, width, now, title, hasWords: true });
  await out.write(`${lines.join('\n')}\n`);
}
