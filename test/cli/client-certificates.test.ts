import { createPrivateKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Certificate, CertificateAuthority, withoutOpenssl } from '../support/certificates.js';
import { Nginx, withoutNginx } from '../support/nginx.js';
import { event, text } from '../support/raw-frames.js';
import type { RawServer } from '../support/raw-server.js';
import { type CommandLine, test } from '../support/stage.js';

const why = withoutOpenssl ?? withoutNginx;
const PASSPHRASE = 'open sesame, please';

/** What nginx passes on is answered as the API would. */
function answer(api: RawServer): RawServer {
  return api.onRequest((client) => {
    if (client.path.startsWith('/api/v1/ws/')) return client.accept(text(event(1)));
    const json = (value: object) =>
      client.respond('200 OK', ['Content-Type: application/json'], JSON.stringify(value));
    return json(client.path.endsWith('/login') ? { access_token: 'fresh-token' } : { username: 'me' });
  });
}

describe.skipIf(why).concurrent(`nginx that wants a client certificate${why ? ` (${why})` : ''}`, () => {
  let authority: CertificateAuthority;
  let other: CertificateAuthority;
  let server: Certificate;
  let client: Certificate;
  beforeAll(() => {
    authority = new CertificateAuthority();
    other = new CertificateAuthority('another CA');
    server = authority.issue('DNS:localhost');
    client = authority.issue('DNS:client', 2, { newKey: 'rsa:2048' });
  });
  afterAll(() => {
    authority.remove();
    other.remove();
  });

  const gateway = (api: RawServer) =>
    Nginx.start(
      `ssl_certificate server.pem; ssl_certificate_key server.key; ssl_client_certificate ca.pem; ssl_verify_client on;
       location / { proxy_pass http://127.0.0.1:${api.port}; proxy_http_version 1.1;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; }`,
      { tls: true, files: { 'server.pem': server.cert, 'server.key': server.key, 'ca.pem': authority.pem } },
    );

  /** Writes the files of a client into the home folder, and gives the options that name them. */
  function files({ sandbox }: CommandLine, { cert, key }: Certificate = client): string[] {
    for (const [name, content] of Object.entries({ 'c.pem': cert, 'c.key': key, 'ca.pem': authority.pem })) {
      writeFileSync(join(sandbox.home, name), content, { mode: 0o600 });
    }
    return ['--ca', 'ca.pem', '--cert', 'c.pem', '--key', 'c.key'];
  }

  test('opens streams, REST, doctor and login with it', async ({ serve, command, expect }) => {
    const api = answer(await serve());
    await using nginx = await gateway(api);
    const url = `wss://localhost:${nginx.port}`;
    const options = files(command);
    expect(await command.runTail({ url }, ['-n', '1', ...options])).toMatchObject({ code: 0 });
    const { stdout } = await command.sandbox.run(['doctor', 'devices', '-u', url, ...options]);
    expect(stdout).toMatch(/✓ api .* accepts the token[\s\S]*✓ upgrade devices/);
    const login = ['auth', 'login', '--username', 'me', '--password-stdin', '-u', url, ...options];
    expect(await command.sandbox.run(login, { input: 'secret' })).toMatchObject({ code: 0 });
  });

  test('is named by tail, doctor and login when there is none', async ({ serve, command, expect }) => {
    const api = answer(await serve());
    await using nginx = await gateway(api);
    const url = `wss://localhost:${nginx.port}`;
    const options = files(command).slice(0, 2);
    const tail = await command.runTail({ url }, options);
    expect(tail.code).toBe(4);
    expect(tail.stderr).toMatch(
      /No required SSL certificate was sent.*wants a client certificate.*--cert FILE and --key FILE/s,
    );
    const doctor = await command.sandbox.run(['doctor', 'devices', '-u', url, ...options]);
    expect(doctor.code).toBe(4);
    expect(doctor.stdout).toMatch(/verdict +a gateway in front of localhost wants a client certificate/);
    expect(doctor.stdout).toMatch(/next +opmas-ws doctor devices .*--ca ca.pem --cert FILE --key FILE/);
    const words = ['auth', 'login', '--username', 'me', '--password-stdin', '-u', url, ...options];
    const login = await command.sandbox.run(words, { input: 'secret' });
    expect(login.code).toBe(4);
    expect(login.stderr).toMatch(/wants a client certificate/);
    expect(api.requests.all).toEqual([]);
  });

  test('refuses that of another CA', async ({ serve, command, expect }) => {
    const api = answer(await serve());
    await using nginx = await gateway(api);
    const options = files(command, other.issue('DNS:client'));
    const { code, stderr } = await command.runTail({ url: `wss://localhost:${nginx.port}` }, options);
    expect(code).toBe(4);
    expect(stderr).toMatch(/does not accept the client certificate/);
    expect(api.requests.all).toEqual([]);
  });

  test('opens with the files that a context names, from another folder', async ({
    serve,
    command,
    expect,
  }) => {
    const api = answer(await serve());
    await using nginx = await gateway(api);
    const options = files(command);
    const add = ['context', 'add', 'gate', '-u', `wss://localhost:${nginx.port}`, ...options];
    expect(await command.sandbox.run(add)).toMatchObject({ code: 0 });
    const through = ['sh', '-c', 'cd / && exec "$@"', 'sh'];
    expect(await command.start(['tail', 'devices', '-n', '1'], { through }).ended).toMatchObject({ code: 0 });
    const { stdout } = await command.sandbox.run(['context', 'show']);
    expect(stdout).toContain(join(command.sandbox.home, 'c.key'));
  });

  test('opens with an encrypted key, whose passphrase is asked for once and not shown', async ({
    serve,
    command,
    expect,
  }) => {
    const api = answer(await serve());
    await using nginx = await gateway(api);
    const key = encrypt(client.key);
    const options = files(command, { cert: client.cert, key });
    const url = `wss://localhost:${nginx.port}`;
    const tail = command.tailOnTerminal({ url }, ['agents', 'devices', '-n', '2', ...options]);
    await tail.shows(/Passphrase of c\.key: /);
    tail.pty.write(`${PASSPHRASE}\r`);
    expect(await tail.ended).toMatchObject({ code: 0 });
    expect(tail.shown()).not.toContain('sesame');
    expect(tail.shown().match(/Passphrase/g)).toHaveLength(1);
    writeFileSync(join(command.sandbox.home, 'pass'), `${PASSPHRASE}\n`, { mode: 0o600 });
    const withFile = [...options, '--key-passphrase-file', 'pass'];
    expect(await command.runTail({ url }, ['-n', '1', ...withFile])).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('sesame'),
    });
  });

  test('asks for the passphrase before user and password, and takes all three from one paste', async ({
    command,
    expect,
  }) => {
    const options = files(command, { cert: client.cert, key: encrypt(client.key) });
    const login = ['auth', 'login', '-u', 'wss://127.0.0.1:1', ...options];
    for (const paste of [true, false]) {
      const terminal = command.sandbox.onTerminal(login);
      await terminal.shows(/Passphrase of c\.key: /);
      terminal.pty.write(paste ? `${PASSPHRASE}\nadmin\nse-same\n` : `${PASSPHRASE}\r`);
      await terminal.shows(/User for/);
      if (!paste) terminal.pty.write('admin\r');
      await terminal.shows(/Password of admin: /);
      if (!paste) terminal.pty.write('se-same\r');
      // Nothing listens there.
      expect(await terminal.ended).toMatchObject({ code: 4 });
      expect(terminal.shown()).not.toMatch(/sesame|se-same/);
    }
  });
});

function encrypt(key: string): string {
  const options = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE } as const;
  return createPrivateKey(key).export(options).toString();
}

describe.concurrent('a file that cannot be used', () => {
  test.for<[string[]]>([
    [['tail', 'devices']],
    [['doctor', 'devices']],
    [['auth', 'login', '--username', 'me', '--password-stdin']],
    [['context', 'add', 'x']],
  ])('is refused before anything connects: %j', async ([words], { serve, command, expect }) => {
    const server = await serve();
    const url = server.url.replace('ws:', 'wss:');
    const { code, stdout, stderr } = await command.sandbox.run([...words, '-u', url, '--ca', 'nosuch.pem']);
    expect(stdout + stderr).toMatch(/--ca \S*nosuch\.pem cannot be read: there is no such file/);
    expect(code).toBe(2);
    expect(server.connections.all).toEqual([]);
  });
});
