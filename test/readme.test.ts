import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../src/index.js';
import { allCommands, examplesIn, fullHelp, runExample } from './support/examples.js';

const project = resolve(import.meta.dirname, '..');
const binary = join(project, 'bin/opmas-ws.js');
const readme = readFileSync(join(project, 'README.md'), 'utf8');
const commands = await allCommands();

/** Examples that belong together run one after the other, with a configuration of their own. */
interface ExampleGroup {
  name: string;
  examples: string[];
}

const readmeGroups = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = ''], at) => ({
  name: `README, block ${at + 1}`,
  examples: examplesIn(text),
}));
/** One group for a command and its subcommands: `context use` needs what `context add` has done. */
const helpGroups = [...commands.keys()]
  .filter((name) => !name.includes(' ') && name !== 'help')
  .map((name) => {
    const family = [...commands].filter(([path]) => path === name || path.startsWith(`${name} `));
    const examples = family.flatMap(([, command]) => examplesIn(fullHelp(command)));
    return { name: `${name} --help`, examples: [...new Set(examples)] };
  });
const groups: ExampleGroup[] = [...readmeGroups, ...helpGroups];

/** What an example needs and a test cannot give; each says why. */
const notRun: readonly [RegExp, string][] = [
  [/^npm /, 'would install or rebuild while tests run'],
  [/auth login(?!.*(--with-token|--password-stdin))/, 'asks on a terminal; test/cli has it on a pty'],
  [/~\//, "writes into the user's own folders"],
  [/^opmas-ws tail --context|curl /, 'needs a server at the address that it names'],
  [/^opmas-ws (?!context).*(wss:\/\/|--ca )/, 'needs a server of its own with TLS'],
];
/** Examples that listen on the documented port need it for themselves. */
const listens = /\b(replay|mock)\b(?!.*(-p|--port) 0)/;
const portIsTaken = await isTaken(8000);
const missing = ['jq', 'gzip'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);

function reasonToSkip(example: string): string | undefined {
  if (portIsTaken && listens.test(example)) return 'another program on this machine has port 8000';
  const tool = missing.find((name) => new RegExp(`\\b${name}\\b`).test(example));
  return tool === undefined
    ? notRun.find(([pattern]) => pattern.test(example))?.[1]
    : `${tool} is not installed`;
}

function isTaken(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)));
  });
}

/** Those that listen on the documented port take turns. */
let portIsFree = Promise.resolve();

function whenPortIsFree<T>(example: string, work: () => Promise<T>): Promise<T> {
  if (!listens.test(example)) return work();
  const result = portIsFree.then(work);
  portIsFree = result.then(
    () => undefined,
    () => undefined,
  );
  return result;
}

describe('examples of the README and of every --help', () => {
  let root: string;
  let server: MockServer;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'opmas-ws-examples-'));
    server = await startMockServer({ port: 0, rate: 20, seed: 1 });
    const command = join(root, 'opmas-ws');
    writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${binary}' "$@"\n`);
    chmodSync(command, 0o755);
    environment = {
      PATH: `${root}${delimiter}${process.env.PATH}`,
      HOME: root,
      OPMAS_URL: server.url,
      OPMAS_TOKEN: server.token,
      OPMAS_KEYCHAIN: 'off',
      LANG: 'C.UTF-8',
    };
    const recorded = await runExample('opmas-ws tail -f json --lifecycle -n 120', root, environment, 30);
    expect(recorded.code).toBe(0);
    writeFileSync(join(root, 'capture.ndjson'), recorded.stdout);
  }, 40_000);

  afterAll(async () => {
    await server.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** A folder with what the examples name. */
  function folderFor(group: ExampleGroup): string {
    const folder = join(root, group.name.replace(/\W+/g, '-'));
    mkdirSync(folder);
    const capture = readFileSync(join(root, 'capture.ndjson'));
    for (const name of ['capture.ndjson', 'other.ndjson', 'outage.ndjson'])
      writeFileSync(join(folder, name), capture);
    writeFileSync(join(folder, 'capture.ndjson.gz'), gzipSync(capture));
    writeFileSync(join(folder, 'secret'), 'a password\n', { mode: 0o600 });
    writeFileSync(join(folder, 'token.txt'), server.token, { mode: 0o600 });
    return folder;
  }

  it('finds them', () => {
    expect(readmeGroups.flatMap((group) => group.examples).length).toBeGreaterThan(25);
    expect(helpGroups.flatMap((group) => group.examples).length).toBeGreaterThan(30);
  });

  it.each([...commands.keys()].filter((name) => !name.endsWith('help')))(
    '%s --help has two at least',
    (name) => {
      expect(examplesIn(fullHelp(commands.get(name)!)).length).toBeGreaterThanOrEqual(2);
    },
  );

  it.concurrent.each(groups.filter((group) => group.examples.length > 0))(
    '$name',
    async (group) => {
      const folder = folderFor(group);
      const own = { ...environment, XDG_CONFIG_HOME: join(folder, 'config') };
      for (const example of group.examples) {
        if (reasonToSkip(example) !== undefined) continue;
        const { code, stderr } = await whenPortIsFree(example, () => runExample(example, folder, own));
        expect(stderr, `$ ${example}`).not.toMatch(/^opmas-ws: |is a bug|did you mean/im);
        // 130: it goes on until somebody stops it, and dies of it.
        expect([0, 130], `$ ${example}\n${stderr}`).toContain(code);
      }
    },
    120_000,
  );

  for (const example of groups.flatMap((group) => group.examples)) {
    const reason = reasonToSkip(example);
    if (reason !== undefined) it.skip(`$ ${example} (${reason})`, () => undefined);
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
  const documented = tablesWith('option').flatMap(([names = '', , byDefault = '']) =>
    [...names.matchAll(/`(--[a-z-]+)`/g)].map(([, long = '']) => [long, byDefault] as const),
  );
  const names = new Set(documented.map(([long]) => long));

  it.each(['tail', 'record', 'replay', 'mock', 'inspect'])('every option of %s is in a table', (name) => {
    const undocumented = optionsOf(name)
      .map(({ long }) => long!)
      .filter((long) => !names.has(long) && long !== '--no-heartbeat');
    expect(undocumented).toEqual([]);
  });

  it('every option in a table exists, with the default that is named', () => {
    const options = [...commands.values()].flatMap((command) => command.options);
    for (const [long, byDefault] of documented) {
      const defaults = options.filter((option) => option.long === long).map((option) => option.defaultValue);
      expect(defaults, `${long} is in the README but not in the program`).not.toEqual([]);
      const named = defaults.some((value) => typeof value !== 'string' || byDefault.includes(`\`${value}\``));
      expect(named, `${long}: the README says ${byDefault}, the program ${defaults}`).toBe(true);
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
    const program = readFileSync(join(project, 'src/cli/exit.ts'), 'utf8');
    const codes = [...program.matchAll(/\b(?:USAGE|AUTH|NETWORK|LOCAL|DATA): (\d)/g)].map(([, code]) => code);
    const rows = tablesWith('code').map(([cell]) => cell);
    expect(rows).toEqual(['0', '1', ...codes, '128+n']);
  });
});
