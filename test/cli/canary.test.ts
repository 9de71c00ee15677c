import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { findSecrets, formsOf, watchArguments } from '../support/canary.js';
import { type EchoServer, startEchoServer } from '../support/echo-server.js';
import { startProxy } from '../support/proxy-server.js';
import { Sandbox } from './sandbox.js';

/** JWT shaped, and one whose percent-encoded form differs. */
const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeQ';
const oddToken = 'canary+/%&=?#"<>\'token~';
const refreshToken = 'canary-refresh-token-that-nobody-shows';
const password = 'canary pass+wörd & more';
/** The value of a header. */
const gateKey = 'canary key of the gate, which is "odd" & long';
const secrets = [token, oddToken, refreshToken, password, gateKey];

let echo: EchoServer;
beforeAll(async () => {
  echo = await startEchoServer();
});
afterAll(() => echo[Symbol.asyncDispose]());

interface Case {
  name: string;
  args: string[];
  /** The behavior of the echo server. */
  server?: string;
  /** The secret that has to reach the echo server; without that the row shows nothing. */
  reaches?: string;
  /** For a secret that goes nowhere: the message that shows that the command met it. */
  says?: RegExp;
  input?: string;
  environment?: Record<string, string>;
  prepare?(sandbox: Sandbox): void;
  /** Files that hold a secret on purpose. */
  vault?: RegExp;
}

const once = ['--no-reconnect', '--connect-timeout', '5s'];
const fast = ['--retry-delay', '10ms', '--retries', '2'];
const fromEnvironment = { OPMAS_TOKEN: token };
const vault = /credentials\/|token\.txt$/;
const gateHeader = ['-H', 'X-Gate: @token.txt'];

function storeLogin(sandbox: Sandbox): void {
  const path = join(
    sandbox.home,
    '.local/share/opmas-ws/credentials',
    `${encodeURIComponent(sandbox.environment.OPMAS_URL!)}.json`,
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ access_token: token, refresh_token: refreshToken, expires_at: 1 }));
}

const storeFile = (content: string) => (sandbox: Sandbox) =>
  writeFileSync(join(sandbox.home, 'token.txt'), content);

/** Add a row for each way in which a command can meet a secret. */
const cases: Case[] = [
  ...[
    '401',
    '403',
    '307',
    '404',
    '200',
    '500',
    'garbage',
    'accept',
    'close-4001',
    'close-4001-base64',
    'close-1002',
    'close-1011',
  ].flatMap((server): Case[] => [
    {
      name: 'tail',
      args: ['tail', 'devices', '--lifecycle', ...fast],
      server,
      reaches: token,
      environment: fromEnvironment,
    },
    {
      name: 'doctor',
      args: ['doctor', 'devices'],
      server,
      reaches: oddToken,
      environment: { OPMAS_TOKEN: oddToken },
    },
  ]),
  {
    name: 'tail for people',
    reaches: oddToken,
    args: ['tail', 'devices', '-f', 'pretty', '--lifecycle', ...once],
    server: 'close-4001',
    environment: { OPMAS_TOKEN: oddToken },
  },
  {
    name: 'record',
    reaches: token,
    args: ['record', 'devices', '-o', 'x.ndjson', ...once],
    server: 'close-4001',
    environment: fromEnvironment,
  },
  {
    name: 'record a redirect',
    reaches: token,
    args: ['record', 'devices', '-o', 'x.ndjson.gz', ...once],
    server: '307',
    environment: fromEnvironment,
  },
  {
    name: 'doctor --json',
    args: ['doctor', '--json'],
    server: '307',
    environment: fromEnvironment,
    reaches: token,
  },
  ...['403', '307', 'garbage', 'accept', 'close-4001'].map(
    (server): Case => ({
      name: 'a header',
      reaches: gateKey,
      args: ['record', 'devices', '-o', 'x.ndjson', '--no-token', ...gateHeader, ...fast],
      server,
      prepare: storeFile(gateKey),
      vault,
    }),
  ),
  ...['307'].map(
    (server): Case => ({
      name: 'a header in a diagnosis',
      reaches: gateKey,
      args: ['doctor', 'devices', ...gateHeader],
      server,
      environment: fromEnvironment,
      prepare: storeFile(gateKey),
      vault,
    }),
  ),
  ...['401', '307'].map(
    (server): Case => ({
      name: 'a header in a login',
      reaches: gateKey,
      args: ['auth', 'login', '--username', 'a', '--password-stdin', ...gateHeader],
      server,
      input: password,
      prepare: storeFile(gateKey),
      vault,
    }),
  ),
  ...['401', 'close-4001'].map(
    (server): Case => ({
      name: 'a token in the header',
      reaches: token,
      args: ['tail', 'devices', '--lifecycle', '--token-in', 'header', ...fast],
      server,
      environment: fromEnvironment,
    }),
  ),
  {
    name: 'a header file of two lines',
    says: /line breaks/,
    args: ['tail', ...gateHeader],
    server: '401',
    prepare: storeFile(`${gateKey}\n${token}`),
    vault,
  },
  {
    name: 'a token file',
    reaches: token,
    args: ['tail', 'devices', '--token-file', 'token.txt', ...fast],
    server: '401',
    prepare: storeFile(token),
    vault,
  },
  {
    name: 'a token file with a blank',
    says: /token\.txt/,
    args: ['tail', '--token-file', 'token.txt'],
    server: '401',
    prepare: storeFile(`${token} ${oddToken}`),
    vault,
  },
  {
    name: 'a token on stdin',
    reaches: token,
    args: ['tail', 'devices', '--token-file', '-', ...fast],
    server: '403',
    input: token,
  },
  { name: 'a token as an option', args: ['tail', `--token=${token}`], says: /OPMAS_TOKEN/ },
  {
    name: 'a token as an option of another command',
    args: ['inspect', `--token=${token}`],
    says: /unknown option '--token'/,
  },
  { name: 'a token as a misspelt option', args: ['doctor', `--tokn=${token}`], says: /--tokn/ },
  {
    name: 'a broken token in the environment',
    says: /OPMAS_TOKEN/,
    args: ['tail'],
    environment: { OPMAS_TOKEN: `${token} ${token}` },
  },
  { name: 'a token in the URL', args: ['tail', '-u', `ws://127.0.0.1:1/?token=${token}`], says: /query/ },
  {
    name: 'a password in the URL',
    says: /password/,
    args: ['tail', 'devices', '-u', `ws://admin:${encodeURIComponent(password)}@127.0.0.1:1`, ...once],
    environment: fromEnvironment,
  },
  {
    name: 'a login',
    reaches: password,
    args: ['auth', 'login', '--username', 'a', '--password-stdin'],
    server: '401',
    input: password,
  },
  {
    name: 'a login that is redirected',
    reaches: password,
    args: ['auth', 'login', '--username', 'a', '--password-stdin'],
    server: '307',
    input: password,
  },
  {
    name: 'a login that gets rubbish',
    reaches: password,
    args: ['auth', 'login', '--username', 'a', '--password-stdin'],
    server: '200',
    input: password,
  },
  {
    name: 'a login as JSON',
    reaches: password,
    args: ['auth', 'login', '--username', 'a', '--password-stdin'],
    server: '422',
    input: password,
  },
  {
    name: 'a login by token',
    args: ['auth', 'login', '--with-token'],
    server: '200',
    input: token,
    vault,
    reaches: token,
  },
  {
    name: 'a login by a bad token',
    args: ['auth', 'login', '--with-token'],
    server: '401',
    input: token,
    reaches: token,
  },
  { name: 'a status', args: ['auth', 'status'], server: '401', prepare: storeLogin, vault, says: /expired/ },
  {
    name: 'a status for scripts',
    says: /expired/,
    args: ['auth', 'status', '--json'],
    server: '401',
    prepare: storeLogin,
    vault,
  },
  {
    name: 'a logout',
    args: ['auth', 'logout'],
    server: '401',
    prepare: storeLogin,
    vault,
    says: /logged out|forg/i,
  },
  {
    name: 'a renewal that is refused',
    reaches: refreshToken,
    args: ['tail', 'devices', ...fast],
    server: '401',
    prepare: storeLogin,
    vault,
  },
  {
    name: 'a renewal before the token is printed',
    reaches: refreshToken,
    args: ['doctor', 'devices'],
    server: '401',
    prepare: storeLogin,
    vault,
  },
  {
    name: 'a token command',
    server: '401',
    reaches: token,
    args: ['-c', 'x', 'tail', 'devices', ...fast],
    prepare: (sandbox) => {
      const path = join(sandbox.home, '.config/opmas-ws/config.json');
      mkdirSync(dirname(path), { recursive: true });
      // The command tells the token on stderr, too, and hands no secret to another process.
      const command = `sh -c 'echo "got $(cat token.txt)" >&2; cat token.txt'`;
      writeFileSync(
        path,
        JSON.stringify({ contexts: { x: { url: echo.url('401/a-token-command'), token_command: command } } }),
      );
      storeFile(token)(sandbox);
    },
    vault,
  },
];

/** Runs a command that meets a secret, and returns all places that show it. */
async function leaks(one: Case): Promise<string[]> {
  const { args, input, environment, prepare, vault: allowed } = one;
  const base = `${one.server}/${one.name.replaceAll(' ', '-')}`;
  using sandbox = new Sandbox(one.server === undefined ? {} : { OPMAS_URL: echo.url(base) });
  prepare?.(sandbox);
  let argumentsSeen = () => '';
  const { stdout, stderr, code } = await sandbox.run([...args, '--debug'], {
    ...(input === undefined ? {} : { input }),
    ...(environment === undefined ? {} : { environment }),
    watch: (runner) => {
      argumentsSeen = watchArguments(runner);
    },
  });
  const processes = argumentsSeen();
  expect(code, stderr).not.toBe(1);
  if (one.says !== undefined) expect(stdout + stderr).toMatch(one.says);
  else expect(echo.received(base), `${base}: ${stderr}`).toContain(one.reaches);
  if (process.platform === 'linux') expect(processes).toContain('command-runner');
  const files = [...sandbox.files()]
    .filter(([path]) => allowed?.test(path) !== true)
    .map(([path, { content }]) => `${path}: ${content}`);
  const texts = [stdout, stderr, ...files, processes];
  return texts.flatMap((text) => findSecrets(text, secrets));
}

describe.concurrent('no secret is shown, written or handed over in arguments', () => {
  it.each(
    cases.map((one) => [one.server === undefined ? one.name : `${one.name} (${one.server})`, one] as const),
  )('%s', async (_name, one) => {
    expect(await leaks(one)).toEqual([]);
  });

  it('nor the password of a proxy', async ({ expect }) => {
    await using proxy = await startProxy({ port: 1, refuse: 407 });
    using sandbox = new Sandbox({ OPMAS_URL: 'ws://opmas.invalid', OPMAS_TOKEN: token });
    for (const port of [proxy.port, 1]) {
      const environment = { HTTP_PROXY: `http://user:${encodeURIComponent(password)}@127.0.0.1:${port}` };
      for (const args of [
        ['tail', 'devices', '--plaintext', ...once],
        ['doctor', '--plaintext'],
        ['auth', 'login', '--username', 'a', '--password-stdin', '--plaintext'],
      ]) {
        const before = proxy.seen.length;
        const { stdout, stderr } = await sandbox.run([...args, '--debug'], { environment, input: 'x' });
        expect(stdout + stderr).toMatch(/proxy/);
        // The proxy that is there has got the password; nothing listens on port 1.
        const proofs = proxy.seen
          .slice(before)
          .map(({ authorization = '' }) => authorization.replace('Basic ', ''));
        const passwords = proofs.map((proof) => Buffer.from(proof, 'base64').toString());
        if (port !== 1) expect(passwords).toContain(`user:${password}`);
        expect(findSecrets(stdout + stderr, secrets)).toEqual([]);
      }
    }
  });

  it('nor the tokens of a session that works', async ({ expect }) => {
    const server = await startMockServer({ rate: 100 });
    using sandbox = new Sandbox({ OPMAS_URL: server.url, OPMAS_TOKEN: server.token });
    for (const args of [
      ['tail', '-n', '20', '--lifecycle'],
      ['record', '-n', '20', '-o', 'capture.ndjson'],
      ['doctor'],
      ['inspect', 'capture.ndjson'],
      ['tail', '--file', 'capture.ndjson'],
    ]) {
      const { child, ended } = sandbox.start([...args, '--debug']);
      const argumentsSeen = watchArguments(child);
      const { stdout, stderr, code } = await ended;
      expect(code, stderr).toBe(0);
      expect(findSecrets(stdout + stderr + argumentsSeen(), [server.token])).toEqual([]);
    }
    const written = [...sandbox.files().values()].map(({ content }) => content).join();
    expect(written).toContain('"connection"');
    expect(findSecrets(written, [server.token])).toEqual([]);
    await server.close();
  });
});

describe('the search itself', () => {
  it.each([
    ['raw', `x ${oddToken} y`],
    ['percent-encoded', `?token=${encodeURIComponent(oddToken)}&x`],
    ['base64', Buffer.from(oddToken).toString('base64')],
    ['base64 in a greater text', Buffer.from(`Bearer ${oddToken} end`).toString('base64')],
    ['base64url in a greater text', Buffer.from(`a:${oddToken}`).toString('base64url')],
    ['as JSON', JSON.stringify(oddToken)],
  ])('finds a secret %s', (_name, text) => {
    expect(findSecrets(text, [oddToken]).length).toBeGreaterThan(0);
    expect(formsOf(oddToken).every((form) => form.length > 15)).toBe(true);
  });
});
