import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import type { NatsAccess } from '../../../src/io/jetstream/target.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
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

  it('is refused without the CA, without the certificate, and with another key, each with its cause', async () => {
    const { cert, key } = authority.issue('DNS:recorder');
    await expect(publish('tls', { cert, key, nkey: seed })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringMatching(/certificate is not trusted/),
    });
    await expect(publish('tls', { ca: authority.pem, nkey: seed })).rejects.toMatchObject({
      code: 'NETWORK',
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

describe.skipIf(withoutNats)('a login that lacks a right', () => {
  it('is told at once, and which right it is', async () => {
    const user = (name: string, publish: string) =>
      `{ user: ${name}, password: some-word, permissions: { publish: ["${publish}"], subscribe: ["_INBOX.>"] } }`;
    await using server = await NatsServer.start(
      `authorization { users: [{ user: admin, password: some-word }, ${user('reader', '$JS.API.>')}, ${user('blind', 'opmas-ws.>')}] }`,
    );
    using folder = new RecordingFolder();
    const publish = (name: string, createStream = false) =>
      publishRecording([folder.write(numberedLines(0, 3, 1))], server.urlOf('EVENTS'), {
        access: { user: name, password: 'some-word' },
        createStream,
      });
    expect(await publish('admin', true)).toMatchObject({ published: 3 });
    await server.manage((jsm) => jsm.streams.purge('EVENTS'), { user: 'admin', pass: 'some-word' });
    await server.manage((jsm) => jsm.streams.update('EVENTS', { duplicate_window: 1e8 }), {
      user: 'admin',
      pass: 'some-word',
    });
    for (const [name, subject] of [
      ['reader', 'opmas-ws.event.devices'],
      ['blind', '$JS.API.STREAM.INFO.EVENTS'],
    ]) {
      await expect(publish(name!)).rejects.toMatchObject({
        code: 'AUTH',
        message: expect.stringContaining(`lacks a right: Permissions Violation for Publish to "${subject}`),
      });
    }
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
