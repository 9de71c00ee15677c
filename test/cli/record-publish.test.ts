import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MockServer, startMockServer } from '../../src/index.js';
import { loginOf, NatsOperator } from '../support/nats-operator.js';
import { NatsServer, withoutNats } from '../support/nats-server.js';
import { delayedTimers } from '../support/time-limits.js';
import { type Ended, type Running, Sandbox } from './sandbox.js';

/** A recorder in a home folder of its own, and a stream of its own. */
class Stage implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly nats: NatsServer;
  readonly #isShared: boolean;
  readonly #stream: string;

  private constructor(api: MockServer, nats: NatsServer, isShared: boolean, stream: string) {
    this.sandbox = new Sandbox({ OPMAS_URL: api.url });
    this.nats = nats;
    this.#isShared = isShared;
    this.#stream = stream;
  }

  get #to(): string[] {
    return ['--to', this.nats.urlOf(this.#stream), '--subject-prefix', this.#stream.slice(1)];
  }

  /** @param shared The server; a test that kills it has its own. */
  static async open(api: MockServer, shared?: NatsServer): Promise<Stage> {
    const nats = shared ?? (await NatsServer.start());
    return new Stage(api, nats, shared !== undefined, await nats.addStream());
  }

  record(more: readonly string[], name = 'spool.ndjson'): Running {
    const [, ...to] = this.#to;
    return this.sandbox.start(['record', '--no-token', '-o', name, '--append', '--publish', ...to, ...more]);
  }

  /** Publishes what the recorders have left. */
  publish(): Promise<Ended> {
    return this.sandbox.run(['publish', 'spool.ndjson', ...this.#to]);
  }

  async published(): Promise<string[]> {
    return (await this.nats.messagesOf(this.#stream)).map(({ text }) => text);
  }

  has(count: number): Promise<void> {
    return this.nats.has(this.#stream, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sandbox[Symbol.dispose]();
    if (!this.#isShared) await this.nats[Symbol.asyncDispose]();
  }
}

/** The lines of all parts, in order. */
function recordedIn({ home }: Sandbox): string[] {
  const names = readdirSync(home).filter((name) => /^spool(\.\d+)?\.ndjson$/.test(name));
  const texts = names.sort().map((name) => readFileSync(join(home, name), 'utf8'));
  return texts.join('').split('\n').slice(0, -1);
}

describe.skipIf(withoutNats)(
  `record --publish${withoutNats ? ` (${withoutNats})` : ''}`,
  { concurrent: true },
  () => {
    let api: MockServer;
    let shared: NatsServer;
    beforeAll(async () => {
      api = await startMockServer({ port: 0, rate: 300, auth: 'none' });
      shared = await NatsServer.start();
    });
    afterAll(async () => {
      await shared?.[Symbol.asyncDispose]();
      await api?.close();
    });

    it('publishes all parts, each line once and in order, though server and recorder are killed', async () => {
      await using stage = await Stage.open(api);
      const { nats, sandbox } = stage;
      const rotation = ['--rotate-size', '60KB'];
      const first = stage.record(rotation);
      await stage.has(300);
      await nats.kill();
      await delay(300);
      await nats.restart();
      await stage.has(1000);
      first.child.kill('SIGKILL');
      await first.ended;
      const ended = await stage.record([...rotation, '--duration', '1s']).ended;
      expect(ended.stdout).toBe('');
      const [, missing = '0'] =
        /^\d+ lines published to nats:[^\s;]+.*?(?:; (\d+) not published yet.*)?$/m.exec(ended.stderr) ?? [];
      // A busy machine may need more than the 5 s at the end.
      expect(ended.code, ended.stderr).toBe(missing === '0' ? 0 : 4);
      expect(await stage.publish()).toMatchObject({ code: 0 });
      expect(readdirSync(sandbox.home).filter((name) => name.endsWith('.ndjson')).length).toBeGreaterThan(3);
      expect(await stage.published()).toEqual(recordedIn(sandbox));
    });

    it('waits for nothing: records while the server is away, counts what --keep deletes, and publishes the rest later', async () => {
      await using stage = await Stage.open(api);
      const { nats, sandbox } = stage;
      await nats.kill();
      const ended = await stage.record([
        '--rotate-size',
        '40KB',
        '--keep',
        '2',
        '--id',
        'event',
        '-n',
        '1000',
        '--status',
        's.json',
      ]).ended;
      await nats.restart();
      expect(ended.code).toBe(4);
      expect(ended.stderr).toMatch(
        /^warning: the NATS server .* cannot be reached: connection refused .*; trying again$/m,
      );
      const counts =
        /, (\d+) deleted before they were published, with the lines that repeat the connections in each part; (\d+) not published yet: the next start brings them$/m.exec(
          ended.stderr,
        );
      const [deleted = 0, rest = 0] = counts?.slice(1).map(Number) ?? [];
      const told = ended.stderr.matchAll(
        /is deleted \(--keep\) with (\d+) lines that were not published yet/g,
      );
      expect([...told].reduce((sum, [, count]) => sum + Number(count), 0)).toBe(deleted);
      expect(deleted).toBeGreaterThan(0);
      expect(JSON.parse(readFileSync(join(sandbox.home, 's.json'), 'utf8'))).toMatchObject({
        publishing: false,
        publishing_error: expect.stringMatching(/cannot be reached/),
        published: 0,
        unpublished: rest,
        deleted_unpublished: deleted,
        last_error: null,
      });
      const [, number, command = ''] =
        /^opmas-ws: (\d+) lines are not published yet: the NATS server .*\n.* or: opmas-ws (.*)$/m.exec(
          ended.stderr,
        ) ?? [];
      expect(Number(number)).toBe(rest);
      expect(await sandbox.run(command.split(' '))).toMatchObject({ code: 0 });
      expect(await stage.published()).toHaveLength(rest);
      const again = await sandbox.run(command.split(' '));
      expect(again.stderr).toMatch(/^nothing new since the last time, which ended with line \d+\n$/);
      expect(await stage.published()).toEqual(recordedIn(sandbox));
    });

    it('does not blame --keep for a part that someone else has deleted', async () => {
      await using stage = await Stage.open(api);
      const { nats, sandbox } = stage;
      await nats.kill();
      const { child, messages, ended } = stage.record(['--rotate-size', '4KB']);
      const part = join(sandbox.home, 'spool.000002.ndjson');
      while (!existsSync(part)) await delay(50);
      // The publisher looks for parts twice a second, and then knows their lines.
      await delay(3000);
      rmSync(part);
      await messages.next((line) => /^warning: a part of spool.ndjson is deleted with \d+ line/.test(line));
      await nats.restart();
      await stage.has(1);
      child.kill('SIGINT');
      expect((await ended).stderr).not.toContain('--keep');
    });

    it('refuses a stream that is not there, before anything is recorded', async () => {
      // The recording begins without an answer after 3 s, which a busy server may need.
      using sandbox = new Sandbox({ OPMAS_URL: api.url });
      const ended = await sandbox.run(
        [
          ...[
            'record',
            '--no-token',
            '-o',
            'spool.ndjson',
            '--publish',
            shared.urlOf('NOPE'),
            '--duration',
            '5s',
          ],
        ],
        { environment: delayedTimers(3000) },
      );
      expect(ended).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/has no stream NOPE\n.*nats stream add NOPE/),
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
      using sandbox = new Sandbox({ OPMAS_URL: api.url, NATS_USER: 'ann', NATS_PASSWORD: 'first-password' });
      const to = ['--publish', own.urlOf('EVENTS'), '--create-stream'];
      const running = sandbox.start([...['record', '--no-token', '-o', 'spool.ndjson', ...to, '-n', '2000']]);
      while (!/published|connected/.test(await running.messages.next()));
      await own.kill();
      await own.restart(users('second-password'));
      const ended = await running.ended;
      expect(ended.code).toBe(3);
      expect(ended.stderr).toMatch(/rejected the login from NATS_USER: .*; trying again/);
      expect(ended.stderr).not.toMatch(/first-password/);
      expect(recordedIn(sandbox).length).toBeGreaterThan(2000);
    });

    it('keeps all lines while its credentials are revoked, tells that once, and goes on with new ones in the file', async () => {
      await using operator = await NatsOperator.start();
      using sandbox = new Sandbox({ OPMAS_URL: api.url });
      const path = join(sandbox.home, 'login.creds');
      const first = operator.createUser();
      const renewed = operator.createUser();
      writeFileSync(path, first, { mode: 0o600 });
      const to = ['--publish', operator.server.urlOf('EVENTS'), '--create-stream'];
      const login = ['--nats-creds', 'login.creds'];
      const words = ['record', '--no-token', '-o', 'spool.ndjson', ...to, ...login];
      // A busy machine may need more than the 5 s at the end for what is left.
      const running = sandbox.start(words, { environment: delayedTimers(5000) });
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
      // On a busy machine the loss of the connection may be told first.
      expect(stderr.match(/^warning: .*(rejected the login|goes on).*/gm)).toHaveLength(2);
      // A context of the nats command may name the file, too.
      const contexts = join(sandbox.home, '.config/nats/context');
      mkdirSync(contexts, { recursive: true });
      const context = { url: operator.server.host, creds: '~/login.creds' };
      writeFileSync(join(contexts, 'site.json'), JSON.stringify(context), { mode: 0o600 });
      const named = ['--to', 'nats:///EVENTS', '--nats-context', 'site'];
      const again = await sandbox.run(['publish', 'spool.ndjson', ...named]);
      expect(again.code, again.stderr).toBe(0);
      const stored = await operator.server.messagesOf('EVENTS', loginOf(renewed));
      expect(stored.map(({ text }) => text)).toEqual(recordedIn(sandbox));
      const counts = stderr.matchAll(/(\d+) (?:lines published to|were there already|not published yet)/g);
      expect(
        [...counts].reduce((sum, [, count]) => sum + Number(count), 0),
        stderr,
      ).toBe(stored.length);
    });

    it('says how many lines are not published when it is forced to exit', async () => {
      await using stage = await Stage.open(api);
      const { child, messages, ended } = stage.record([]);
      await stage.has(100);
      process.kill(stage.nats.pid, 'SIGSTOP');
      await delay(500);
      child.kill('SIGINT');
      while (!/^publishing the rest/.test(await messages.next()));
      child.kill('SIGINT');
      const { signal, stderr } = await ended;
      expect(signal).toBe('SIGINT');
      const [, rest] = /^warning: not published yet: up to (\d+) lines$/m.exec(stderr) ?? [];
      expect(Number(rest), stderr).toBeGreaterThan(0);
      expect(Number(rest), stderr).toBeLessThanOrEqual(recordedIn(stage.sandbox).length);
    });

    it('by event: two recorders of one server leave each event there once', async () => {
      await using stage = await Stage.open(api, shared);
      const byEvent = ['--id', 'event'];
      const recorders = [stage.record(byEvent), stage.record(byEvent, 'other.ndjson')];
      for (const { messages } of recorders) while (!/connected/.test(await messages.next()));
      // Both get these.
      await stage.has((await stage.published()).length + 400);
      for (const { child } of recorders) child.kill('SIGINT');
      const endings = await Promise.all(recorders.map(({ ended }) => ended));
      expect(endings.map(({ signal }) => signal)).toEqual(['SIGINT', 'SIGINT']);
      const events = (await stage.published()).filter((line) => !line.includes('"connection":'));
      const textOf = (line: string) => line.replace(/"received_at":"[^"]*",/, '');
      expect(new Set(events.map(textOf)).size).toBe(events.length);
      expect(
        endings
          .map(({ stderr }) => /(\d+) were there already/.exec(stderr)?.[1])
          .some((count) => Number(count) > 0),
      ).toBe(true);
    });
  },
);
