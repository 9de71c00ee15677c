import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../src/index.js';
import { allCommands, examplesIn, fullHelp, runExample } from './support/examples.js';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const commands = await allCommands();

const blocks = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const readmeExamples = blocks.flatMap(examplesIn);
const helpExamples = [...commands.values()].flatMap((command) => examplesIn(fullHelp(command)));
const examples = [...new Set([...readmeExamples, ...helpExamples])];

/** What an example needs and a test cannot give; each says why. */
const notRun: readonly [RegExp, string][] = [
  [/^npm /, 'would install or rebuild while tests run'],
  [/auth login(?!.*(--with-token|--password-stdin))/, 'asks on a terminal; test/cli has it on a pty'],
  [/~\//, "writes into the user's own folders"],
  [/^opmas-ws (?!context).*(wss:\/\/|--ca )/, 'needs a server of its own with TLS'],
];
const missing = ['jq', 'gzip'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);

function reasonToSkip(example: string): string | undefined {
  const tool = missing.find((name) => new RegExp(`\\b${name}\\b`).test(example));
  return tool === undefined
    ? notRun.find(([pattern]) => pattern.test(example))?.[1]
    : `${tool} is not installed`;
}

describe('examples of the README and of every --help', () => {
  let folder: string;
  let server: MockServer;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'opmas-ws-examples-'));
    server = await startMockServer({ port: 0, rate: 20, seed: 1 });
    const command = join(folder, 'opmas-ws');
    writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'bin/opmas-ws.js')}' "$@"\n`);
    chmodSync(command, 0o755);
    environment = {
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      HOME: folder,
      XDG_CONFIG_HOME: join(folder, 'config'),
      OPMAS_URL: server.url,
      OPMAS_TOKEN: server.token,
      OPMAS_KEYCHAIN: 'off',
      LANG: 'C.UTF-8',
    };
    writeFileSync(join(folder, 'secret'), 'a password\n', { mode: 0o600 });
    writeFileSync(join(folder, 'token.txt'), server.token, { mode: 0o600 });
    const recorded = await runExample(
      'opmas-ws tail -f json --lifecycle -n 120 > capture.ndjson && gzip -k capture.ndjson && cp capture.ndjson other.ndjson',
      folder,
      environment,
    );
    expect(recorded.code).toBe(0);
  }, 30_000);

  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('finds them', () => {
    expect(readmeExamples.length).toBeGreaterThan(15);
    expect(helpExamples.length).toBeGreaterThan(20);
  });

  it.each([...commands.keys()])('%s --help has two at least', (name) => {
    const command = commands.get(name)!;
    if (name === 'help') return;
    expect(examplesIn(fullHelp(command)).length).toBeGreaterThanOrEqual(2);
  });

  for (const example of examples) {
    const reason = reasonToSkip(example);
    const name = `$ ${example}${reason === undefined ? '' : ` (not run: ${reason})`}`;
    // Those that listen use the documented port, so they take turns; the rest run side by side.
    const kind = /\b(replay|mock|record|context|auth)\b/.test(example) ? it : it.concurrent;
    const test = reason === undefined ? kind : it.skip;
    test(name, async () => {
      const { code, stderr } = await runExample(example, folder, environment);
      expect(stderr).not.toMatch(/error:|is a bug|did you mean/i);
      // 124: it goes on until somebody stops it. 130 and 143: it was stopped, and died of it.
      expect([0, 124, 130, 143], stderr).toContain(code);
    });
  }
});

/** The rows of the Markdown table whose first header cell is given, cells trimmed. */
function tablesWith(header: string): string[][] {
  const lines = readme.split('\n');
  return lines.flatMap((line, at) => {
    if (!line.startsWith(`| ${header} |`)) return [];
    const rows: string[][] = [];
    for (let row = at + 2; lines[row]?.startsWith('|'); row++) {
      const cells = lines[row]!.replaceAll('\\|', '\u0000').split('|').slice(1, -1);
      rows.push(cells.map((cell) => cell.replaceAll('\u0000', '|').trim()));
    }
    return rows;
  });
}

function optionsOf(name: string) {
  return commands.get(name)!.options.filter((option) => !option.hidden);
}

describe('tables of the README', () => {
  const documented = new Map(
    tablesWith('option').map(([names = '', , byDefault = '']) => [
      /`(--[a-z-]+)`/.exec(names)?.[1] ?? names,
      byDefault,
    ]),
  );

  it.each(['tail', 'record', 'replay', 'mock', 'inspect'])('every option of %s is in a table', (name) => {
    const undocumented = optionsOf(name)
      .map(({ long }) => long!)
      .filter((long) => !documented.has(long) && long !== '--no-heartbeat');
    expect(undocumented).toEqual([]);
  });

  it('every option in a table exists, with the default that is named', () => {
    const known = new Map(
      [...commands.values()].flatMap(({ options }) =>
        options.map((option) => [option.long!, option] as const),
      ),
    );
    for (const [long, byDefault] of documented) {
      expect(known.has(long), `${long} is in the README but not in the program`).toBe(true);
      const value = known.get(long)!.defaultValue;
      if (typeof value === 'string') expect(byDefault, long).toContain(`\`${value}\``);
    }
  });

  it('every command has a row', () => {
    const rows = tablesWith('command').map(([cell = '']) => cell);
    for (const name of commands.keys()) {
      const [first = '', second] = name.split(' ');
      if (first === 'help' || second === 'help') continue;
      expect(
        rows.some((row) => row.includes(`\`${first}`) && (second === undefined || row.includes(second))),
        name,
      ).toBe(true);
    }
  });

  it('has the exit codes that the program has', () => {
    const program = readFileSync(join(root, 'src/cli/exit.ts'), 'utf8');
    const codes = [...program.matchAll(/\b(?:USAGE|AUTH|NETWORK|LOCAL|DATA): (\d)/g)].map(([, code]) => code);
    const rows = tablesWith('code').map(([cell]) => cell);
    expect(rows).toEqual(['0', '1', ...codes, '128+n']);
  });
});
