import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectRecording, readRecording } from '../../../src/index.js';
import { publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import type { NatsAccess } from '../../../src/io/jetstream/target.js';
import { Sandbox } from '../../cli/sandbox.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { Following } from '../../support/following.js';
import { NatsOperator } from '../../support/nats-operator.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { numberedLines, RecordingFolder } from '../../support/recordings.js';

const why = withoutNats ?? withoutOpenssl;

describe.skipIf(why)(`the way to a NATS server with TLS and logins${why ? ` (${why})` : ''}`, () => {
  let server: NatsServer;
  let authority: CertificateAuthority;
  let seed: string;
  const folder = new RecordingFolder();
  beforeAll(async () => {
    const { nkeys } = await import('@nats-io/transport-node');
    const user = nkeys.createUser();
    seed = new TextDecoder().decode(user.getSeed());
    authority = new CertificateAuthority();
    const { cert, key } = authority.issue('IP:127.0.0.1');
    const path = (name: string) => join(folder.path, name);
    writeFileSync(path('ca.pem'), authority.pem);
    writeFileSync(path('cert.pem'), cert);
    writeFileSync(path('key.pem'), key);
    server = await NatsServer.start(
      `tls { cert_file: "${path('cert.pem')}", key_file: "${path('key.pem')}", ca_file: "${path('ca.pem')}", verify: true }
       authorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
    );
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    authority?.remove();
    folder[Symbol.dispose]();
  });

  function publish(scheme: 'nats' | 'tls', access: NatsAccess) {
    const to = server.urlOf('EVENTS').replace('nats', scheme);
    const source = folder.write(numberedLines(0, 3, 1));
    return publishRecording([source], to, { access: { environment: {}, ...access }, createStream: true });
  }

  it('is TLS with the CA and the client certificate that are given, also for nats://', async () => {
    const { cert, key } = authority.issue('DNS:recorder');
    const access = { ca: authority.pem, cert, key, nkey: seed };
    expect(await publish('tls', access)).toMatchObject({ published: 3 });
    expect(await publish('nats', access)).toMatchObject({ alreadyThere: 3 });
  });

  it('is named by the options of a command, and by variables where it has none', async () => {
    using sandbox = new Sandbox({ NATS_NKEY: join(folder.path, 'user.nk') });
    const { cert, key } = authority.issue('DNS:recorder');
    writeFileSync(join(folder.path, 'user.nk'), seed, { mode: 0o600 });
    writeFileSync(join(folder.path, 'own.pem'), `${cert}${key}`, { mode: 0o600 });
    const [ca, own] = ['ca.pem', 'own.pem'].map((name) => join(folder.path, name));
    const url = server.urlOf('EVENTS');
    const ends = async (args: string[], environment: Record<string, string> = {}) => {
      const { code, stderr } = await sandbox.run([...args, '-n1'], { environment });
      return `${code} ${stderr.split('\n')[1] ?? ''}`.trim();
    };
    const tail = ['tail', '--file', url];
    expect(await ends(tail)).toBe('4   If the CA is your own, give it with --ca FILE.');
    expect(await ends([...tail, '--ca', ca!])).toBe(
      '4   If the server wants a client certificate, give it with --cert FILE and --key FILE.',
    );
    expect(await ends([...tail, '--ca', ca!, '--cert', own!])).toBe('0');
    expect(await ends(tail, { NATS_CA: ca!, NATS_CERT: own!, NATS_KEY: own! })).toBe('0');
    const inspect = async (environment: Record<string, string>) =>
      (await sandbox.run(['inspect', url], { environment })).stderr;
    expect(await inspect({})).toMatch(/If the CA is your own, give it with NATS_CA\./);
    expect(await inspect({ NATS_CA: ca! })).toMatch(/give it with NATS_CERT and NATS_KEY\./);
    expect(await inspect({ NATS_CA: '/no/such' })).toMatch(/: NATS_CA \(\/no\/such\) cannot be read/);
  });

  it('is refused without the CA, without the certificate, and with another key, each with its cause', async () => {
    const { cert, key } = authority.issue('DNS:recorder');
    await expect(publish('tls', { cert, key, nkey: seed })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/certificate is not trusted/),
      hint: 'If the CA is your own, give it with `ca`.',
    });
    await expect(publish('tls', { ca: authority.pem, nkey: seed })).rejects.toMatchObject({
      code: 'NETWORK',
      hint: 'If the server wants a client certificate, give it with `cert` and `key`.',
    });
    const { nkeys } = await import('@nats-io/transport-node');
    const other = new TextDecoder().decode(nkeys.createUser().getSeed());
    const wrong = publish('tls', { ca: authority.pem, cert, key, nkey: other, source: 'NATS_NKEY' });
    await expect(wrong).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringMatching(/from NATS_NKEY/),
    });
    await expect(wrong).rejects.not.toThrow(other);
    await expect(publish('tls', { nkey: 'no seed' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe.skipIf(withoutNats)('credentials for a server in operator mode', () => {
  let operator: NatsOperator;
  const folder = new RecordingFolder();
  const lines = numberedLines(0, 3, 1);
  beforeAll(async () => {
    operator = await NatsOperator.start();
  });
  afterAll(async () => {
    await operator?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const stream = () => operator.server.urlOf('EVENTS');
  const publish = (creds: string, more: NatsAccess = {}) =>
    publishRecording([folder.write(lines)], stream(), {
      access: { creds, source: '--nats-creds x.creds', ...more },
      createStream: true,
    });

  it('publish and read', async () => {
    const creds = operator.createUser();
    expect(await publish(creds)).toMatchObject({ published: 3 });
    const read: string[] = [];
    for await (const { bytes } of readRecording(stream(), { nats: { access: { creds } } }))
      read.push(bytes.toString());
    expect(read.join('')).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  it('are refused when they have expired or were revoked, with what to do, and without a secret', async () => {
    const old = operator.createUser(-3600);
    const expired = await publish(old).catch((error: unknown) => error);
    expect(expired).toMatchObject({
      code: 'AUTH',
      message: expect.stringMatching(
        /^the NATS server \S+ rejected the login from --nats-creds x\.creds, which expired 1 hour ago: Authorization Violation$/,
      ),
      hint: 'Ask the operator of the NATS server for new credentials: nsc generate creds',
    });
    const creds = operator.createUser();
    await operator.revoke(creds);
    const revoked = await publish(creds).catch((error: unknown) => error);
    expect(revoked).toMatchObject({
      code: 'AUTH',
      message: expect.stringMatching(/rejected the login from --nats-creds x\.creds: Authorization/),
      hint: expect.stringMatching(/was revoked\. Ask the operator of the NATS server/),
    });
    const reading = readRecording(stream(), { nats: { access: { creds } } }).next();
    await expect(reading).rejects.toMatchObject({ code: 'AUTH' });
    for (const error of [expired, revoked]) {
      for (const secret of [old, creds].flatMap((text) => /SU\w{40,}/.exec(text) ?? []))
        expect(String((error as Error).stack)).not.toContain(secret);
    }
  });

  it('may be revoked for a while: a reader that was connected goes on with the next ones', async () => {
    const old = operator.createUser();
    await publish(old);
    let creds = old;
    const access = { creds, source: '--nats-creds x.creds', renew: async () => ({ creds }) };
    await using following = new Following([stream()], { last: 1, nats: { access } });
    await following.lines.count(1);
    await operator.revoke(old);
    await following.messages.count(1);
    creds = operator.createUser();
    await following.messages.count(2);
    await publishRecording([folder.write(numberedLines(3, 4, 1))], stream(), { access: { creds } });
    await following.lines.count(2);
    expect(following.lines.all).toEqual([lines[2], ...numberedLines(3, 4, 1)]);
    expect(following.messages.all).toEqual([
      expect.stringMatching(/ rejected the login from .*; reading the file and trying again$/),
      `reading ${stream()} goes on`,
    ]);
    // One that was never connected is not tried again.
    await expect(
      readRecording(stream(), { follow: true, nats: { access: { creds: old } } }).next(),
    ).rejects.toMatchObject({ code: 'AUTH' });
  });

  it('are read again for each connection, and the ones that were given hold where that fails', async () => {
    const creds = operator.createUser();
    const renew = async () => ({ creds });
    expect(await publish(operator.createUser(-10), { renew })).toMatchObject({ tooLarge: 0 });
    const fails = () => Promise.reject(new Error('no file'));
    expect(await publish(creds, { renew: fails })).toMatchObject({ tooLarge: 0 });
  });
});

describe.skipIf(withoutNats)('a login that lacks a right', () => {
  it('is told at once, and which right it is', async () => {
    const user = (name: string, ...publish: string[]) =>
      `{ user: ${name}, password: some-word, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ["_INBOX.>"] } }`;
    await using server = await NatsServer.start(
      `authorization { users: [{ user: admin, password: some-word }, ${user('reader', '$JS.API.>')}, ${user('blind', 'opmas-ws.>')}, ${user('recorder', 'opmas-ws.>', '$JS.API.>')}] }`,
    );
    using folder = new RecordingFolder();
    // Other lines each time: the server may still know the ids of those before.
    let end = 0;
    const publish = (name: string, createStream = false) => {
      end += 3;
      return publishRecording([folder.write(numberedLines(end - 3, end, 1))], server.urlOf('EVENTS'), {
        access: { user: name, password: 'some-word' },
        createStream,
      });
    };
    expect(await publish('admin', true)).toMatchObject({ published: 3 });
    await server.manage((jsm) => jsm.streams.purge('EVENTS'), { user: 'admin', pass: 'some-word' });
    for (const [name, subject] of [
      ['reader', 'opmas-ws.event.devices'],
      ['blind', '$JS.API.STREAM.INFO.EVENTS'],
    ]) {
      await expect(publish(name!)).rejects.toMatchObject({
        code: 'AUTH',
        hint: expect.stringContaining('It must be allowed to publish to $JS.API.>'),
        message: expect.stringContaining(`lacks a right: Permissions Violation for Publish to "${subject}`),
      });
    }
    // These two rights are enough, and $JS.API.> alone is enough to read.
    expect(await publish('recorder')).toMatchObject({ published: 3 });
    const nats = { access: { user: 'reader', password: 'some-word' } };
    expect(await inspectRecording(server.urlOf('EVENTS'), { nats })).toMatchObject({ events: 3 });
  });
});

describe.skipIf(withoutNats)('a password', () => {
  it('is not sent to another machine without TLS, unless that is allowed', async () => {
    await using server = await NatsServer.start();
    using folder = new RecordingFolder();
    const source = folder.write(numberedLines(0, 3, 1));
    // A name of this machine that does not say so.
    const publish = (access: NatsAccess) =>
      publishRecording([source], 'nats:///EVENTS', {
        access: {
          servers: [`[::ffff:127.0.0.1]:${server.port}`],
          user: 'ann',
          password: 's3cret-word',
          ...access,
        },
        createStream: true,
      });
    await expect(publish({})).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/has no TLS, so others could read the password/),
    });
    expect(await publish({ plaintext: true })).toMatchObject({ published: 3 });
  });
});
