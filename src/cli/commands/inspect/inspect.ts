import { type Command, InvalidArgumentError } from '../../commander.js';
import { runCommand } from '../../session.js';
import type { InspectCommandOptions } from './run-inspect.js';

const EXAMPLES = `
Examples:
  $ opmas-ws inspect capture.ndjson                     what is in there, and what is missing
  $ opmas-ws inspect capture.ndjson --json | jq .gaps   for a script
  $ opmas-ws inspect capture.ndjson --html report.html  a page to look at or to send to somebody
  $ opmas-ws inspect capture*.ndjson                    all parts of a rotation at once
  $ grep '"endpoint":"rules"' capture.ndjson | opmas-ws inspect -   only some of the lines`;

/** Puts `inspect` together. */
export function configure(command: Command): void {
  command
    .argument('<file...>', 'recordings, also gzipped; several are merged by time; - is stdin', collect)
    .option('--json', 'print one JSON object')
    .option('--html <file>', 'write a page with a timeline; it needs nothing but itself')
    .option('--strict', 'damage is an error (exit code 6)')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: InspectCommandOptions) =>
      runCommand(command, async (session) => {
        const { runInspect } = await import('./run-inspect.js');
        await runInspect(session, files, options);
      }),
    );
}

function collect(file: string, before: string[] = []): string[] {
  if (file === '') throw new InvalidArgumentError('a file name is empty');
  return [...before, file];
}
