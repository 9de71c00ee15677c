import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { withoutQuotedValues } from '../../src/cli/session.js';
import { event, text } from '../support/raw-frames.js';
import { test } from '../support/stage.js';
import { bin } from './sandbox.js';

const url = 'ws://127.0.0.1:1';

describe.concurrent('a HOME that is not absolute', () => {
  test.for(['', '.', 'sub/folder'])('counts as none: %j', async (home, { command, expect }) => {
    const { sandbox } = command;
    for (const folder of ['.', home]) {
      const config = join(sandbox.home, folder, '.config/opmas-ws');
      mkdirSync(config, { recursive: true });
      const contexts = { x: { url, token_command: 'touch planted' } };
      writeFileSync(join(config, 'config.json'), JSON.stringify({ current: 'x', contexts }));
    }
    const environment = { HOME: home, OPMAS_TOKEN: '' };
    await sandbox.run(['auth', 'token'], { environment });
    await sandbox.run(['auth', 'login', '-u', url, '--with-token'], { environment, input: 'secret-token' });
    expect([...sandbox.files().keys()].filter((name) => !name.endsWith('config.json'))).toEqual([]);
  });
});

describe.concurrent('a home folder that cannot be used', () => {
  test.runIf(process.platform === 'linux')('is an error at once in /proc', async ({ command, expect }) => {
    const running = command.start(['context', 'add', 'x', '-u', url], { environment: { HOME: '/proc' } });
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([5, expect.stringContaining('cannot write /proc/.config')]);
  });

  test.for([
    ['context', 'add', 'x', '-u', url],
    ['context', 'add', 'x', '-u', url, '--ca', 'ca.pem'],
    ['inspect', 'x.ndjson'],
    ['record', '-u', url],
  ])('is no bug when the current folder has been deleted: %j', async (words, { command, expect }) => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-deleted-'));
    const through = ['bash', '-c', `cd ${folder}; rmdir ${folder}; exec "$@"`, 'bash'];
    const { code, stderr } = await command.start(words, { through }).ended;
    expect(stderr).not.toMatch(/bug|uv_cwd/);
    expect(code).not.toBe(1);
  });
});

describe.concurrent('a configuration that is not needed, because URL and token are given', () => {
  test.for([
    ['{ broken', /the configuration is ignored: .*invalid JSON/],
    ['{"current":"gone"}', /the configuration is ignored: .*"gone" does not exist/],
  ] as const)('is only a warning: %s', async ([content, warning], { serve, command, expect }) => {
    const server = await serve();
    server.onRequest((client) => client.accept(text(event(1))));
    const folder = join(command.sandbox.home, '.config/opmas-ws');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), content);
    const { code, stderr } = await command.runTail(server, ['-n', '1']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(warning)]);
    const named = await command.runTail(server, ['-n', '1', '-c', 'gone']);
    expect(named.code).toBe(2);
  });
});

const asStranger = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];
const canBeStranger =
  spawnSync('setpriv', [...asStranger.slice(1), process.execPath, bin, '--version']).status === 0;

describe.runIf(canBeStranger)(
  'a user without an entry in the list of accounts (needs the right to become one)',
  { concurrent: true },
  () => {
    const through = ['env', '-u', 'HOME', ...asStranger];

    test.for([
      ['auth', 'status', '-u', url],
      ['context', 'list'],
      ['demo', '--duration', '2s'],
      ['complete', '--', 'context', 'use', ''],
    ])('needs no home folder for: %s %s', async (words, { command, expect }) => {
      const { code, stderr } = await command.start(words, { through }).ended;
      expect([code, stderr]).toEqual([0, expect.not.stringMatching(/warning|bug/)]);
    });

    test('streams with a warning when the configuration cannot be read', async ({
      serve,
      command,
      expect,
    }) => {
      const server = await serve();
      server.onRequest((client) => client.accept(text(event(1))));
      // The home folder of the test is closed to others.
      const { code, stderr } = await command.tail(server, ['-n', '1'], { through: asStranger }).ended;
      expect([code, stderr]).toEqual([
        0,
        expect.stringMatching(/warning: the configuration is ignored: cannot read/),
      ]);
    });

    test('is told what to set when the configuration cannot be read and is needed', async ({
      command,
      expect,
    }) => {
      const { code, stderr } = await command.start(['context', 'list'], { through: asStranger }).ended;
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(/permission denied \(EACCES\)\n {2}Set HOME, or XDG_CONFIG_HOME/),
      ]);
    });
  },
);

describe.concurrent('the environment', () => {
  test('may have quotes around proxies and CAs, which an env file of Docker keeps', ({ expect }) => {
    const environment = { https_proxy: "'http://p:1'", SSL_CERT_FILE: '"/ca.pem"', EDITOR: '"vi"' };
    expect(withoutQuotedValues(environment)).toEqual({
      https_proxy: 'http://p:1',
      SSL_CERT_FILE: '/ca.pem',
      EDITOR: '"vi"',
    });
  });

  test('may have blanks and quotes around the values of our variables', async ({ command, expect }) => {
    const environment = {
      OPMAS_URL: '"ws://localhost:1"',
      OPMAS_TOKEN: "'Bearer abc' \r",
      OPMAS_CONTEXT: '""',
      OPMAS_KEYCHAIN: ' "off"\r',
    };
    expect((await command.sandbox.run(['auth', 'token'], { environment })).stdout).toBe('abc\n');
    const { stdout } = await command.sandbox.run(['auth', 'status'], {
      environment: { ...environment, OPMAS_TOKEN: '""' },
    });
    expect(stdout).toMatch(/ws:\/\/localhost:1 \(OPMAS_URL\)[\s\S]*OPMAS_KEYCHAIN turns the keychain off/);
  });
});
