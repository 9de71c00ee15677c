import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../../src/index.js';
import { CertificateAuthority, withoutOpenssl } from '../support/certificates.js';
import { runShared } from '../support/command-runners.js';
import { codeBlocks, PAGES, project, textOf } from '../support/documents.js';
import {
  allCommands,
  type ExampleResult,
  examplesIn,
  fullHelp,
  plainWords,
  runExample,
} from '../support/examples.js';

const binary = join(project, 'bin/opmas-ws.js');
/** `opmas-ws` as the examples call it. A command that serves listens on `$PORT_OF_EXAMPLES`, unless it names a port. */
const script = `#!/bin/sh
case "$1 $* " in
  *' -p '*|*' --port '*) ;;
  mock*|replay*) set -- "$@" \${PORT_OF_EXAMPLES:+--port "$PORT_OF_EXAMPLES"} ;;
esac
exec '${process.execPath}' '${binary}' "$@"
`;
const commands = await allCommands();

/** Examples that belong together: they run one after another, in a folder and with a configuration of their own. */
interface ExampleGroup {
  name: string;
  examples: string[];
}

const pageGroups = PAGES.flatMap((page) =>
  codeBlocks(textOf(page), 'console').map((text, at) => ({
    name: `${page}, block ${at + 1}`,
    examples: examplesIn(text),
  })),
);
/** A command and its subcommands make one group: `context use` needs the context of `context add`. */
const helpGroups = [...commands.keys()]
  .filter((name) => !name.includes(' ') && name !== 'help')
  .map((name) => {
    const family = [...commands].filter(([path]) => path === name || path.startsWith(`${name} `));
    const examples = family.flatMap(([, command]) => examplesIn(fullHelp(command)));
    return { name: `${name} --help`, examples: [...new Set(examples)] };
  });
/** Those of `--help` first: one of them runs for ten seconds, and the others meanwhile. */
const groups: ExampleGroup[] = [...helpGroups, ...pageGroups];

/** Examples that need something a test cannot give, with the reason. */
const notRun: readonly [RegExp, string][] = [
  [/^npm /, 'installs or rebuilds while tests run'],
  [/auth login(?!.*(--with-token|--password-stdin))/, 'asks on a terminal; test/cli runs it on a pty'],
  [/\bnats:\/\/|^nats /, 'needs a NATS server; test/cli/publish.test.ts has one'],
  [/~\//, "writes into the user's own folders"],
  [/^opmas-ws tail --context|curl /, 'needs a server at the address in it'],
  [/^opmas-ws (?!context).*(wss:\/\/|--ca )/, 'needs a server with TLS'],
];
/** Examples that neither need what another has left behind nor leave anything: once is enough. */
const isAlone = /^opmas-ws (demo|mock|replay|inspect|doctor)\b/;
const tried = new Set<string>();
const portIsTaken = await isTaken(8000);
const missing = ['jq', 'gzip'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);

function reasonToSkip(example: string): string | undefined {
  if (withoutOpenssl && /\.pem\b/.test(example)) return withoutOpenssl;
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

/** Commands whose plain examples run in a process that they share. The others have one each. */
const SHARED = ['context', 'auth', 'inspect', 'doctor', 'tail', 'top'];

/** Runs an example, which must end well. */
async function works(
  example: string,
  folder: string,
  environment: Record<string, string>,
): Promise<Omit<ExampleResult, 'code'> & { code: number | null }> {
  const [program, ...args] = plainWords(example) ?? [];
  const isShared = program === 'opmas-ws' && SHARED.includes(args[0]!);
  const result = isShared
    ? await runShared({ args, folder, environment, input: '', onTerminal: false })
    : await runExample(example, folder, environment);
  expect(result.stderr, `$ ${example}`).not.toMatch(/^opmas-ws: |is a bug|did you mean/im);
  // 130: the example runs until it is stopped.
  expect([0, 130], `$ ${example}\n${result.stderr}`).toContain(result.code);
  return result;
}

describe('examples of the pages and of every --help', () => {
  let root: string;
  let server: MockServer;
  let environment: Record<string, string>;
  let certificates: Record<string, string> = {};

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'opmas-ws-examples-'));
    server = await startMockServer({ port: 0, rate: 200, seed: 1 });
    const command = join(root, 'opmas-ws');
    writeFileSync(command, script);
    chmodSync(command, 0o755);
    environment = {
      PATH: `${root}${delimiter}${process.env.PATH}`,
      HOME: root,
      OPMAS_URL: server.url,
      OPMAS_TOKEN: server.token,
      OPMAS_KEYCHAIN: 'off',
      LANG: 'C.UTF-8',
      PORT_OF_EXAMPLES: '0',
    };
    const recorded = await runExample('opmas-ws tail -f json --lifecycle -n 1200', root, environment);
    expect(recorded.code).toBe(0);
    writeFileSync(join(root, 'capture.ndjson'), recorded.stdout);
    if (withoutOpenssl) return;
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue('DNS:client');
    certificates = { 'office-ca.pem': authority.pem, 'client.pem': cert, 'client.key': key };
    authority.remove();
  });

  afterAll(async () => {
    await server.close();
    rmSync(root, { recursive: true, force: true });
  });

  it('the script of the guide that triggers something and waits for it works', async () => {
    const script = codeBlocks(textOf('docs/scripts.md'), 'sh').find((text) =>
      text.includes('opmas-ws wait'),
    )!;
    const { stdout } = await works(script, root, environment);
    expect(stdout).toMatch(/^[a-z-]+ ran for [\d.]+ s$/m);
    // As curl does when it reaches no server. As an exit code of wait, 7 would mean that the event did not come.
    const untriggered = script
      .replace('echo triggered ||', '(exit 7) ||')
      .replace('.execution_start', '.none');
    const failing = await runExample(untriggered, root, environment);
    expect(failing).toMatchObject({ code: 1, stdout: 'the rule was not triggered\n' });
  });

  /** Makes a folder with the files that the examples name. */
  function folderFor(group: ExampleGroup): string {
    const folder = join(root, group.name.replace(/\W+/g, '-'));
    mkdirSync(folder);
    const capture = readFileSync(join(root, 'capture.ndjson'));
    for (const name of ['capture.ndjson', 'other.ndjson', 'outage.ndjson'])
      writeFileSync(join(folder, name), capture);
    writeFileSync(join(folder, 'capture.ndjson.gz'), gzipSync(capture));
    writeFileSync(join(folder, 'secret'), 'a password\n', { mode: 0o600 });
    writeFileSync(join(folder, 'token.txt'), server.token, { mode: 0o600 });
    for (const [name, pem] of Object.entries(certificates)) {
      writeFileSync(join(folder, name), pem, { mode: 0o600 });
    }
    return folder;
  }

  it('are found', () => {
    expect(pageGroups.flatMap((group) => group.examples).length).toBeGreaterThan(50);
    expect(helpGroups.flatMap((group) => group.examples).length).toBeGreaterThan(30);
  });

  it.each([...commands.keys()].filter((name) => !name.endsWith('help')))(
    '%s --help has at least two',
    (name) => {
      expect(examplesIn(fullHelp(commands.get(name)!)).length).toBeGreaterThanOrEqual(2);
    },
  );

  it.concurrent.each(groups.filter((group) => group.examples.length > 0))('$name', async (group) => {
    const folder = folderFor(group);
    const own = { ...environment, XDG_CONFIG_HOME: join(folder, 'config') };
    for (const example of group.examples) {
      if (reasonToSkip(example) !== undefined || (isAlone.test(example) && tried.has(example))) continue;
      tried.add(example);
      await works(example, folder, own);
    }
  });

  // The other examples listen on free ports, so that they can run at the same time.
  it.skipIf(portIsTaken)('listen on port 8000 (skipped where another program has it)', async () => {
    const folder = folderFor({ name: 'port 8000', examples: [] });
    for (const example of ['opmas-ws mock', 'opmas-ws replay capture.ndjson']) {
      const { stdout } = await works(example, folder, { ...environment, PORT_OF_EXAMPLES: '' });
      expect(stdout).toContain('"listening":"ws://127.0.0.1:8000"');
    }
  });

  for (const example of groups.flatMap((group) => group.examples)) {
    const reason = reasonToSkip(example);
    if (reason !== undefined) it.skip(`$ ${example} (${reason})`, () => undefined);
  }
});
