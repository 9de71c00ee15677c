import type { Command } from 'commander';
import { addTokenOptions, addTrustOptions } from '../options/token-options.js';
import { runCommand } from '../session.js';
import type { DoctorOptions } from './run-doctor.js';

const EXAMPLES = `
It checks, in this order: configuration, token, host name, TCP (or the proxy), TLS, the REST API, this machine's clock,
and on each endpoint the upgrade and the first pong. The exit code is the one that \`tail\` would end with.

Examples:
  $ opmas-ws doctor                                  the server and the endpoints that \`tail\` would use
  $ opmas-ws doctor devices --url wss://opmas.example.org
  $ opmas-ws doctor --json | jq -r .verdict`;

/** Puts `doctor` together. */
export function configure(command: Command): void {
  command.argument(
    '[endpoint...]',
    'devices, agents, rules, system, or a path that begins with /; default: all four',
  );
  addTrustOptions(addTokenOptions(command))
    .option('--json', 'for scripts: one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((endpoints: string[], options: DoctorOptions) =>
      runCommand(command, async (session) => {
        const { runDoctor } = await import('./run-doctor.js');
        await runDoctor(session, endpoints, options);
      }),
    );
}
