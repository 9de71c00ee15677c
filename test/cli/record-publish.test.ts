import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../../src/index.js';
import { loginOf, NatsOperator } from '../support/nats-operator.js';
import { NatsServer, withoutNats } from '../support/nats-server.js';
import { Sandbox } from './sandbox.js';

describe.skipIf(withoutNats)(`record --publish${withoutNats ? ` (${withoutNats})` : ''}`, () => {
  let api: MockServer;
  let nats: NatsServer;
  let sandbox: Sandbox;
  beforeAll(async () => {
    api = await startMockServer({ port: 0, rate: 300, auth: 'none' });
    nats = await NatsServer.start();
  });
  afterAll(async () => {
    await nats?.[Symbol.asyncDispose]();
    await api?.close();
  });
  beforeEach(async () => {
    await nats.manage((jsm) => jsm.streams.delete('EVENTS')).catch(() => undefined);
    await nats.addStream({ name: 'EVENTS' }, 'opmas-ws');
    sandbox = new Sandbox({ OPMAS_URL: api.url });
  });
  afterEach(() => sandbox[Symbol.dispose]());

  const record = (...more: string[]) =>
    sandbox.start([
      'record',
      '--no-token',
      '-o',
      'spool.ndjson',
      '--append',
      '--publish',
      nats.urlOf('EVENTS'),
      ...more,
    ]);
  const countOf = () => nats.manage(async (jsm) => (await jsm.streams.info('EVENTS')).state.messages);
  const hasMore = async (count: number) => {
    while ((await countOf()) < count) await delay(20);
  };
  const published = async () => (await nats.messagesOf('EVENTS')).map(({ text }) => text);

  /** The lines of all parts, in order. */
  function recorded(): string[] {
    const names = readdirSync(sandbox.home).filter((name) => /^spool(\.\d+)?\.ndjson$/.test(name));
    const texts = names.sort().map((name) => readFileSync(join(sandbox.home, name), 'utf8'));
    return texts.join('').split('\n').slice(0, -1);
  }

  it('publishes all parts, each line once and in order, though server and recorder are killed', async () => {
    const rotation = ['--rotate-size', '60KB'];
    const first = record(...rotation);
    await hasMore(300);
    await nats.kill();
    await delay(300);
    await nats.restart();
    await hasMore(1000);
    first.child.kill('SIGKILL');
    await first.ended;
    const ended = await record(...rotation, '--duration', '1s').ended;
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    expect(ended.stderr).toMatch(/^\d+ lines published to nats:\/\/.*$/m);
    expect(readdirSync(sandbox.home).filter((name) => name.endsWith('.ndjson')).length).toBeGreaterThan(3);
    expect(await published()).toEqual(recorded());
  });

  it('waits for nothing: records while the server is away, counts what --keep deletes, and publishes the rest later', async () => {
    await nats.kill();
    const ended = await record('--rotate-size', '40KB', '--keep', '2', '--duration', '1500ms').ended;
    await nats.restart();
    expect(ended.code).toBe(4);
    expect(ended.stderr).toMatch(
      /^warning: the NATS server .* cannot be reached: connection refused .*; trying again$/m,
    );
    const counts =
      /, (\d+) deleted before they were published; (\d+) not published yet: the next start brings them$/m.exec(
        ended.stderr,
      );
    const [deleted = 0, rest = 0] = counts?.slice(1).map(Number) ?? [];
    const told = ended.stderr.matchAll(/is deleted \(--keep\) with (\d+) lines that were not published yet/g);
    expect([...told].reduce((sum, [, count]) => sum + Number(count), 0)).toBe(deleted);
    expect(deleted).toBeGreaterThan(0);
    expect(ended.stderr).toMatch(
      new RegExp(
        `^opmas-ws: ${rest} lines are not published yet: the NATS server .*\\n.*publish spool.ndjson --to nats://`,
        'm',
      ),
    );
    const later = await sandbox.run(['publish', 'spool.ndjson', '--to', nats.urlOf('EVENTS')]);
    expect(later.code).toBe(0);
    expect(await published()).toEqual(recorded());
  });

  it('refuses a stream that is not there, before anything is recorded', async () => {
    await nats.manage((jsm) => jsm.streams.delete('EVENTS'));
    const ended = await record('--duration', '5s').ended;
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/has no stream EVENTS\n.*nats stream add EVENTS/),
    });
    expect(readdirSync(sandbox.home).filter((name) => name.startsWith('spool'))).toEqual([]);
    const without = await sandbox.run(['record', '-o', 'x.ndjson', '--create-stream']);
    expect(without).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--create-stream needs --publish/),
    });
  });

  it('goes on recording when the login is revoked, and ends with exit code 3', async () => {
    const users = (password: string) => `authorization { users: [{ user: ann, password: ${password} }] }`;
    await using own = await NatsServer.start(users('first-password'));
    const environment = { NATS_USER: 'ann', NATS_PASSWORD: 'first-password' };
    const args = [
      'record',
      '--no-token',
      '-o',
      'spool.ndjson',
      '--publish',
      own.urlOf('EVENTS'),
      '--create-stream',
    ];
    const running = sandbox.start([...args, '--duration', '2s'], { environment });
    while (!/published|connected/.test(await running.messages.next()));
    await own.kill();
    await own.restart(users('second-password'));
    const ended = await running.ended;
    expect(ended.code).toBe(3);
    expect(ended.stderr).toMatch(/rejected the login from NATS_USER: .*; trying again/);
    expect(ended.stderr).not.toMatch(/first-password/);
    expect(recorded().length).toBeGreaterThan(300);
  });

  it('keeps all lines while its credentials are revoked, tells that once, and goes on with new ones in the file', async () => {
    await using operator = await NatsOperator.start();
    const path = join(sandbox.home, 'login.creds');
    const first = operator.createUser();
    const renewed = operator.createUser();
    writeFileSync(path, first, { mode: 0o600 });
    const to = ['--publish', operator.server.urlOf('EVENTS'), '--create-stream'];
    const login = ['--nats-creds', 'login.creds'];
    const running = sandbox.start(['record', '--no-token', '-o', 'spool.ndjson', ...to, ...login]);
    const says = async (pattern: RegExp) => {
      while (!pattern.test(await running.messages.next()));
    };
    await says(/connected/);
    await operator.revoke(first);
    await says(/rejected the login from --nats-creds login\.creds: .*; reading the file and trying again$/);
    writeFileSync(path, renewed);
    await says(/^warning: publishing to nats:\S+ goes on$/);
    running.child.kill('SIGINT');
    const { stderr } = await running.ended;
    expect(stderr.match(/^warning: /gm)).toHaveLength(2);
    const stored = await operator.server.messagesOf('EVENTS', loginOf(renewed));
    expect(stored.map(({ text }) => text)).toEqual(recorded());
    expect(stderr).toMatch(new RegExp(`^${stored.length} lines published to [^,;]*$`, 'm'));
  });

  it('by event: two recorders of one server leave each event there once', async () => {
    const start = (name: string) =>
      sandbox.start([
        ...[
          'record',
          '--no-token',
          '-o',
          name,
          '--publish',
          nats.urlOf('EVENTS'),
          '--id',
          'event',
          '--duration',
          '2s',
        ],
      ]);
    const endings = await Promise.all([start('spool.ndjson').ended, start('other.ndjson').ended]);
    expect(endings.map(({ code }) => code)).toEqual([0, 0]);
    const events = (await published()).filter((line) => !line.includes('"connection":'));
    const textOf = (line: string) => line.replace(/"received_at":"[^"]*",/, '');
    expect(new Set(events.map(textOf)).size).toBe(events.length);
    expect(
      endings
        .map(({ stderr }) => /(\d+) were there already/.exec(stderr)?.[1])
        .some((count) => Number(count) > 100),
    ).toBe(true);
  });
});
