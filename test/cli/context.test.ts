import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { chooseRoute, chooseServer } from '../../src/cli/connection/server.js';
import { Sandbox } from './sandbox.js';

const pathOf = (sandbox: Sandbox) => join(sandbox.home, '.config/opmas-ws/config.json');
const read = (sandbox: Sandbox) => JSON.parse(readFileSync(pathOf(sandbox), 'utf8'));
const context = (sandbox: Sandbox, ...args: string[]) => sandbox.run(['context', ...args]);

function withConfig(text: string): Sandbox {
  const sandbox = new Sandbox();
  mkdirSync(dirname(pathOf(sandbox)), { recursive: true });
  writeFileSync(pathOf(sandbox), text);
  return sandbox;
}

describe.concurrent('context', () => {
  it('names servers, chooses among them and forgets them', async () => {
    using sandbox = new Sandbox();
    expect(await context(sandbox, 'add', 'lab', '--url', 'http://localhost:8001/x/')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(
        /Added context lab \(ws:\/\/localhost:8001\/x\)\. It is the current context/,
      ),
    });
    writeFileSync(join(sandbox.home, 'ca.pem'), rootCertificates[0]!);
    await context(
      sandbox,
      'add',
      'prod',
      '-u',
      'wss://opmas.test',
      '--token-command',
      `pass show 'a b'`,
      '--ca',
      'ca.pem',
    );
    expect((await context(sandbox, 'list')).stdout).toBe(
      '* lab   ws://localhost:8001/x\n  prod  wss://opmas.test  (token command)\n',
    );
    expect(await context(sandbox, 'use', 'prod')).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/prod/),
    });
    expect(JSON.parse((await context(sandbox, 'show', '--json')).stdout)).toEqual({
      name: 'prod',
      url: 'wss://opmas.test',
      token_command: `pass show 'a b'`,
      token_command_timeout: null,
      headers: [],
      token_in: 'query',
      proxy: null,
      ipv4: false,
      ipv6: false,
      plaintext: false,
      ca: join(sandbox.home, 'ca.pem'),
      cert: null,
      key: null,
      key_passphrase_file: null,
      current: true,
    });
    await context(sandbox, 'use', '-');
    expect(read(sandbox)).toMatchObject({ current: 'lab', previous: 'prod' });
    await context(sandbox, 'use', '-');
    expect(read(sandbox)).toMatchObject({ current: 'prod', previous: 'lab' });
    await context(sandbox, 'remove', 'prod');
    expect(read(sandbox)).toEqual({ contexts: { lab: { url: 'ws://localhost:8001/x' } }, previous: 'lab' });
    expect(statSync(pathOf(sandbox)).mode & 0o777).toBe(0o600);
    expect([...sandbox.files().keys()].sort()).toEqual(['.config/opmas-ws/config.json', 'ca.pem']);
  });

  it.each([
    [['add', 'lab'], /needs a URL/],
    [['add', 'a b', '-u', 'localhost:1'], /valid context name/],
    [['add', '-x', '-u', 'localhost:1'], /unknown option/],
    [['add', 'x', '-u', 'ftp://sesame'], /scheme/],
    [['add', 'x', '-u', 'ws://user:sesame@localhost'], /user or a password/],
    [['add', 'x', '-u', 'localhost:1', '--token-command', `it's`], /not closed/],
    // What later commands would refuse.
    [['add', 'x', '-u', 'foo'], /not encrypted[\s\S]*--plaintext/],
    [['add', 'x', '-u', 'localhost:1', '--ca', 'no.pem'], /no\.pem/],
    [['add', 'x', '-u', 'localhost:1', '--token-command', 'a', '--token-command-timeout', 'b'], /timeout/],
    [['add', 'x', '-u', 'localhost:1', '--header', 'sesame'], /colon/],
    [['add', 'x', '-u', 'localhost:1', '--header', 'X-A: $(sesame)'], /X-A.*variable/],
    [['add', 'x', '-u', 'localhost:1', '--header', 'X-A: @no-file'], /no-file.*no such file/],
    [
      ['add', 'x', '-u', 'localhost:1', '--header', 'Authorization: $A', '--token-in', 'header'],
      /cannot be combined/,
    ],
    [['add', 'lab', '-u', 'localhost:1'], /already/],
    [['use', 'nope'], /Contexts: lab/],
    [['use', 'lba'], /Did you mean lab\?/],
    [['show', 'Labb'], /Did you mean lab\?/],
    [['use', '-'], /no previous context/],
    [['remove', 'nope'], /Contexts: lab/],
    [['show', 'nope'], /Contexts: lab/],
  ])('refuses %j and changes nothing', async (args, pattern) => {
    using sandbox = withConfig('{"contexts":{"lab":{"url":"localhost:8001"}},"current":"lab"}');
    const before = read(sandbox);
    const { code, stdout, stderr } = await context(sandbox, ...args);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(pattern) });
    expect(stderr).not.toContain('sesame');
    expect(read(sandbox)).toEqual(before);
  });

  it('keeps the way to its server: the sources of secrets, not their values', async () => {
    using sandbox = new Sandbox();
    writeFileSync(join(sandbox.home, 'key'), 'sesame-of-the-gate\n', { mode: 0o600 });
    const headers = [
      'X-File: @key',
      'X-Home: @~/key',
      'X-Key: $GATE_KEY',
      'X-Tenant: seven',
      'X-Secret: open',
    ];
    const added = await context(
      sandbox,
      'add',
      'gate',
      ...['-u', 'localhost:1', '--token-in', 'header', '--token-command', 'no-such-program x'],
      ...headers.flatMap((header) => ['--header', header]),
    );
    expect(added).toMatchObject({ code: 0 });
    expect(added.stderr).toMatch(/configuration holds the value of the header X-Secret.*@FILE/);
    expect(added.stderr).toMatch(/there is no program no-such-program that can be run/);
    expect(added.stderr.match(/warning/g)).toHaveLength(2);
    expect(read(sandbox).contexts.gate).toMatchObject({
      headers: [`X-File: @${join(sandbox.home, 'key')}`, ...headers.slice(1)],
      token_in: 'header',
    });
    const sources = [`X-File: @${join(sandbox.home, 'key')}`, 'X-Home: @~/key', 'X-Key: $GATE_KEY'];
    const hidden = ['X-Tenant: (in the configuration)', 'X-Secret: (in the configuration)'];
    const { stdout } = await context(sandbox, 'show');
    for (const shown of [...sources, ...hidden]) expect(stdout).toContain(shown);
    expect(stdout).toMatch(/token in +header/);
    expect(stdout).not.toMatch(/sesame|seven|open/);
    expect(JSON.parse((await context(sandbox, 'show', '--json')).stdout)).toMatchObject({
      headers: [...sources, ...hidden],
      token_in: 'header',
    });
  });

  it('is shown with the proxy that the environment adds, without its password', async () => {
    using sandbox = withConfig('{"contexts":{"far":{"url":"wss://opmas.example"}},"current":"far"}');
    const shown = async (HTTPS_PROXY: string) =>
      (await sandbox.run(['context', 'show'], { environment: { HTTPS_PROXY } })).stdout;
    const stdout = await shown('http://me:sesame@proxy.example:3128');
    expect(stdout).toMatch(/environment +the proxy http:\/\/proxy\.example:3128 \(HTTPS_PROXY\)/);
    expect(stdout).not.toContain('sesame');
    expect(await shown('ftp://x')).toMatch(/environment +HTTPS_PROXY/);
    expect(await shown('')).not.toContain('environment');
  });

  it.each<[string, object, object, object, object | RegExp]>([
    ['is used', {}, {}, {}, { 'X-Key': 'sesame', 'X-B': '1' }],
    [
      'is used by a command with a header of the name',
      {},
      { header: ['x-key: mine'] },
      {},
      { 'x-key': 'mine', 'X-B': '1' },
    ],
    ['is named, but --url is of another server', { url: 'ws://localhost:2' }, {}, {}, {}],
    ['is named, but OPMAS_URL is of another server', {}, {}, { OPMAS_URL: 'ws://localhost:2' }, {}],
    ['is used without its variable', {}, {}, { GATE_KEY: '' }, /GATE_KEY.*not set/],
  ])(
    'gives its headers to its own server only: it %s',
    async (_name, globals, options, variables, expected) => {
      using sandbox = withConfig(
        '{"contexts":{"gate":{"url":"ws://localhost:1","headers":["X-Key: $GATE_KEY","X-B: 1"],"token_in":"header"}}}',
      );
      const environment = { ...sandbox.environment, OPMAS_CONTEXT: 'gate', GATE_KEY: 'sesame', ...variables };
      const chosen = chooseRoute({ color: 'auto', ...globals }, options, environment);
      if (expected instanceof RegExp) {
        await expect(chosen).rejects.toMatchObject({
          code: 'USAGE',
          message: expect.stringMatching(expected),
        });
        // Where nothing is sent, nothing is missing.
        const { route } = await chooseRoute({ color: 'auto' }, {}, environment, { sendsNothing: true });
        expect(route.headers).toBeUndefined();
        return;
      }
      const { route } = await chosen;
      expect(route.headers).toEqual(expected);
      expect(route.tokenIn).toBe(Object.keys(expected).length > 0 ? 'header' : undefined);
    },
  );

  it('replaces a context when it is told to', async () => {
    using sandbox = new Sandbox();
    await context(sandbox, 'add', 'lab', '-u', 'localhost:1', '--plaintext');
    await context(sandbox, 'add', 'lab', '-u', 'localhost:2', '--force');
    expect(read(sandbox).contexts).toEqual({ lab: { url: 'ws://localhost:2' } });
  });

  it('keeps members that it does not know, and warns about them', async () => {
    using sandbox = withConfig('{"theme":"dark","contexts":{"lab":{"url":"localhost:1","color":7}}}');
    const { code, stderr } = await context(sandbox, 'use', 'lab');
    expect(code).toBe(0);
    expect(stderr).toMatch(/"theme" is unknown/);
    expect(stderr).toMatch(/"contexts\.lab\.color" is unknown/);
    expect(read(sandbox)).toEqual({
      theme: 'dark',
      contexts: { lab: { url: 'localhost:1', color: 7 } },
      current: 'lab',
    });
    const environment = { OPMAS_TOKEN: 'abc' };
    const status = await sandbox.run(['auth', 'status'], { environment });
    expect(status).toMatchObject({ code: 0, stderr: expect.stringMatching(/"theme" is unknown/) });
  });

  it.each([
    ['{\n  "contexts": {\n    "lab": { "url": "x", }\n', /config\.json:3:26: invalid JSON/],
    ['[]', /not a JSON object/],
    ['{"contexts":[]}', /"contexts" is not an object/],
    ['{"contexts":{"lab":7}}', /"contexts\.lab" is not an object/],
    ['{"contexts":{"lab":{}}}', /has no "url"/],
    ['{"contexts":{"lab":{"url":"ftp://x"}}}', /"contexts\.lab".*scheme/],
    ['{"contexts":{"lab":{"url":"x","token_command":7}}}', /"token_command" is not a string/],
    ['{"contexts":{"lab":{"url":"x","token_command":"\'"}}}', /not closed/],
    ['{"contexts":{"lab":{"url":"x","plaintext":"yes"}}}', /"plaintext"/],
    ['{"contexts":{"lab":{"url":"x","headers":"X-A: b"}}}', /"headers" is not a list of strings/],
    ['{"contexts":{"lab":{"url":"x","headers":[7]}}}', /"headers" is not a list of strings/],
    ['{"contexts":{"lab":{"url":"x","headers":["Host: b"]}}}', /Host/],
    ['{"contexts":{"lab":{"url":"x","token_in":"body"}}}', /"token_in" is not query or header/],
    ['{"current":7}', /"current" is not a string/],
    ['{"current":"nope"}', /current context "nope" does not exist/],
  ])('says what is wrong with %j', async (text, pattern) => {
    using sandbox = withConfig(text);
    await expect(
      chooseServer({ color: 'auto' }, {}, { XDG_CONFIG_HOME: join(sandbox.home, '.config') }),
    ).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(pattern),
    });
  });

  it('names the file of a broken configuration before anything connects', async () => {
    using sandbox = withConfig('{"contexts":{"lab":{}}}');
    const environment = { OPMAS_TOKEN: 'abc' };
    const { code, stdout, stderr } = await sandbox.run(['tail'], { environment });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(pathOf(sandbox));
  });

  it.each(['', '  \n', '\ufeff{}'])('takes %j for an empty configuration', async (text) => {
    using sandbox = withConfig(text);
    expect(await context(sandbox, 'list')).toMatchObject({ code: 0, stdout: '' });
    await context(sandbox, 'add', 'lab', '-u', 'localhost:1');
    expect(read(sandbox).current).toBe('lab');
  });

  it('is not fooled by names that objects have', async () => {
    using sandbox = withConfig('{"contexts":{"__proto__":{"url":"localhost:1"}}}');
    expect((await context(sandbox, 'show', '__proto__')).stdout).toMatch(/localhost:1/);
    expect(await context(sandbox, 'show', 'toString')).toMatchObject({ code: 2 });
    await context(sandbox, 'add', 'constructor', '-u', 'localhost:2');
    expect(Object.keys(read(sandbox).contexts)).toEqual(['__proto__', 'constructor']);
  });

  it('writes through a link to the file behind it', async () => {
    using sandbox = withConfig('{}');
    const real = join(sandbox.home, 'dotfiles.json');
    writeFileSync(real, '{}');
    const linked = join(sandbox.home, 'linked/opmas-ws');
    mkdirSync(linked, { recursive: true });
    symlinkSync(real, join(linked, 'config.json'));
    const environment = { XDG_CONFIG_HOME: join(sandbox.home, 'linked') };
    await sandbox.run(['context', 'add', 'lab', '-u', 'localhost:1'], { environment });
    expect(JSON.parse(readFileSync(real, 'utf8')).contexts).toHaveProperty('lab');
    expect(read(sandbox)).toEqual({});
  });

  it('ignores a relative XDG_CONFIG_HOME', async () => {
    using sandbox = new Sandbox({ XDG_CONFIG_HOME: 'here' });
    await context(sandbox, 'add', 'lab', '-u', 'localhost:1');
    expect(read(sandbox).contexts).toHaveProperty('lab');
  });

  it('loses nothing when several processes write at once', async () => {
    using sandbox = new Sandbox();
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => context(sandbox, 'add', name, '-u', 'localhost:1')));
    expect(Object.keys(read(sandbox).contexts).sort()).toEqual(names);
    expect(sandbox.files().size).toBe(1);
  });

  it('goes on after a process that was killed while it held the lock', async () => {
    using sandbox = withConfig('{}');
    const { child, ended } = sandbox.start(['--version']);
    await ended;
    writeFileSync(`${pathOf(sandbox)}.lock`, String(child.pid));
    expect(await context(sandbox, 'add', 'lab', '-u', 'localhost:1')).toMatchObject({ code: 0 });
    expect(sandbox.files().size).toBe(1);
  });

  it('shows names and URLs of the file without characters that could change the terminal', async () => {
    using sandbox = withConfig('{"contexts":{"a\\u001b[2J\\u202e":{"url":"localhost:1","ca":"\\u0007"}}}');
    const all = await Promise.all([context(sandbox, 'list'), context(sandbox, 'show', 'a\u001b[2J\u202e')]);
    for (const { stdout } of all) {
      expect(stdout).toMatch(/\\u001b\[2J/);
      expect(stdout).not.toMatch(/[\u0007\u001b\u202e]/);
    }
  });
});
