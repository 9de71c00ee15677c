import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type MockServer, startMockServer } from '../../src/index.js';
import { json, startWebServer } from '../support/web-server.js';
import { Sandbox } from './sandbox.js';

let server: MockServer;
beforeAll(async () => {
  server = await startMockServer({ rate: 50 });
});
afterAll(() => server.close());

const jwt = (claims: unknown) =>
  `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
const expiredToken = () => jwt({ sub: 'old', exp: Math.floor(Date.now() / 1000) - 7200 });
const onServer = () => new Sandbox({ OPMAS_URL: server.url });

/** Where nobody says whether a token is good. */
const nowhere = 'ws://127.0.0.1:1';
const offline = () => new Sandbox({ OPMAS_URL: nowhere });

const login = (sandbox: Sandbox, password = 'sesame', args: string[] = []) =>
  sandbox.run(['auth', 'login', '--username', 'admin', '--password-stdin', ...args], {
    input: `${password}\n`,
  });

describe.concurrent('auth login', () => {
  it('keeps the tokens in a private file of a private folder when the keychain is off', async () => {
    using sandbox = onServer();
    const { code, stdout, stderr } = await login(sandbox);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/Logged in to ws:.* as admin\..*\n.*credentials/);
    expect(stderr).not.toMatch(/warning/);
    const [[path, file]] = [...sandbox.files()] as [[string, { content: string; mode: number }]];
    expect(sandbox.files().size).toBe(1);
    expect(file.mode).toBe(0o600);
    expect(sandbox.modeOf(join(path, '..'))).toBe(0o700);
    expect(JSON.parse(file.content)).toMatchObject({ username: 'admin', refresh_token: expect.any(String) });
  });

  it('does so under any umask', async () => {
    using sandbox = offline();
    const through = ['sh', '-c', 'umask 000; exec "$@"', 'sh'];
    await sandbox.run(['auth', 'login', '--with-token'], { input: 'abc\n', through });
    const [[path, { mode }]] = [...sandbox.files()] as [[string, { mode: number; content: string }]];
    expect([mode, sandbox.modeOf(join(path, '..'))]).toEqual([0o600, 0o700]);
  });

  it('follows XDG_DATA_HOME, but not a relative one', async () => {
    using sandbox = offline();
    const data = join(sandbox.home, 'my data');
    await sandbox.run(['auth', 'login', '--with-token'], {
      input: 'abc',
      environment: { XDG_DATA_HOME: data },
    });
    expect([...sandbox.files().keys()]).toEqual([expect.stringMatching(/^my data\/opmas-ws\/credentials\//)]);
    const status = await sandbox.run(['auth', 'status'], { environment: { XDG_DATA_HOME: 'my data' } });
    expect(status.code).toBe(3);
  });

  it('keeps one login for each server', async () => {
    using sandbox = new Sandbox();
    for (const [url, token] of [
      ['ws://localhost:1', 'one'],
      ['http://localhost:2/', 'two'],
      [`ws://localhost:3/${'long'.repeat(100)}`, 'three'],
    ] as const) {
      await sandbox.run(['auth', 'login', '--with-token', '-u', url], { input: token });
      expect((await sandbox.run(['auth', 'token', '-u', url])).stdout).toBe(`${token}\n`);
    }
    expect((await sandbox.run(['auth', 'token', '-u', 'localhost:1/'])).stdout).toBe('one\n');
    expect((await sandbox.run(['auth', 'token', '-u', 'ws://localhost:2'])).stdout).toBe('two\n');
  });

  it('keeps what is stored when a login fails', async () => {
    using sandbox = onServer();
    await login(sandbox);
    const before = sandbox.files();
    expect(await login(sandbox, 'wrong')).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^opmas-ws: wrong user or password.*\n$/),
    });
    expect(sandbox.files()).toEqual(before);
  });

  it('ends with 4 when the server is not there, and stores nothing', async () => {
    using sandbox = new Sandbox();
    const { code, stderr } = await login(sandbox, 'sesame', ['-u', 'ws://127.0.0.1:1']);
    expect(code).toBe(4);
    expect(stderr).not.toContain('sesame');
    expect(sandbox.files().size).toBe(0);
  });

  it('takes the password to the last blank', async () => {
    await using api = await startWebServer((_, response) => json(response, 200, { access_token: 'A' }));
    using sandbox = new Sandbox();
    await login(sandbox, ' pass\tword \r', ['-u', api.url.href]);
    expect(new URLSearchParams(api.requests[0]?.body).get('password')).toBe(' pass\tword ');
  });

  it.each([
    [['--token', 'sesame'], '', /is not supported/],
    [['--token=sesame'], '', /is not supported/],
    [['--with-token', '--username', 'x'], 'abc', /--with-token/],
    [['--password-stdin'], 'abc', /--username/],
    [['--username', '', '--password-stdin'], 'abc', /--username/],
    [['--username', 'x', '--password-stdin'], '', /is empty/],
    [[], '', /no terminal/],
    [['--username', 'x'], '', /no terminal/],
  ])('refuses %j before anything connects', async (args, input, pattern) => {
    using sandbox = new Sandbox({ OPMAS_URL: 'ws://127.0.0.1:1' });
    const { code, stdout, stderr } = await sandbox.run(['auth', 'login', ...args], { input });
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(pattern) });
    expect(stderr).not.toMatch(/ses ?ame/);
  });

  it.each([
    ['', /is empty/],
    ['ses ame', /blanks/],
  ])('ends with 3 when stdin has no token but %j', async (input, pattern) => {
    using sandbox = new Sandbox({ OPMAS_URL: 'ws://127.0.0.1:1' });
    const { code, stdout, stderr } = await sandbox.run(['auth', 'login', '--with-token'], { input });
    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: expect.stringMatching(pattern) });
    expect(stderr).not.toMatch(/ses ?ame/);
  });

  it('does not send a password over a network in the clear', async () => {
    using sandbox = new Sandbox();
    const refused = await login(sandbox, 'sesame', ['-u', 'ws://opmas.invalid']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/--plaintext/) });
    const allowed = await login(sandbox, 'sesame', ['-u', 'ws://opmas.invalid', '--plaintext']);
    expect(allowed).toMatchObject({ code: 4, stderr: expect.stringMatching(/not encrypted/) });
  });

  it('stops without a word when it is interrupted while the server hangs', async () => {
    await using api = await startWebServer(() => running.child.kill('SIGINT'));
    using sandbox = new Sandbox({ OPMAS_URL: api.url.href });
    const running = sandbox.start(['auth', 'login', '--username', 'a', '--password-stdin'], { input: 'p' });
    expect(await running.ended).toMatchObject({ signal: 'SIGINT', stdout: '', stderr: '' });
    expect(sandbox.files().size).toBe(0);
  });

  it('stores a token that the server takes, none that it refuses, and says when it did not say', async () => {
    using sandbox = onServer();
    const give = (input: string, ...args: string[]) =>
      sandbox.run(['auth', 'login', '--with-token', ...args], { input });
    expect(await give(jwt({ sub: 'x', exp: 1 }))).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/this token expired .*; nothing was stored/),
    });
    expect(sandbox.files().size).toBe(0);
    expect(await give(server.token)).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Logged in/) });
    expect(await give('abc', '-u', nowhere)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^Token for ws:.*stored but not checked/),
    });
    expect(sandbox.files().size).toBe(2);
  });

  it('says that a source before it hides it', async () => {
    using sandbox = offline();
    const environment = { OPMAS_TOKEN: 'abc' };
    const { stderr } = await sandbox.run(['auth', 'login', '--with-token'], { input: 'def', environment });
    expect(stderr).toMatch(/OPMAS_TOKEN takes precedence over this login/);
  });
});

describe.concurrent('auth login on a terminal', () => {
  it('asks for user and password, shows the one and not the other', async () => {
    using sandbox = onServer();
    const terminal = sandbox.onTerminal(['auth', 'login']);
    await terminal.shows(/User for ws:\/\/.*: /);
    // Arrow keys, and Ctrl-Z where no shell can stop the process, change nothing.
    terminal.pty.write('adm\u001b[D\u001aim\u007fn\r');
    await terminal.shows(/Password of admin: /);
    terminal.pty.write('x\u0015se-same\r');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(terminal.shown()).toMatch(/Logged in .* as admin/);
    expect(terminal.shown()).not.toMatch(/se-same|\*/);
    expect(sandbox.files().size).toBe(1);
  });

  it('ends with 1 where a bug leaves nothing to wait for', async () => {
    using sandbox = onServer();
    const hook = join(sandbox.home, 'deaf.cjs');
    writeFileSync(hook, `require('node:tty').ReadStream.prototype.resume = function () { return this; };`);
    const environment = { NODE_OPTIONS: `--require=${hook}` };
    const terminal = sandbox.onTerminal(['auth', 'login'], { environment });
    await terminal.shows(/User for/);
    expect(await terminal.ended).toMatchObject({ code: 1 });
  });

  it('takes both answers from one paste', async () => {
    using sandbox = onServer();
    const terminal = sandbox.onTerminal(['auth', 'login']);
    await terminal.shows(/User for/);
    terminal.pty.write('admin\nse-same\n');
    expect(await terminal.ended).toMatchObject({ code: 0 });
    expect(terminal.shown()).not.toContain('se-same');
  });

  const acts: [string, number, (write: (text: string) => void, pid: number) => void][] = [
    ['Ctrl-C', 130, (write) => write('se-s\u0003')],
    ['Ctrl-D', 2, (write) => write('\u0004')],
    ['an empty password', 2, (write) => write('\r')],
    ['SIGINT', 130, (_, pid) => process.kill(pid, 'SIGINT')],
    ['SIGTERM', 143, (_, pid) => process.kill(pid, 'SIGTERM')],
    ['SIGHUP', 129, (_, pid) => process.kill(pid, 'SIGHUP')],
  ];

  it.each(acts)(
    'stores nothing after %s, and leaves the terminal with its echo',
    async (_name, code, act) => {
      using sandbox = onServer();
      const terminal = sandbox.onTerminal(['auth', 'login', '--username', 'admin'], {
        through: ['sh', '-c', 'echo "shell $$"; "$@"; echo "code $?"; stty -a', 'sh'],
      });
      await terminal.shows(/Password of admin: /);
      const shell = /shell (\d+)/.exec(terminal.shown())?.[1];
      const pid = Number(execFileSync('pgrep', ['-P', `${shell}`], { encoding: 'utf8' }));
      act((text) => terminal.pty.write(text), pid);
      await terminal.ended;
      expect(terminal.shown()).toMatch(new RegExp(`code ${code}\\b`));
      expect(terminal.shown()).toMatch(/ icanon .* echo /s);
      expect(terminal.shown()).not.toContain('se-s');
      expect(sandbox.files().size).toBe(0);
    },
  );
});

describe.concurrent('auth status, token and logout', () => {
  it('tell server, user, expiry and place, print the token, and forget it', async () => {
    using sandbox = onServer();
    await login(sandbox);
    const status = await sandbox.run(['auth', 'status']);
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toMatch(
      /^server +ws:.*\(OPMAS_URL\)\ntoken +\/.*credentials.*\nuser +admin\nexpires +in (1 hour|\d+ minutes)/,
    );
    const [file] = [...sandbox.files().values()];
    const { access_token: token } = JSON.parse(file!.content);
    expect(status.stdout).not.toContain(token);
    expect(await sandbox.run(['auth', 'token'])).toMatchObject({ code: 0, stdout: `${token}\n`, stderr: '' });
    expect(await sandbox.run(['auth', 'logout'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^Logged out/),
    });
    expect(sandbox.files().size).toBe(0);
    expect(await sandbox.run(['auth', 'logout'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/not logged in/),
    });
    expect(await sandbox.run(['auth', 'status'])).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/auth login/),
    });
    expect(await sandbox.run(['auth', 'token'])).toMatchObject({ code: 3, stdout: '' });
  });

  it('gives scripts one JSON object', async () => {
    using sandbox = onServer();
    await login(sandbox);
    const { stdout } = await sandbox.run(['auth', 'status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      server: server.url,
      logged_in: true,
      user: 'admin',
      renewable: true,
      expired: false,
      hidden: [],
    });
    expect(stdout).toMatch(/^\{.*\}\n$/);
  });

  it.each([
    ['stored', /next +opmas-ws auth login\n/, {}],
    [
      'of the environment',
      /next +put a fresh token in OPMAS_TOKEN, or unset it/,
      { OPMAS_TOKEN: expiredToken() },
    ],
  ])(
    'ends with 3 for a token %s that has expired, and says when it did',
    async (_name, next, environment) => {
      await using api = await startWebServer((_, response) =>
        json(response, 200, { access_token: expiredToken() }),
      );
      using sandbox = new Sandbox({ OPMAS_URL: api.url.href });
      await sandbox.run(['auth', 'login', '--username', 'me', '--password-stdin'], { input: 'secret' });
      const { code, stdout } = await sandbox.run(['auth', 'status'], { environment });
      expect(code).toBe(3);
      expect(stdout).toMatch(next);
      expect(stdout).toMatch(/it expired 2 hours ago/);
    },
  );

  it('follow the clock of the server where that of this machine is wrong, and name it', async () => {
    const behindMs = 7_200_000;
    const headers = () => ({ date: new Date(Date.now() - behindMs).toUTCString() });
    const token = () => jwt({ sub: 'me', exp: Math.floor((Date.now() - behindMs) / 1000) + 900 });
    await using api = await startWebServer(({ url }, response) =>
      json(
        response,
        url.endsWith('/refresh') ? 500 : 200,
        url.endsWith('/me') ? { username: 'me' } : { access_token: token(), refresh_token: 'R' },
        headers(),
      ),
    );
    const sockets = new WebSocketServer({ server: api.server as never });
    sockets.on('connection', (socket) => socket.send('{"type":"device.error"}'));
    using sandbox = new Sandbox({ OPMAS_URL: api.url.href });
    const wrong = /this machine's clock is 2 hours ahead of the server's/;
    for (const args of [[], ['--with-token']]) {
      const input = args.length === 0 ? 'secret' : token();
      const how = args.length === 0 ? ['--username', 'me', '--password-stdin'] : args;
      const { code, stderr } = await sandbox.run(['auth', 'login', ...how], { input });
      expect([code, stderr]).toEqual([0, expect.stringMatching(/It expires in 1[45] minutes/)]);
      expect(stderr).toMatch(wrong);
      const status = await sandbox.run(['auth', 'status']);
      expect([status.code, status.stdout]).toEqual([0, expect.stringMatching(/^expires +in 1[45] minutes/m)]);
      expect(status.stdout).toMatch(wrong);
      expect(await sandbox.run(['auth', 'token'])).toMatchObject({ code: 0 });
      const doctor = await sandbox.run(['doctor', 'devices']);
      expect([doctor.code, doctor.stdout]).toEqual([0, expect.stringMatching(/✓ token .*expires in 1[45]/)]);
      expect(doctor.stdout).toMatch(/! clock .*2 hours ahead.*; by that one, the token expires in 1[45] min/);
      const tail = await sandbox.run(['tail', 'devices', '-n', '1']);
      expect([tail.code, tail.stderr]).toEqual([0, expect.stringMatching(wrong)]);
      expect(tail.stderr).not.toMatch(/expire/);
    }
    expect(api.requests.filter(({ url }) => url.endsWith('/refresh'))).toEqual([]);
    sockets.close();
  });

  it('names a token that is not valid yet', async () => {
    using sandbox = offline();
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const notBefore = Math.floor(Date.now() / 1000) + 80_000;
    const token = `${encode({ alg: 'HS256' })}.${encode({ nbf: notBefore })}.c2ln`;
    const environment = { OPMAS_TOKEN: token };
    const { code, stdout } = await sandbox.run(['auth', 'status'], { environment });
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^valid +not yet: in \d+ hours \(/m)]);
    const { stdout: json } = await sandbox.run(['auth', 'status', '--json'], { environment });
    expect(JSON.parse(json)).toMatchObject({ not_before: new Date(notBefore * 1000).toISOString() });
  });

  it('takes sources in their order, and names those that are hidden', async () => {
    using sandbox = offline();
    const file = join(sandbox.home, 'token');
    writeFileSync(file, 'from-file', { mode: 0o600 });
    await sandbox.run(['auth', 'login', '--with-token'], { input: 'from-store' });
    await sandbox.run(['context', 'add', 'lab', '-u', nowhere, '--token-command', 'echo from-command']);
    const all = { OPMAS_TOKEN: 'from-text', OPMAS_TOKEN_FILE: file };
    const cases: [string, string[], Record<string, string>, number][] = [
      ['from-file', ['--token-file', file], all, 3],
      ['from-text', [], all, 2],
      ['from-file', [], { ...all, OPMAS_TOKEN: '' }, 1],
      ['from-command', [], {}, 0],
    ];
    for (const [token, args, environment, hidden] of cases) {
      expect((await sandbox.run(['auth', 'token', ...args], { environment })).stdout).toBe(`${token}\n`);
      const status = await sandbox.run(['auth', 'status', '--json', ...args], { environment });
      expect(JSON.parse(status.stdout).hidden).toHaveLength(hidden);
    }
    await sandbox.run(['context', 'remove', 'lab']);
    expect((await sandbox.run(['auth', 'token'])).stdout).toBe('from-store\n');
    expect((await sandbox.run(['auth', 'token', '--token-file', '-'], { input: 'from-stdin' })).stdout).toBe(
      'from-stdin\n',
    );
  });

  it('says which context names the server, and leaves it out when another URL is named', async () => {
    using sandbox = new Sandbox();
    await sandbox.run([
      'context',
      'add',
      'lab',
      '-u',
      'ws://localhost:1',
      '--token-command',
      'echo from-command',
    ]);
    expect((await sandbox.run(['auth', 'status'])).stdout).toMatch(/context lab/);
    // The command's token is for that server only.
    expect((await sandbox.run(['auth', 'token', '-u', 'ws://localhost:2'])).code).toBe(3);
    expect(
      (await sandbox.run(['auth', 'token'], { environment: { OPMAS_URL: 'ws://localhost:2' } })).code,
    ).toBe(3);
    // Naming the context does not send its secrets elsewhere.
    const elsewhere = await sandbox.run(['auth', 'token', '-c', 'lab', '-u', 'ws://localhost:2']);
    expect(elsewhere).toMatchObject({ code: 3, stdout: '' });
    const environment = { OPMAS_CONTEXT: 'lab' };
    expect((await sandbox.run(['auth', 'token'], { environment })).stdout).toBe('from-command\n');
  });

  it('renews a token that has ended before it prints it', async () => {
    await using api = await startWebServer((_, response) => json(response, 200, { access_token: 'fresh' }));
    using sandbox = new Sandbox({ OPMAS_URL: api.url.href });
    await login(sandbox);
    const [name] = sandbox.files().keys();
    const path = join(sandbox.home, name!);
    const stored = { access_token: 'stale', refresh_token: 'R', expires_at: Date.now() - 1000 };
    writeFileSync(path, JSON.stringify(stored));
    expect((await sandbox.run(['auth', 'token'])).stdout).toBe('fresh\n');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      access_token: 'fresh',
      refresh_token: 'R',
    });
  });

  it('reports a folder that cannot be written', async () => {
    using sandbox = offline();
    writeFileSync(join(sandbox.home, '.local'), 'a file in the way');
    const { code, stderr } = await sandbox.run(['auth', 'login', '--with-token'], { input: 'abc' });
    expect(code).toBe(5);
    expect(stderr).toMatch(/cannot write/);
  });
});

describe.concurrent('two processes at once', () => {
  it('never leave a torn or empty store, and use a refresh token once', async () => {
    let round = 0;
    await using api = await startWebServer(({ body, method }, response) => {
      if (method === 'GET') return json(response, 404, {});
      if (!body.includes(`refresh-${round}"`)) return json(response, 401, {});
      round++;
      json(response, 200, {
        access_token: `token-${round}`,
        refresh_token: `refresh-${round}`,
        expires_in: 3600,
      });
    });
    using sandbox = new Sandbox({ OPMAS_URL: api.url.href });
    await sandbox.run(['auth', 'login', '--with-token'], { input: 'first' });
    const [name] = sandbox.files().keys();
    const path = join(sandbox.home, name!);
    writeFileSync(path, JSON.stringify({ access_token: 'stale', refresh_token: 'refresh-0', expires_at: 1 }));
    const all = await Promise.all(Array.from({ length: 4 }, () => sandbox.run(['auth', 'token'])));
    expect(all.map(({ stdout }) => stdout)).toEqual(Array(4).fill('token-1\n'));
    expect(round).toBe(1);
    expect([...sandbox.files().keys()]).toEqual([name]);
  });
});
