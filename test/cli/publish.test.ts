import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NatsServer, packages, withoutNats } from '../support/nats-server.js';
import { numberedLines } from '../support/recordings.js';
import { Sandbox } from './sandbox.js';

const lines = numberedLines(0, 20, 10);
const sandbox = new Sandbox();
beforeAll(() => writeFileSync(join(sandbox.home, 'x.ndjson'), lines.map((line) => `${line}\n`).join('')));
afterAll(() => sandbox[Symbol.dispose]());

const publish = (to: string, ...more: string[]) => sandbox.run(['publish', 'x.ndjson', '--to', to, ...more]);

describe('publish', { concurrent: true }, () => {
  it.each([
    [
      'nats://nobody.invalid/S',
      4,
      /^opmas-ws: the NATS server nobody.invalid:4222 cannot be reached: .*does not/,
    ],
    [
      'nats://127.0.0.1:1/S',
      4,
      /^opmas-ws: the NATS server 127.0.0.1:1 cannot be reached: connection refused/,
    ],
    ['nats://ann:s3cret@127.0.0.1/S', 2, /^opmas-ws: .*holds a user, a password or a token/],
    ['nats://127.0.0.1', 2, /^opmas-ws: the address of the stream names no stream/],
    ['nats:///S', 2, /^opmas-ws: the address of the stream names no host/],
    ['nats://one,two/S', 2, /names several hosts\n {2}Name one, or write nats:\/\/\/STREAM and/],
    ['nats://127.0.0.1/a.b', 2, /names "a\.b", which is not valid: no dots/],
    ['capture.ndjson', 2, /^opmas-ws: the address of the stream cannot be read/],
  ])('to %s ends with exit code %i and one clear line', async (to, code, message) => {
    const ended = await publish(to);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/s3cret/);
  });

  it.each(['', 'opmas', 'opmas.devices', 'a b'])(
    'refuses the prefix %j, before it connects',
    async (prefix) => {
      const ended = await publish('nats://127.0.0.1:1/S', '--subject-prefix', prefix);
      expect(ended).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^opmas-ws: --subject-prefix: /),
      });
    },
  );

  it.each([
    [{ NATS_USER: 'ann' }, 'the environment has NATS_USER, but not NATS_PASSWORD'],
    [{ NATS_PASSWORD: 's3cret' }, 'the environment has NATS_PASSWORD, but not NATS_USER'],
    [
      { NATS_URL: 'nats://a:s3cret@h' },
      /NATS_URL holds a login.*\n.* put a login in NATS_USER and NATS_PASSWORD/,
    ],
  ])('says what is wrong with the variables %j', async (environment, message) => {
    const ended = await sandbox.run(['publish', 'x.ndjson', '--to', 'nats:///S'], { environment });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/s3cret/);
  });

  it('says what to install where the packages of NATS are missing', async () => {
    const hook = `export function resolve(specifier, context, next) {
      if (!specifier.startsWith('@nats-io/')) return next(specifier, context);
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
    const register = `import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));`;
    writeFileSync(join(sandbox.home, 'without-nats.mjs'), register);
    const environment = { NODE_OPTIONS: '--import ./without-nats.mjs --disable-warning=DEP0205' };
    const ended = await sandbox.run(['publish', 'x.ndjson', '--to', 'nats://127.0.0.1:1/S'], { environment });
    expect(ended.code).toBe(5);
    expect(ended.stderr).toMatch(
      /^opmas-ws: nats:\/\/ needs two packages of NATS, which are not installed\n/,
    );
    expect(ended.stderr).toMatch(
      /npm install -g @nats-io\/transport-node@3\.3\.1 @nats-io\/jetstream@3\.3\.1/,
    );
    // All else works without them.
    const inspected = await sandbox.run(['inspect', 'x.ndjson', '--json'], { environment });
    expect(inspected).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a stream as a source', { concurrent: true }, () => {
  const stream = 'nats://127.0.0.1:1/S';

  it.each([['-H', 'X-Site: 7'], ['--token-in', 'header'], ['--proxy', 'http://127.0.0.1:9'], ['-4'], ['-6']])(
    'refuses %s %s, which is for the API',
    async (...option) => {
      const ended = await sandbox.run(['tail', '--file', stream, ...option]);
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).toMatch(
        new RegExp(`^opmas-ws: ${option[0]} is for the API only, not for a stream`),
      );
    },
  );

  it.each(['tail', 'top', 'wait'])('%s reads the files of --ca, --cert and --key for it', async (command) => {
    for (const option of ['--ca', '--cert', '--key', '--key-passphrase-file']) {
      const ended = await sandbox.run([command, '--file', stream, option, 'none.pem']);
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining(`${option} none.pem`) });
    }
  });
});

describe.skipIf(withoutNats)(`publish with a server${withoutNats ? ` (${withoutNats})` : ''}`, () => {
  let server: NatsServer;
  const user = { user: 'ann', pass: 's3cret-password' };
  beforeAll(async () => {
    const key = packages![0].nkeys.createUser();
    server = await NatsServer.start(
      `authorization { users: [{ user: ann, password: s3cret-password }, { nkey: ${key.getPublicKey()} }] }`,
    );
    const folder = join(sandbox.home, '.config/nats/context');
    mkdirSync(folder, { recursive: true });
    const context = { url: `nats://${server.host}`, user: user.user, password: user.pass };
    const write = (path: string, text: string | Uint8Array) => writeFileSync(path, text, { mode: 0o600 });
    write(join(folder, 'site.json'), JSON.stringify(context));
    write(join(sandbox.home, 'site.nk'), key.getSeed());
    // As the nats command writes it: members that are not used are empty.
    const others = { user: '', password: '', creds: '', token: '' };
    write(join(folder, 'keyed.json'), JSON.stringify({ ...others, url: context.url, nkey: '~/site.nk' }));
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  it('takes the server and the login of a context of the nats command, makes the stream, and publishes once', async () => {
    const to = ['nats:///EVENTS', '--nats-context', 'site'] as const;
    const missing = await publish(...to);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(
      /has no stream EVENTS\n {2}Make it: nats stream add EVENTS .*--dupe-window 10m/,
    );
    const made = await publish(...to, '--create-stream');
    expect(made).toMatchObject({ code: 0, stdout: '', stderr: '20 lines published to nats:///EVENTS\n' });
    const again = await publish(...to);
    expect(again.stderr).toBe('0 lines published to nats:///EVENTS, 20 were there already\n');
    expect((await server.messagesOf('EVENTS', user)).map(({ text }) => text)).toEqual(lines);
    const keyed = await publish('nats:///EVENTS', '--nats-context', 'keyed');
    expect(keyed).toMatchObject({ code: 0, stderr: again.stderr });
    const other = await publish(...to, '--subject-prefix', 'site-7');
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /takes opmas-ws\.>, but not site-7\.>\n.*may be meant: --subject-prefix opmas-ws\n.*nats stream edit .*--context site$/m,
      ),
    });
    const overlap = await publish('nats:///OTHER', '--nats-context', 'site', '--create-stream');
    expect(overlap).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/subjects overlap .*\n.* --subject-prefix site-7\.opmas-ws$/m),
    });
  });

  it('does not end with success when lines are not in the stream', async () => {
    const to = ['nats:///SMALL', '--nats-context', 'site', '--subject-prefix', 'small'] as const;
    const config = { name: 'SMALL', subjects: ['small.>'], max_msg_size: lines[0]!.length + 59 };
    await server.manage((jsm) => jsm.streams.add(config), user);
    const long = numberedLines(100_000, 100_001, 10)[0]!;
    writeFileSync(join(sandbox.home, 'long.ndjson'), `${lines[0]}\n${long}\n`);
    const publishLong = () => sandbox.run(['publish', 'long.ndjson', '--to', ...to]);
    const leftOut = await publishLong();
    expect(leftOut.code).toBe(4);
    expect(leftOut.stderr).toMatch(
      /^1 line published to \S+, 1 left out: larger than the stream takes\nopmas-ws: lines are missing in the stream SMALL: they are larger/m,
    );
    await server.manage((jsm) => jsm.streams.purge('SMALL'), user);
    const removed = await publishLong();
    expect(removed.code).toBe(7);
    expect(removed.stderr).toMatch(/^0 lines published to \S+, 1 removed from there since, 1 left out/m);
    expect(removed.stderr).toMatch(/lines are missing in the stream SMALL: .*\n.*duplicate window of 120 s/);
  });

  it('takes the login of the environment, and says which one was rejected, without it', async () => {
    const to = server.urlOf('EVENTS');
    const without = await publish(to);
    expect(without).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/wants a login.*NATS_NKEY, NATS_TOKEN/s),
    });
    const environment = { NATS_USER: 'ann', NATS_PASSWORD: 'wr0ng-password' };
    const wrong = await sandbox.run(['publish', 'x.ndjson', '--to', to], { environment });
    expect(wrong).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/rejected the login from NATS_USER/),
    });
    expect(wrong.stderr).not.toMatch(/wr0ng/);
    environment.NATS_PASSWORD = user.pass;
    expect(await sandbox.run(['publish', 'x.ndjson', '--to', to], { environment })).toMatchObject({
      code: 0,
    });
  });
});
