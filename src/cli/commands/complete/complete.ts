import type { Command } from 'commander';
import { OpmasError } from '../../../index.js';
import { runCommand } from '../../session.js';

/** What there are scripts for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'];

const EXAMPLES = `
Examples:
  $ source <(opmas-ws complete bash)                              in ~/.bashrc
  $ opmas-ws complete zsh > ~/.zfunc/_opmas-ws
  $ opmas-ws complete fish > ~/.config/fish/completions/opmas-ws.fish`;

/** Puts `complete` together. The scripts that it prints call it again, as `complete -- words…`. */
export function configure(command: Command): void {
  command
    .argument('[shell]', SHELLS.join(', '))
    .allowExcessArguments()
    .addHelpText('after', EXAMPLES)
    .action((_shell: string | undefined, _options: unknown) =>
      runCommand(command, async (session) => {
        const { answerCompletion, completionScript } = await import('./completion.js');
        const asksForWords = process.argv.includes('--');
        if (asksForWords) {
          await session.terminal.out.write(await answerCompletion(command.args));
          return;
        }
        const [shell = ''] = command.args;
        if (!SHELLS.includes(shell)) {
          throw new OpmasError(
            'USAGE',
            shell === '' ? 'which shell?' : `there is no completion for ${shell}`,
            {
              hint: `Shells are ${SHELLS.join(', ')}.`,
            },
          );
        }
        await session.terminal.out.write(await completionScript(shell));
      }),
    );
}
