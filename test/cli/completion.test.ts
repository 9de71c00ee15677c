import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { configureCommands } from '../../src/cli/command-table.js';
import { answerCompletion, completionScript } from '../../src/cli/commands/complete.js';
import { createProgram } from '../../src/cli/main.js';
import { examplesIn, fullHelp } from '../support/examples.js';
import { bin, Sandbox } from './sandbox.js';

async function offered(...words: string[]): Promise<string[]> {
  const lines = (await answerCompletion(words, process.env)).trimEnd().split('\n');
  return lines.map((line) => line.split('\t')[0]!);
}

describe('completion', () => {
  it('offers commands', async () => {
    expect(await offered('re')).toEqual(['record', 'replay', ':4']);
  });

  it('offers endpoints and event types', async () => {
    expect(await offered('tail', 'd')).toEqual(['devices', 'device/', ':4']);
    expect(await offered('wait', 'rules', '--then', 'true', 'd')).toEqual(['devices', 'device/', ':4']);
    expect(await offered('wait', 'rules', '--', 'd')).toEqual([':0']);
    expect(await offered('doctor', 'rule/')).toEqual(['rule/', ':4']);
    expect(await offered('tail', '--type', 'device.e')).toEqual(['device.error', ':4']);
  });

  it('offers options with their descriptions', async () => {
    expect(await answerCompletion(['tail', '--dead'], process.env)).toMatch(/^--dead-after\treconnect/);
  });

  it.each([
    ['replay', ''],
    ['inspect', 'cap'],
    ['record', '--out', ''],
    ['tail', '--token-file', 'x'],
    ['inspect', '--json', ''],
    ['replay', '--lifecycle', 'cap'],
    ['-q', '-u', 'ws://h', 'replay', ''],
    ['record', '--out=c'],
    ['record', '-o', 'c'],
  ])('leaves files to the shell: %s %s', async (...words) => {
    expect(await offered(...words)).toEqual([':0']);
  });

  it('leaves no file to the shell where something else is wanted', async () => {
    expect(await offered('replay', 'a.ndjson', '-p', '')).toEqual([':4']);
    expect(await offered('inspect', '--js')).toEqual(['--json', ':4']);
  });

  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
    expect(await completionScript(shell)).toContain('opmas-ws');
  });

  it('offers the options and values of each command', async () => {
    expect(await offered('tail', '--ur')).toEqual(['--url', ':4']);
    expect(await offered('context', 'use', '--co')).toEqual(['--context', '--color', ':4']);
    expect(await offered('tail', '--color', '')).toEqual(['auto', 'always', 'never', ':4']);
  });

  it('offers shells, and commands to be helped with', async () => {
    expect(await offered('comp')).toEqual(['complete', ':4']);
    expect(await offered('complete', '')).toEqual(['bash', 'zsh', 'fish', 'powershell', ':4']);
    expect(await offered('help', 'd')).toEqual(['doctor', 'demo', ':4']);
  });

  it('has no tab where there is no description, for shells show it', async () => {
    expect(await answerCompletion(['tail', 's'], process.env)).toBe('system\n:4\n');
  });

  it('offers contexts, and nothing when the configuration is broken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-config-'));
    vi.stubEnv('XDG_CONFIG_HOME', folder);
    mkdirSync(join(folder, 'opmas-ws'));
    const path = join(folder, 'opmas-ws/config.json');
    writeFileSync(path, '{"contexts":{"lab":{"url":"localhost:1"},"prod":{"url":"localhost:2"}}}');
    expect(await offered('context', 'use', '')).toEqual(['lab', 'prod', ':4']);
    expect(await offered('tail', '--context', 'p')).toEqual(['prod', ':4']);
    writeFileSync(path, '{');
    expect(await offered('context', 'show', '')).toEqual([':4']);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
});

describe('the script for bash', () => {
  /** What it offers for the words of a command line, as bash splits them. */
  async function replies(sandbox: Sandbox, ...words: string[]): Promise<string[]> {
    const script = await completionScript('bash');
    writeFileSync(join(sandbox.home, 'completion.bash'), script);
    const { stdout, stderr } = await sandbox.run([], {
      through: [
        'bash',
        '-c',
        `. ./completion.bash; . ./completion.bash
         program=("$@"); opmas-ws() { "\${program[@]}" "$@"; }
         COMP_WORDS=(opmas-ws ${words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')})
         COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
         _opmas_ws; printf '%s\n' "\${COMPREPLY[@]}"`,
        'bash',
      ],
    });
    // `compopt` works while a line is completed only; nothing else may be said, however often the script is read.
    expect(stderr).toBe('');
    return stdout.trimEnd().split('\n');
  }

  it('offers words, options and their values, also behind an equals sign', async () => {
    using sandbox = new Sandbox();
    expect(await replies(sandbox, 're')).toEqual(['record', 'replay']);
    expect(await replies(sandbox, 'tail', '--dead')).toEqual(['--dead-after']);
    expect(await replies(sandbox, 'tail', '--format', '=')).toEqual(['auto', 'pretty', 'json']);
    expect(await replies(sandbox, 'tail', '--format', '=', 'p')).toEqual(['pretty']);
    expect(await replies(sandbox, 'tail', '-u', 'ws', ':', '//h', ':', '1', 's')).toEqual(['system']);
    expect(await replies(sandbox, 'record', 'a')).toEqual(['agents', 'agent/']);
  });

  it('leaves the names of files to the shell', async () => {
    using sandbox = new Sandbox();
    expect(await replies(sandbox, 'replay', 'cap')).toEqual(['']);
  });

  it('never runs words of the command line', async () => {
    using sandbox = new Sandbox();
    await replies(sandbox, 'tail', '-w', '"data.cpu > `touch pwned`"', '$(touch pwned)', '; touch pwned', '');
    expect(existsSync(join(sandbox.home, 'pwned'))).toBe(false);
  });
});

describe('names in a configuration that was edited by hand', () => {
  it('are not offered when a shell would run them', async () => {
    using sandbox = new Sandbox();
    mkdirSync(join(sandbox.home, '.config/opmas-ws'), { recursive: true });
    const contexts = Object.fromEntries(
      ['lab', 'a;touch pwned', 'b`touch pwned`', 'c$(touch pwned)', 'd\nlab2', '-e'].map((name) => [
        name,
        { url: 'ws://localhost' },
      ]),
    );
    writeFileSync(join(sandbox.home, '.config/opmas-ws/config.json'), JSON.stringify({ contexts }));
    const { stdout } = await sandbox.run(['complete', '--', 'context', 'use', '']);
    expect(stdout).toBe('lab\n:4\n');
  });
});

/** Types on a terminal with a shell, whose prompt ends in `> `, and returns what it shows. Tab is the last key. */
async function typedInto(
  shell: string,
  sandbox: Sandbox,
  text: string,
  shows: RegExp,
  environment: Record<string, string> = {},
): Promise<string> {
  const pty = spawnPty(shell, ['-i'], {
    cols: 100,
    rows: 30,
    cwd: sandbox.home,
    env: { ...sandbox.environment, TERM: 'xterm', ZDOTDIR: sandbox.home, ...environment },
  });
  let shown = '';
  let wake: () => void = () => undefined;
  pty.onData((data) => {
    shown += data;
    wake();
  });
  const until = async (pattern: RegExp) => {
    while (!pattern.test(withoutMoves(shown))) await new Promise<void>((resolve) => (wake = resolve));
  };
  await until(/ready> /);
  pty.write(`${text}\t`);
  await until(shows);
  pty.kill('SIGKILL');
  return shown;
}

/** Removes colors and movements of the cursor. */
function withoutMoves(text: string): string {
  return text.replace(/\u001b\[[\d;?]*[A-Za-z]/g, '');
}

describe('the recipe in the help, on an account without start files', { concurrent: true }, async () => {
  const program = createProgram();
  await configureCommands(program, (name) => name === 'complete');
  const help = fullHelp(program.commands.find((command) => command.name() === 'complete')!);
  const later = 'autoload -Uz compinit; compinit -u';
  const setups = [
    { shell: 'bash', file: '.bashrc', prompt: "PS1='ready> '" },
    { shell: 'zsh', file: '.zshrc', prompt: "PS1='ready> '; setopt nobeep" },
    { shell: 'zsh', file: '.zshrc', prompt: `PS1='ready> '; setopt nobeep; ${later}` },
    {
      shell: 'fish',
      file: '.config/fish/config.fish',
      prompt: 'function fish_prompt; echo -n "ready> "; end',
    },
  ];

  it.for(setups)(
    'completes commands and options in $shell: $prompt',
    async ({ shell, file, prompt }, { skip }) => {
      if (spawnSync(shell, ['--version']).status !== 0) skip(`${shell} is not installed`);
      using sandbox = new Sandbox();
      mkdirSync(join(sandbox.home, 'bin'));
      symlinkSync(bin, join(sandbox.home, 'bin/opmas-ws'));
      sandbox.environment.PATH = `${join(sandbox.home, 'bin')}:${sandbox.environment.PATH}`;
      const [recipe = ''] = examplesIn(help).filter((example) => example.includes(`complete ${shell}`));
      expect(spawnSync('sh', ['-c', recipe], { env: sandbox.environment }).status).toBe(0);
      mkdirSync(join(sandbox.home, '.config/fish'), { recursive: true });
      appendFileSync(join(sandbox.home, file), `${prompt}\n`);
      await typedInto(shell, sandbox, 'opmas-ws rec', /record /);
      await typedInto(shell, sandbox, 'opmas-ws tail --dead', /--dead-after/);
    },
  );
});

const hasZsh = spawnSync('zsh', ['--version']).status === 0;

describe.skipIf(!hasZsh)(
  `the script for zsh (${hasZsh ? 'there is one' : 'skipped: zsh is not installed'})`,
  () => {
    // zsh keeps there what it has found, so that it looks for it once.
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-zsh-'));
    afterAll(() => rmSync(folder, { recursive: true }));

    /** Types on a terminal with zsh and returns what it shows. Tab is the last key. */
    async function typed(sandbox: Sandbox, text: string, shows: RegExp): Promise<string> {
      writeFileSync(join(sandbox.home, '_opmas-ws'), await completionScript('zsh'));
      writeFileSync(
        join(sandbox.home, '.zshrc'),
        // By default Tab expands first, so zsh itself runs a substitution, whatever the command.
        `PS1='ready> '; setopt nobeep; fpath=(~ $fpath); autoload -Uz compinit; compinit -u -d ${folder}/dump
       bindkey '^I' complete-word
       opmas-ws() { "$OPMAS_NODE" "$OPMAS_BIN" "$@"; }\n`,
      );
      return typedInto('zsh', sandbox, text, shows, { OPMAS_NODE: process.execPath, OPMAS_BIN: bin });
    }

    it('offers words and descriptions of options', async () => {
      using sandbox = new Sandbox();
      await typed(sandbox, 'opmas-ws re', /record[\s\S]*replay/);
      await typed(sandbox, 'opmas-ws tail --format=pr', /--format=pretty/);
      await typed(sandbox, 'opmas-ws tail --dead', /--dead-after/);
    });

    it.each([
      '--x$(touch pwned)=',
      "--x'$(touch pwned)'=",
      '`touch pwned` ',
      '"$(touch pwned)" ',
      '-P;touch\\ pwned=',
    ])('never runs what stands on the command line: %s', async (words) => {
      using sandbox = new Sandbox();
      // The second word can be completed only when the first request has been answered.
      await typed(sandbox, `opmas-ws tail ${words}\t\u0001\u000b opmas-ws mo`, /mock/);
      expect(existsSync(join(sandbox.home, 'pwned'))).toBe(false);
    });
  },
);
