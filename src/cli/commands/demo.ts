import type { Command } from 'commander';
import { runCommand, type Session } from '../session.js';

const EXAMPLES = `
Examples:
  $ opmas-ws demo                  watch; Ctrl-C ends it
  $ opmas-ws demo --duration 5s    the same for five seconds`;

/** Puts `demo` together. */
export function configure(command: Command): void {
  command
    .option('--duration <t>', 'stop after this time: 500ms, 30s, 5m, 1h')
    .option('--rate <n>', 'events a second on each endpoint', '1')
    .option('--seed <n>', 'the same seed gives the same events')
    .addHelpText('after', EXAMPLES)
    .action((options: { duration?: string; rate: string; seed?: string }) =>
      runCommand(command, (session) => demo(session, options)),
    );
}

async function demo(
  session: Session,
  options: { duration?: string; rate: string; seed?: string },
): Promise<void> {
  const { runDemo } = await import('./run-demo.js');
  await runDemo(session, options);
}
