import type { Command } from 'commander';
import { runCommand } from '../../session.js';
import type { AddOptions } from './edit.js';

const EXAMPLES = `
Examples:
  $ opmas-ws context add lab --url wss://opmas.lab.example
  $ opmas-ws context add prod --url wss://opmas.example.org --token-command 'pass show opmas/token'
  $ opmas-ws context use prod
  $ opmas-ws tail --context lab devices`;

/** Puts `context` and what is below it together. */
export function configure(command: Command): void {
  command.addHelpText('after', EXAMPLES);

  const add = command
    .command('add')
    .argument('<name>')
    .description('name a server')
    .option('--token-command <cmd>', 'program that prints a token; run without a shell, for every attempt')
    .option('--ca <file>', 'trust the CA in this PEM file')
    .option('--plaintext', 'allow ws:// although the host is not this machine')
    .option('--force', 'replace a context of that name')
    .addHelpText(
      'after',
      `
Examples:
  $ opmas-ws context add home --url ws://localhost:8000
  $ opmas-ws context add office --url wss://opmas.office.example --ca office-ca.pem`,
    );
  add.action((name: string, options: AddOptions) =>
    runCommand(add, async (session) => (await import('./edit.js')).addContext(session, name, options)),
  );

  const use = command
    .command('use')
    .argument('<name>', 'a context, or - for the one before')
    .description('make a context the one that is used when none is named')
    .addHelpText('after', '\nExamples:\n  $ opmas-ws context use lab\n  $ opmas-ws context use -');
  use.action((name: string) =>
    runCommand(use, async (session) => (await import('./edit.js')).useContext(session, name)),
  );

  const remove = command
    .command('remove')
    .argument('<name>')
    .description('forget a context; a stored login of its server stays')
    .addHelpText(
      'after',
      '\nExamples:\n  $ opmas-ws context remove home\n  $ opmas-ws context remove office',
    );
  remove.action((name: string) =>
    runCommand(remove, async (session) => (await import('./edit.js')).removeContext(session, name)),
  );

  const list = command
    .command('list')
    .description('list the contexts; * is the one in use')
    .option('--json', 'for scripts: one JSON array')
    .addHelpText(
      'after',
      "\nExamples:\n  $ opmas-ws context list\n  $ opmas-ws context list --json | jq -r '.[].name'",
    );
  list.action((options: { json?: boolean }) =>
    runCommand(list, async (session) => (await import('./view.js')).listContexts(session, options)),
  );

  const show = command
    .command('show')
    .argument('[name]', 'default: the one in use')
    .description('show a context')
    .option('--json', 'for scripts: one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  $ opmas-ws context show\n  $ opmas-ws context show lab --json | jq -r .url',
    );
  show.action((name: string | undefined, options: { json?: boolean }) =>
    runCommand(show, async (session) => (await import('./view.js')).showContext(session, name, options)),
  );
}
