import { type Command, Option } from '../../commander.js';
import { addFilterOptions, type FilterCommandOptions } from '../../options/filter-options.js';
import { addServeOptions, type ServeCommandOptions } from '../../serving/serving-options.js';
import { runCommand } from '../../session.js';

export interface ReplayCommandOptions extends ServeCommandOptions, FilterCommandOptions {
  speed: string;
  rate?: string;
  maxGap?: string;
  from?: string;
  to?: string;
  loop?: true | string;
  clock: 'client' | 'shared';
  lifecycle?: boolean;
  exitWhenDone?: boolean;
  strict?: boolean;
}

const EXAMPLES = `
Several recordings are merged by time; - reads one from stdin. On a terminal: space pauses, + and - change the speed,
. sends the next event while paused, q ends. The first line on stdout is {"listening":"ws://…","token":"…"}.

Examples:
  $ opmas-ws replay capture.ndjson                          then, elsewhere: the command that it prints
  $ opmas-ws replay capture.ndjson --speed 10 --loop        ten times as fast, again and again
  $ opmas-ws replay capture.ndjson --from 5m --to 10m --max-gap 2s
  $ opmas-ws replay capture.ndjson --speed max --exit-when-done -p 0
  $ opmas-ws replay outage.ndjson --lifecycle               the refusals, closes and downtimes, too
  $ jq -c 'select(.data.cpu > 90)' capture.ndjson | opmas-ws replay - --rate 5`;

/** Puts `replay` together. */
export function configure(command: Command): void {
  command
    .argument('[files...]', 'recordings (.gz, too), or - for stdin')
    .option('--speed <x>', '0.5, 2x, …; max = as fast as clients take it', '1')
    .option('--rate <n>', 'N events a second in place of the recorded times')
    .option('--max-gap <t>', 'longer silences are cut to this: 500ms, 30s, 5m')
    .option('--from <when>', 'begin there: an RFC 3339 time, or an offset from the start (5m)')
    .option('--to <when>', 'end there, in the same way')
    .option('--loop [n]', 'again from the start, N times in all or for ever; times go on')
    .addOption(
      new Option(
        '--clock <whose>',
        "client: each connection gets its endpoint's events from the start; shared: one clock for all",
      )
        .choices(['client', 'shared'])
        .default('client'),
    )
    .option('--lifecycle', 'act out recorded refusals, closes, drops and downtimes; implies --clock shared')
    .option('--exit-when-done', 'close clients with 1000 at the end and exit 0')
    .option('--strict', 'damage in a recording is an error (exit 6)');
  addServeOptions(addFilterOptions(command))
    .addHelpText('after', EXAMPLES)
    .action(async (files: string[], options: ReplayCommandOptions) => {
      const { patientStreams } = await import('../../terminal/async-terminal.js');
      await runCommand(
        command,
        async (session) => {
          const { runReplay } = await import('./run-replay.js');
          // `--lifecycle` has a clock of its own; only a clock that was asked for can contradict it.
          const asked = command.getOptionValueSource('clock') === 'cli';
          await runReplay(session, files, options, asked ? options.clock : undefined);
        },
        // A stopped terminal must not hold up the clients.
        patientStreams(),
      );
    });
}
