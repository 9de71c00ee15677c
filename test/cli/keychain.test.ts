import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LocalCredentialStore } from '../../src/cli/connection/credential-store.js';
import { askKeychain, type KeychainRequest, KeychainUnavailable } from '../../src/cli/connection/keychain.js';
import { OpmasError } from '../../src/index.js';
import { keyrings, withoutKeyring } from '../support/keyring.js';
import { close } from '../support/web-server.js';
import { Sandbox } from './sandbox.js';

if (withoutKeyring) console.warn(`tests with a real keyring are skipped: ${withoutKeyring}`);

const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-bus-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withKeychain = () =>
  new Sandbox({
    OPMAS_URL: 'ws://localhost:1',
    OPMAS_KEYCHAIN: '',
    XDG_RUNTIME_DIR: mkdtempSync(join(folder, 'run-')),
  });
const login = (sandbox: Sandbox, through: string[], token = 'abc.def', environment = {}) =>
  sandbox.run(['auth', 'login', '--with-token'], { input: token, through, environment });

/** Credential files of ours; the keyring keeps files of its own beside them. */
const files = (sandbox: Sandbox) => [...sandbox.files().keys()].filter((path) => path.includes('opmas-ws'));

describe.skipIf(withoutKeyring)('with a real keyring', { concurrent: true }, () => {
  it('keeps the token there, and nowhere else', async () => {
    using sandbox = withKeychain();
    const { code, stderr } = await login(sandbox, keyrings.open);
    expect(code).toBe(0);
    expect(stderr).toMatch(/The token is stored in the system keychain/);
    expect(files(sandbox)).toEqual([]);
    const stored = [...sandbox.files().values()].map(({ content }) => content);
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.join()).not.toContain('abc.def');
    const status = await sandbox.run(['auth', 'status'], { through: keyrings.open });
    expect(status.stdout).toMatch(/token +the system keychain/);
    expect(await sandbox.run(['auth', 'token'], { through: keyrings.open })).toMatchObject({
      stdout: 'abc.def\n',
    });
    await sandbox.run(['auth', 'logout'], { through: keyrings.open });
    expect(await sandbox.run(['auth', 'token'], { through: keyrings.open })).toMatchObject({
      code: 3,
      stdout: '',
    });
  });

  it('keeps one entry for each server', async () => {
    using sandbox = withKeychain();
    await login(sandbox, keyrings.open);
    await login(sandbox, keyrings.open, 'other', { OPMAS_URL: 'ws://localhost:2' });
    expect((await sandbox.run(['auth', 'token'], { through: keyrings.open })).stdout).toBe('abc.def\n');
  });

  it('when it is locked, says that it may be, and uses a file until a login finds it open', async () => {
    using sandbox = withKeychain();
    await login(sandbox, keyrings.open, 'in-the-keyring');
    const status = await sandbox.run(['auth', 'status'], { through: keyrings.locked });
    expect(status).toMatchObject({ code: 3, stdout: expect.stringMatching(/or the keychain is locked/) });
    const { code, stderr } = await login(sandbox, keyrings.locked, 'in-a-file');
    expect(code).toBe(0);
    expect(stderr).toMatch(/warning: the system keychain does not work \(.*locked.*\).*\n/);
    expect(files(sandbox)).toHaveLength(1);
    expect((await sandbox.run(['auth', 'token'], { through: keyrings.open })).stdout).toBe('in-a-file\n');
    await login(sandbox, keyrings.open, 'in-the-keyring-again');
    expect(files(sandbox)).toEqual([]);
    expect((await sandbox.run(['auth', 'token'], { through: keyrings.open })).stdout).toBe(
      'in-the-keyring-again\n',
    );
  });

  it('when it never answers, uses a file after 3 s, says so once, and does not ask again', async () => {
    using sandbox = withKeychain();
    const { code, stderr } = await login(sandbox, keyrings.hanging);
    expect(code).toBe(0);
    expect(stderr.match(/it did not answer in 3 s/g)).toHaveLength(1);
    const [path] = files(sandbox);
    expect(sandbox.files().get(path!)?.mode).toBe(0o600);
    const status = await sandbox.run(['auth', 'status'], { through: keyrings.hanging });
    expect(status).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/credentials/) });
  });

  it('when there is a bus and no keyring, uses a file', async () => {
    using sandbox = withKeychain();
    const { code, stderr } = await login(sandbox, keyrings.none);
    expect(code).toBe(0);
    expect(stderr).toMatch(/does not work \(.*org\.freedesktop\.secrets.*\)/);
    expect(files(sandbox)).toHaveLength(1);
  });

  it('when there is a service that has no keyring yet, uses a file', async () => {
    using sandbox = withKeychain();
    expect(await login(sandbox, keyrings.empty)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/does not work/),
    });
    expect(files(sandbox)).toHaveLength(1);
  });

  it('leaves an open keyring alone with OPMAS_KEYCHAIN=off', async () => {
    using sandbox = withKeychain();
    const { stderr } = await login(sandbox, keyrings.open, 'abc', { OPMAS_KEYCHAIN: 'off' });
    expect(stderr).not.toMatch(/warning/);
    expect(files(sandbox)).toHaveLength(1);
  });
});

describe('without a keyring', () => {
  // keytar's libraries for these machines are for others, and to load them can crash.
  it.each([
    ['32-bit ARM', `Object.defineProperty(process, 'arch', { value: 'arm' })`],
    ['musl', 'process.report.getReport = () => ({ header: {} })'],
  ])('does not load the library of the keychain on %s', async (_, fake) => {
    using sandbox = withKeychain();
    const program = join(sandbox.home, 'machine.cjs');
    writeFileSync(
      program,
      `Object.defineProperty(process, 'platform', { value: 'linux' }); ${fake};
      process.dlopen = () => { process.stderr.write('LOADED'); process.exit(9); };`,
    );
    const { code, stderr } = await login(sandbox, [], 'abc.def', { NODE_OPTIONS: `--require=${program}` });
    expect(code).toBe(0);
    expect(stderr).toMatch(/there is none for this kind of machine/);
    expect(stderr).not.toContain('LOADED');
    expect(files(sandbox)).toHaveLength(1);
  });

  it.each([
    ['no address of a bus', {}],
    ['a dead bus', { DBUS_SESSION_BUS_ADDRESS: `unix:path=${folder}/nobody` }],
  ])('with %s uses a file, with one notice', async (_name, environment) => {
    using sandbox = withKeychain();
    const { code, stderr } = await login(sandbox, [], 'abc', environment);
    expect(code).toBe(0);
    expect(stderr.match(/warning/g)).toHaveLength(1);
    expect(files(sandbox)).toHaveLength(1);
    // The file is there already: nothing new to say.
    expect((await login(sandbox, [], 'def', environment)).stderr).not.toMatch(/warning/);
  });
});

/** A session bus that counts who comes, and answers nobody. */
async function withSilentBus<T>(work: (address: string, count: () => number) => Promise<T>): Promise<T> {
  const path = join(mkdtempSync(join(folder, 'bus-')), 'socket');
  let count = 0;
  const server = createServer((socket) => {
    count++;
    // Without it, nobody would notice that the other end has gone.
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    return await work(`unix:path=${path}`, () => count);
  } finally {
    await close(server);
  }
}

describe.skipIf(withoutKeyring)('on a bus that never answers', { concurrent: true }, () => {
  it('never touches the keychain for a token of a flag, the environment or a command', () =>
    withSilentBus(async (address, count) => {
      using sandbox = withKeychain();
      const environment = { DBUS_SESSION_BUS_ADDRESS: address, OPMAS_TOKEN: 'abc' };
      writeFileSync(join(sandbox.home, 't'), 'abc', { mode: 0o600 });
      for (const args of [
        ['auth', 'status'],
        ['auth', 'token'],
        ['auth', 'status', '--token-file', 't'],
        ['doctor', 'devices'],
        ['tail', 'devices', '--no-reconnect'],
      ]) {
        await sandbox.run(args, { environment });
      }
      await sandbox.run(['context', 'add', 'x', '-u', 'ws://localhost:1', '--token-command', 'echo abc'], {
        environment,
      });
      await sandbox.run(['auth', 'status', '-c', 'x'], { environment: { ...environment, OPMAS_TOKEN: '' } });
      expect(count()).toBe(0);
      await sandbox.run(['auth', 'status'], {
        environment: { DBUS_SESSION_BUS_ADDRESS: address, OPMAS_URL: 'ws://localhost:2' },
      });
      expect(count()).toBeGreaterThan(0);
    }));

  it('on a terminal waits for the user to unlock it, says so, and stores nothing after Ctrl-C', () =>
    withSilentBus(async (address) => {
      using sandbox = withKeychain();
      writeFileSync(join(sandbox.home, 't'), 'abc');
      const terminal = sandbox.onTerminal(['auth', 'login', '--with-token'], {
        environment: { DBUS_SESSION_BUS_ADDRESS: address },
      });
      terminal.pty.write('abc\r\u0004');
      await terminal.shows(/waiting 60 s for you to unlock the keychain/);
      terminal.pty.write('\u0003');
      expect(await terminal.ended).toMatchObject({ signal: 2 });
      expect(files(sandbox)).toEqual([]);
    }));

  it.each([[['tail', 'devices']], [['auth', 'status']], [['auth', 'logout']], [['doctor']]])(
    'on a terminal waits in the same way for %j',
    (args) =>
      withSilentBus(async (address) => {
        using sandbox = withKeychain();
        const terminal = sandbox.onTerminal(args, { environment: { DBUS_SESSION_BUS_ADDRESS: address } });
        await terminal.shows(/waiting 60 s for you to unlock the keychain/);
        terminal.pty.write('\u0003');
        expect(await terminal.ended).toMatchObject({ signal: 2 });
      }),
  );

  it('off a terminal says after 3 s why there is no token', () =>
    withSilentBus(async (address) => {
      using sandbox = withKeychain();
      const { code, stderr } = await sandbox.run(['tail', 'devices'], {
        environment: { DBUS_SESSION_BUS_ADDRESS: address },
      });
      expect([code, stderr]).toEqual([
        3,
        expect.stringMatching(/there is no token for .*: the system keychain .*did not answer in 3 s/),
      ]);
      expect(stderr).not.toContain('waiting');
    }));
});

describe('a keychain that its user unlocks after 3.5 s', { concurrent: true }, () => {
  it.each([
    ['gives the token on a terminal', true, 'abc'],
    ['gives none elsewhere', false, undefined],
  ])('%s', async (_, interactive, token) => {
    const path = join(folder, `slow-${interactive}.mjs`);
    writeFileSync(
      path,
      `setTimeout(() => console.log('{"secret":"{\\\\"access_token\\\\":\\\\"abc\\\\"}"}'), 3500);`,
    );
    const notices: string[] = [];
    const store = new LocalCredentialStore({
      keychain: (request, limitMs) => askKeychain(request, limitMs, path),
      folder,
      interactive,
      onNotice: (text) => notices.push(text),
    });
    expect((await store.get('x'))?.credentials.accessToken).toBe(token);
    expect(notices).toEqual(interactive ? ['waiting 60 s for you to unlock the keychain'] : []);
    expect(store.problem).toBe(
      interactive ? undefined : 'the system keychain does not work (it did not answer in 3 s)',
    );
  });
});

describe('a keychain', () => {
  const GET = { operation: 'get', account: 'x' } as const;
  const SET = { operation: 'set', account: 'x', secret: 'sesame' } as const;
  let count = 0;
  const program = (script: string) => {
    const path = join(folder, `child-${count++}.mjs`);
    writeFileSync(path, script);
    // A busy machine may need more than the 3 s of a command to start a child.
    return (request: KeychainRequest, limitMs = 60_000) => askKeychain(request, limitMs, path);
  };

  it.each([
    ['crashes', 'process.kill(process.pid, "SIGSEGV")', /SIGSEGV/],
    ['ends with an error', 'process.exit(3)', /code 3/],
    ['says nothing', '', /no answer/],
    ['says rubbish', 'console.log("<html>")', /no answer/],
    ['fails', `console.log(JSON.stringify({ error: 'it is locked\\nby a dragon' }))`, /^it is locked$/],
  ])('survives a child that %s', async (_name, script, pattern) => {
    const error = await program(script)(GET).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(KeychainUnavailable);
    expect((error as Error).message).toMatch(pattern);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'takes %s for what it is, and not for a keychain that cannot be used: no file is written',
    async (signal) => {
      using sandbox = withKeychain();
      const keychain = program(`process.kill(process.pid, '${signal}')`);
      const store = new LocalCredentialStore({ keychain, folder: join(sandbox.home, 'opmas-ws') });
      const credentials = { accessToken: 'abc', obtainedAtMs: 0 };
      await expect(store.set('x', credentials)).rejects.toThrow(`interrupted by ${signal}`);
      await expect(store.get('x')).rejects.toThrow(OpmasError);
      expect(files(sandbox)).toEqual([]);
    },
  );

  it('says so where keytar cannot be loaded', async () => {
    const path = join(folder, 'lonely-child.mjs');
    copyFileSync(resolve(import.meta.dirname, '../../dist/chunks/keychain-child.js'), path);
    await expect(askKeychain(GET, 60_000, path)).rejects.toThrow(/keytar/);
  });

  it('kills a child that hangs', async () => {
    const keychain = program('for (;;);');
    await expect(keychain(SET, 300)).rejects.toThrow(/did not answer in 0.3 s/);
  });

  it('hands the secret over on stdin only', async () => {
    const report = join(folder, 'received.json');
    const keychain = program(`
      import { writeFileSync } from 'node:fs';
      let stdin = '';
      for await (const chunk of process.stdin) stdin += chunk;
      const { argv, env } = process;
      writeFileSync(${JSON.stringify(report)}, JSON.stringify({ argv, env, stdin }));
      console.log('{}');`);
    await keychain(SET);
    const { argv, env, stdin } = JSON.parse(readFileSync(report, 'utf8'));
    expect(stdin).toContain('sesame');
    expect(argv).toHaveLength(2);
    expect(env).toHaveProperty('PATH');
    expect(JSON.stringify({ argv, env })).not.toContain('sesame');
  });
});
