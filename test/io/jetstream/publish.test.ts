import {
  appendFileSync,
  linkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatTimestamp } from '../../../src/index.js';
import { type PublishOptions, publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { eventLine, numbered, numberedLines, RecordingFolder } from '../../support/recordings.js';
import { Relay } from '../../support/relay.js';

const MEGABYTE = 1024 * 1024;

/** Event lines that were received just now. */
function freshLines(count: number, endpoint = 'devices'): string[] {
  const now = Date.now() * 1000;
  return Array.from({ length: count }, (_, n) =>
    [
      `{"received_at":"${formatTimestamp(now + n)}","endpoint":"${endpoint}",`,
      numbered(n, endpoint).slice(1),
    ].join(''),
  );
}

describe.skipIf(withoutNats)(
  `publishing to a stream${withoutNats ? ` (${withoutNats})` : ''}`,
  { concurrent: true },
  () => {
    let server: NatsServer;
    const folder = new RecordingFolder();
    let prefixes = 0;
    beforeAll(async () => {
      server = await NatsServer.start();
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    /** Makes a stream, and what publishes to it and reads it. */
    async function target(config: Parameters<NatsServer['addStream']>[0] = {}, on = server) {
      const prefix = `t${++prefixes}`;
      const stream = await on.addStream({ subjects: [`${prefix}.>`], ...config }, prefix);
      const notices: string[] = [];
      return {
        stream,
        notices,
        publish: (lines: readonly string[], options: PublishOptions = {}) =>
          publishRecording([folder.write(lines)], options.access ? `nats:///${stream}` : on.urlOf(stream), {
            prefix,
            onNotice: (message) => notices.push(message),
            ...options,
          }),
        messages: () => on.messagesOf(stream),
        texts: async () => (await on.messagesOf(stream)).map(({ text }) => text),
        has: (count: number) => on.has(stream, count),
        count: () => on.manage(async (jsm) => (await jsm.streams.info(stream)).state.messages),
        update: (change: object) => on.manage((jsm) => jsm.streams.update(stream, change)),
      };
    }

    it('stores each line unchanged and in order, by kind, endpoint and subject; a second time changes nothing', async () => {
      const lines = [
        '{"received_at":"2026-11-22T21:50:00.000000Z","connection":{"state":"open"},"endpoint":"device/ap 7"}',
        eventLine(1, '{ "type":"x", "subject":"opmas.devices.ä","data":{"big":12345678901234567890} }'),
        '{"received_at":"2026-11-22T21:50:00.500000Z","invalid":{"reason":"not JSON","text":"a"},"endpoint":"rules"}',
        eventLine(600, '{"type":"y"}', 'agents'),
      ];
      const { publish, messages, stream } = await target();
      expect(await publish(lines)).toMatchObject({ published: 4, alreadyThere: 0, tooLarge: 0 });
      const stored = await messages();
      expect(stored.map(({ text }) => text)).toEqual(lines);
      const prefix = stream.slice(1);
      expect(stored.map(({ subject }) => subject)).toEqual([
        `${prefix}.connection.device/ap%207`,
        `${prefix}.event.devices.opmas.devices.ä`,
        `${prefix}.invalid.rules`,
        `${prefix}.event.agents.%`,
      ]);
      expect(await publish(lines)).toMatchObject({ published: 0, alreadyThere: 4, tooLarge: 0 });
      expect(await messages()).toEqual(stored);
    });

    it('keeps repeats that are in the recording', async () => {
      const lines = [1, 1, 2, 1].map((n) => eventLine(5, numbered(n)));
      const foreign = [numbered(1), numbered(1), numbered(2)];
      const { publish, texts } = await target();
      await publish(lines);
      await publish(foreign);
      await publish(lines);
      await publish(foreign);
      expect(await texts()).toEqual([...lines, ...foreign]);
    });

    it('takes a copy of a recording for the same lines', async () => {
      const lines = [1, 1, 2].map((n) => eventLine(5, numbered(n)));
      const { stream, texts } = await target();
      const files = [folder.write(lines), folder.write(lines.slice(0, 2))];
      const report = await publishRecording(files, server.urlOf(stream), { prefix: stream.slice(1) });
      expect(report).toMatchObject({ published: 3, alreadyThere: 2, tooLarge: 0 });
      expect((await texts()).sort()).toEqual(lines.sort());
    });

    it('changes nothing either when the stream has forgotten the ids', async () => {
      const { publish, texts, notices } = await target({ duplicate_window: 100_000_000 });
      const lines = numberedLines(0, 3000, 1);
      await publish(lines.slice(0, 2000));
      await delay(400);
      expect(await publish(lines)).toMatchObject({ published: 1000, alreadyThere: 2000, tooLarge: 0 });
      expect(await texts()).toEqual(lines);
      expect(notices[0]).toMatch(/window of the stream \S+ is only 0\.1 s; make it longer: nats stream edit/);
    });

    it('goes on after the server was killed: all lines once, and in order', async () => {
      await using own = await NatsServer.start();
      const { publish, texts, has, notices } = await target({}, own);
      const lines = freshLines(12_000);
      const publishing = publish(lines);
      await has(1000);
      await own.kill();
      while (notices.length === 0) await delay(5);
      await own.restart();
      const report = await publishing;
      expect(report.published + report.alreadyThere).toBe(lines.length);
      expect(await texts()).toEqual(lines);
      expect(notices).toEqual([expect.stringMatching(/; trying again$/), expect.stringMatching(/goes on$/)]);
    });

    it('sends no line twice whose acknowledgement was lost in an outage that is longer than the window of the stream', async () => {
      await using relay = await Relay.start(server.port);
      const { publish, texts, has, count } = await target({ duplicate_window: 100_000_000 });
      const lines = freshLines(12_000);
      const publishing = publish(lines, { access: { servers: [`127.0.0.1:${relay.port}`] } });
      await has(1000);
      relay.mute();
      for (let before = -1, now = 0; now > before; now = await count()) {
        before = now;
        await delay(200);
      }
      relay.reset();
      expect(await publishing).toMatchObject({ published: lines.length, alreadyThere: 0, tooLarge: 0 });
      expect(await texts()).toEqual(lines);
    });

    it('publishes lines whose times go back, and a second time changes nothing', async () => {
      const { publish, texts } = await target();
      const [first = '', ...others] = freshLines(600);
      const lines = [first, eventLine(1, '{"type":"x"}'), '{"type":"without a time"}', ...others];
      expect(await publish(lines)).toMatchObject({ published: lines.length, alreadyThere: 0 });
      expect(await publish(lines)).toMatchObject({ published: 0, alreadyThere: lines.length });
      expect(await texts()).toEqual(lines);
    });

    it('reads the whole stream once for a recording whose times go back with each line', async () => {
      await using relay = await Relay.start(server.port);
      let sent = '';
      relay.onSent = (chunk) => {
        sent += chunk.toString('latin1');
      };
      const { publish, texts } = await target({ duplicate_window: 100_000_000 });
      const access = { servers: [`127.0.0.1:${relay.port}`] };
      const lines = numberedLines(0, 20, 600_000).reverse();
      await publish(lines);
      await delay(400);
      expect(await publish(lines, { access })).toMatchObject({ published: 0, alreadyThere: lines.length });
      expect(await texts()).toEqual(lines);
      // One to look back from the first line, and one to look back to the start.
      expect(sent.split('$JS.API.CONSUMER.CREATE').length - 1).toBe(2);
    });

    it('ends at once when it is stopped, also while a server does not answer', async () => {
      await using relay = await Relay.start(server.port);
      relay.freeze();
      const { publish } = await target();
      const access = { servers: [`127.0.0.1:${relay.port}`] };
      const startedAt = performance.now();
      await publish(freshLines(1), { access, signal: AbortSignal.timeout(100) });
      // An attempt to connect may take 5 s.
      expect(performance.now() - startedAt).toBeLessThan(4500);
    });

    it('follows a compressed recording that has no data yet', async () => {
      const { stream } = await target();
      const path = `${folder.write([])}.gz`;
      writeFileSync(path, '');
      const options = { prefix: stream.slice(1), follow: true, signal: AbortSignal.timeout(300) };
      expect(await publishRecording([path], server.urlOf(stream), options)).toMatchObject({ rest: 0 });
    });

    it('leaves out and counts lines that the server or the stream does not take', async () => {
      const { publish, texts, update, notices } = await target();
      const lines = [1, 2 * MEGABYTE, 3, MEGABYTE - 50, 5].map((length, n) =>
        eventLine(n, `{"type":"x","data":"${'x'.repeat(length)}"}`),
      );
      expect(await publish(lines)).toMatchObject({ published: 3, alreadyThere: 0, tooLarge: 2 });
      expect(await texts()).toEqual([lines[0], lines[2], lines[4]]);
      expect(notices).toEqual([
        expect.stringMatching(
          /^a line of \d{7} bytes is left out of the stream: with its id it is a message of \d{7} bytes, and the stream takes 1048576$/,
        ),
      ]);
      await update({ max_msg_size: 1000 });
      const more = [10, 5000, 20].map((length, n) => eventLine(n, `{"data":"${'y'.repeat(length)}"}`));
      expect(await publish(more)).toMatchObject({ published: 2, alreadyThere: 0, tooLarge: 1 });
    });

    it('waits while the stream is full, and loses nothing', async () => {
      const { publish, texts, update, has, notices } = await target({ discard: 'new', max_msgs: 2000 });
      const lines = freshLines(5000);
      const publishing = publish(lines);
      await has(2000);
      while (notices.length === 0) await delay(20);
      // The next attempt fails, too.
      await delay(600);
      await update({ max_msgs: 10_000 });
      expect(await publishing).toMatchObject({ published: 5000, alreadyThere: 0, tooLarge: 0 });
      expect(await texts()).toEqual(lines);
      expect(notices).toEqual([
        expect.stringMatching(/is full: maximum messages exceeded; trying again$/),
        expect.stringMatching(/goes on$/),
      ]);
    });

    it('tells a trouble that comes and goes once', async () => {
      const { publish, update, has, notices, texts } = await target({ discard: 'new', max_msgs: 20 });
      const lines = freshLines(60);
      const publishing = publish(lines);
      for (let room = 20; room < lines.length; room += 20) {
        await has(room);
        while (notices.length === 0) await delay(20);
        // The next attempt fails, too.
        await delay(600);
        await update({ max_msgs: room + 20 });
      }
      await publishing;
      expect(await texts()).toEqual(lines);
      expect(notices).toEqual([expect.stringMatching(/is full: /), expect.stringMatching(/goes on$/)]);
    });

    it('counts lines that were removed from the stream, and says when they can be published again', async () => {
      const { publish, stream, texts } = await target();
      const lines = freshLines(9);
      await publish(lines);
      await server.manage((jsm) => jsm.streams.purge(stream, { seq: 4 }));
      await server.manage((jsm) => jsm.streams.deleteMessage(stream, 6));
      const report = await publish(lines);
      expect(report).toMatchObject({ published: 0, alreadyThere: 5, removed: 4 });
      expect(report.shortfall).toMatchObject({
        code: 'INCOMPLETE',
        message: expect.stringContaining('they were removed from it, but NATS still knows their ids'),
        hint: 'Publish them again when its duplicate window of 120 s has passed.',
      });
      await server.manage((jsm) => jsm.streams.update(stream, { duplicate_window: 1e8 }));
      await delay(300);
      expect(await publish(lines)).toMatchObject({ published: 4, removed: 0, shortfall: undefined });
      expect((await texts()).sort()).toEqual(lines);
    });

    it('refuses lines by the other kind of ids, which would be there twice', async () => {
      for (const [ids, other] of [
        ['line', 'event'],
        ['event', 'line'],
      ] as const) {
        const { publish, texts, stream } = await target();
        const lines = freshLines(3);
        await publish([...lines, lines[2]!], { ids });
        await expect(publish(lines, { ids: other })).rejects.toMatchObject({
          code: 'USAGE',
          message: `the lines in the stream ${stream} have ids of the kind ${ids}, so lines with others would double them: use \`ids: '${ids}'\``,
        });
        expect(new Set(await texts())).toEqual(new Set(lines));
      }
    });

    it('publishes to a stream whose last event is not ours', async () => {
      const { publish, stream } = await target();
      const subject = `${stream.slice(1)}.event.devices`;
      await server.connected(async (nc) => nc.request(subject, '{"type":"x"}'));
      expect(await publish(freshLines(2))).toMatchObject({ published: 2 });
    });

    it.each([
      [{ retention: 'workqueue' }, /with the retention workqueue/],
      [{ no_ack: true }, /it acknowledges nothing/],
    ] as const)('refuses a stream with %j', async (config, message) => {
      const { publish } = await target(config);
      await expect(publish(freshLines(1))).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringMatching(message),
        hint: expect.stringContaining('nats stream add NAME'),
      });
    });

    it('warns of a stream that drops lines for which no consumer waits', async () => {
      const { publish, notices } = await target({ retention: 'interest' });
      await publish(freshLines(1));
      expect(notices).toEqual([expect.stringMatching(/drops lines for which no consumer waits$/)]);
    });

    it('folds the events of two recorders, within the window and after it, and counts them', async () => {
      const { publish, texts, update } = await target();
      const one = freshLines(160);
      // The other recorder has its own times.
      const other = one.map((line) => line.replace(/\d{3}Z/, '999Z'));
      expect(await publish(one.slice(0, 100), { ids: 'event' })).toMatchObject({ published: 100 });
      expect(await publish(other.slice(50, 120), { ids: 'event' })).toMatchObject({
        published: 20,
        alreadyThere: 50,
      });
      await update({ duplicate_window: 100_000_000 });
      await delay(400);
      expect(await publish(other, { ids: 'event' })).toMatchObject({ published: 40, alreadyThere: 120 });
      expect(await texts()).toHaveLength(160);
    });

    it('follows a recording whose parts are deleted, also into a new part that has the inode of a deleted one', async () => {
      const { stream, texts, has } = await target();
      const path = folder.write([]);
      const part = (n: number) => path.replace('.ndjson', `.00000${n}.ndjson`);
      const stop = new AbortController();
      const options = { prefix: stream.slice(1), follow: true, signal: stop.signal };
      const following = publishRecording([path], server.urlOf(stream), options);
      const lines = freshLines(9);
      const textOf = (first: number) =>
        lines
          .slice(first, first + 3)
          .map((line) => `${line}\n`)
          .join('');
      appendFileSync(path, textOf(0));
      await has(3);
      linkSync(path, `${path}.inode`);
      renameSync(path, part(1));
      writeFileSync(path, textOf(3));
      await has(6);
      unlinkSync(part(1));
      renameSync(path, part(2));
      writeFileSync(`${path}.inode`, textOf(6));
      renameSync(`${path}.inode`, path);
      await has(9);
      stop.abort();
      // The last acknowledgement may be under way.
      await following;
      expect(await texts()).toEqual(lines);
    });

    it('counts the lines of parts that were deleted before they were read, and tells them', async () => {
      await using own = await NatsServer.start();
      const { stream, texts, has, notices } = await target({}, own);
      const [first = '', ...lines] = freshLines(9);
      const path = folder.write([first]);
      const part = (n: number) => path.replace('.ndjson', `.00000${n}.ndjson`);
      const stop = new AbortController();
      const following = publishRecording([path], own.urlOf(stream), {
        prefix: stream.slice(1),
        follow: true,
        signal: stop.signal,
        onNotice: (message) => notices.push(message),
      });
      await has(1);
      await own.kill();
      for (const n of [1, 2, 3]) {
        renameSync(path, part(n));
        writeFileSync(path, `${lines.slice(0, n).join('\n')}\n`);
        await delay(800);
      }
      for (const n of [2, 3]) unlinkSync(part(n));
      await delay(800);
      stop.abort();
      expect(await following).toMatchObject({ rest: 3 });
      // The second part was being read, so it could have been published until now.
      expect(notices.filter((notice) => /deleted/.test(notice))).toEqual(
        [2, 3].map(
          (lines) => `lines of ${path} that were deleted before they were published so far: ${lines}`,
        ),
      );
      await own.restart();
      expect(await texts()).toEqual([first]);
    });

    it('goes on with a recording that is truncated, and publishes no line twice that is there again', async () => {
      const { stream, texts, has, notices } = await target();
      const lines = freshLines(7);
      const path = folder.write(lines.slice(0, 3));
      const stop = new AbortController();
      const following = publishRecording([path], server.urlOf(stream), {
        prefix: stream.slice(1),
        follow: true,
        signal: stop.signal,
        onNotice: (message) => notices.push(message),
      });
      await has(3);
      writeFileSync(path, [lines[0], lines[3], ''].join('\n'));
      await has(4);
      truncateSync(path);
      appendFileSync(path, `${lines.slice(4).join('\n')}\n`);
      await has(7);
      stop.abort();
      await following;
      expect(await texts()).toEqual(lines);
      expect(new Set(notices)).toEqual(new Set([`${path} was truncated: reading goes on from its start`]));
    });

    it('ends with the error of a source that fails while the server is away', async () => {
      await using own = await NatsServer.start();
      const { stream, has, notices } = await target({}, own);
      const stdin = new PassThrough();
      stdin.write(freshLines(2).join('\n'));
      const publishing = publishRecording(['-'], own.urlOf(stream), {
        prefix: stream.slice(1),
        stdin,
        onNotice: (message) => notices.push(message),
      });
      publishing.catch(() => undefined);
      await has(1);
      await own.kill();
      while (notices.length === 0) await delay(20);
      stdin.destroy(new Error('the pipe broke'));
      await delay(50);
      await own.restart();
      await expect(publishing).rejects.toMatchObject({
        code: 'LOCAL',
        message: expect.stringMatching(/the pipe broke/),
      });
    });

    it('keeps lines that a recording repeats in several parts, also when publishing is ended between them', async () => {
      const { stream, texts, has } = await target();
      const [header = '', first = '', second = '', third = ''] = freshLines(4);
      const path = folder.write([header, first, first]);
      const stop = new AbortController();
      const options = { prefix: stream.slice(1), follow: true };
      const following = publishRecording([path], server.urlOf(stream), { ...options, signal: stop.signal });
      await has(3);
      for (const n of [1, 2]) {
        renameSync(path, path.replace('.ndjson', `.00000${n}.ndjson`));
        writeFileSync(path, `${header}\n`);
        await has(3 + n);
      }
      stop.abort();
      await following;
      const rest = [first, second, header, third];
      appendFileSync(path, `${rest.slice(0, 2).join('\n')}\n`);
      renameSync(path, path.replace('.ndjson', '.000003.ndjson'));
      writeFileSync(path, `${rest.slice(2).join('\n')}\n`);
      await publishRecording([path], server.urlOf(stream), { ...options, follow: false });
      expect(await texts()).toEqual([header, first, first, header, header, ...rest]);
    });

    it('publishes a new recording under the name of an old one, and says only that the old one is gone', async () => {
      const { stream, texts, has, notices } = await target();
      const [old = '', ...lines] = freshLines(3);
      const path = folder.write([old]);
      const stop = new AbortController();
      const options = { prefix: stream.slice(1), onNotice: (message: string) => notices.push(message) };
      const following = publishRecording([path], server.urlOf(stream), {
        ...options,
        follow: true,
        signal: stop.signal,
      });
      await has(1);
      stop.abort();
      await following;
      writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
      await publishRecording([path], server.urlOf(stream), options);
      expect(await texts()).toEqual([old, ...lines]);
      expect(notices).toEqual([
        `the part of ${path} at which publishing ended the last time is gone: if it had further lines, they are not published`,
      ]);
    });

    it('follows a recording through a symbolic link, and goes on with the file that comes after a deleted one', async () => {
      const { stream, texts, has } = await target();
      const path = folder.write([]);
      const link = `${path}.link`;
      symlinkSync(path, link);
      const stop = new AbortController();
      const options = { prefix: stream.slice(1), follow: true, signal: stop.signal };
      const following = publishRecording([link, path], server.urlOf(stream), options);
      const lines = freshLines(4);
      for (const [n, line] of lines.entries()) {
        // The parts of an earlier time are no part of what comes after it.
        if (n === 2) writeFileSync(path.replace('.ndjson', '.000001.ndjson'), '');
        if (n === 3) unlinkSync(path);
        appendFileSync(path, `${line}\n`);
        await has(n + 1);
      }
      stop.abort();
      const { alreadyThere } = await following;
      expect(alreadyThere).toBeLessThanOrEqual(lines.length);
      expect(await texts()).toEqual(lines);
    });

    it('ends with an error that names the cause when the login is revoked', async () => {
      const users = (password: string) => `authorization { users: [{ user: ann, password: ${password} }] }`;
      await using own = await NatsServer.start(users('first-password'));
      const login = { user: 'ann', pass: 'first-password' };
      await own.manage((jsm) => jsm.streams.add({ name: 'S', subjects: ['opmas-ws.>'] }), login);
      const publish = () =>
        publishRecording([folder.write(freshLines(12_000))], own.urlOf('S'), {
          access: { user: 'ann', password: 'first-password', source: 'NATS_USER' },
        });
      const publishing = publish();
      publishing.catch(() => undefined);
      await own.has('S', 1000, login);
      await own.kill();
      await own.restart(users('second-password'));
      await expect(publishing).rejects.toMatchObject({
        code: 'AUTH',
        message: expect.stringMatching(/NATS_USER/),
      });
      await expect(publishing).rejects.not.toThrow(/first-password/);
      const { state } = await own.manage((jsm) => jsm.streams.info('S'), {
        ...login,
        pass: 'second-password',
      });
      expect(state.messages).toBeLessThan(12_000);
    });
  },
);
