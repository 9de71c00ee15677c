import type { Command } from 'commander';
import { runCommand } from '../../session.js';
import { addStreamOptions } from '../../stream/stream-options.js';
import type { RecordCommandOptions } from './run-record.js';

const EXAMPLES = `
The recording holds the lines that \`tail -f json --lifecycle\` prints: events byte for byte as the server sent them,
and what happened to the connections. It is compressed when its name ends in .gz. The file being written always has the
name given with -o; finished parts of a rotation get numbers: capture.000001.ndjson.

Examples:
  $ opmas-ws record                                       all four endpoints, until Ctrl-C
  $ opmas-ws record devices -t '*.error' -o errors.ndjson   only what went wrong
  $ opmas-ws record -o capture.ndjson --append            go on with a recording
  $ opmas-ws record -o capture.ndjson.gz --rotate-size 100MiB --keep 10 --append   for weeks
  $ opmas-ws record --tail --duration 10s                 watch what is recorded`;

/** Puts `record` together. */
export function configure(command: Command): void {
  addStreamOptions(command)
    .option('-o, --out <file>', 'the recording (default: opmas-<UTC start>.ndjson)')
    .option('--append', 'add to an existing recording; create it if need be')
    .option('--force', 'replace an existing file')
    .option('--rotate-size <size>', 'begin a new part before the file grows over this: 100MiB')
    .option('--rotate-every <t>', 'begin a new part after this time: 1h')
    .option('--keep <n>', 'keep the newest N finished parts, delete older ones')
    .option('--tail', 'also print events on stdout, as tail would')
    .addHelpText('after', EXAMPLES)
    .action(async (endpoints: string[], options: RecordCommandOptions) => {
      const { patientStreams } = await import('../../terminal/async-terminal.js');
      await runCommand(
        command,
        async (session) => {
          const { runRecord } = await import('./run-record.js');
          await runRecord(session, endpoints, options);
        },
        // A stopped terminal must not hold up the recording.
        patientStreams(),
      );
    });
}
