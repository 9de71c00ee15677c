import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  inspectRecording,
  linesOf,
  parseBaseUrl,
  type ReadProblem,
  type ReadRecordingOptions,
  readRecording,
  serveRecording,
  subscribe,
  tokenFromText,
} from '../../../src/index.js';
import { connectNats } from '../../../src/io/jetstream/connect.js';
import { openMessages } from '../../../src/io/jetstream/messages.js';
import { publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import { targetOf } from '../../../src/io/jetstream/target.js';
import { Following } from '../../support/following.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { eventLine, numbered, numberedLines, RecordingFolder, stamp } from '../../support/recordings.js';
import { Relay } from '../../support/relay.js';

describe.skipIf(withoutNats)(`a stream as a recording${withoutNats ? ` (${withoutNats})` : ''}`, () => {
  let server: NatsServer;
  const folder = new RecordingFolder();
  const lines = numberedLines(0, 3000, 100);
  const publish = (more: readonly string[]) =>
    publishRecording([folder.write(more)], server.urlOf('EVENTS'), { createStream: true });
  beforeAll(async () => {
    server = await NatsServer.start();
    await publish(lines);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  async function read(options: ReadRecordingOptions = {}, stream = 'EVENTS'): Promise<string[]> {
    const pieces: Buffer[] = [];
    for await (const { bytes } of readRecording(server.urlOf(stream), options))
      pieces.push(Buffer.from(bytes));
    return Buffer.concat(pieces).toString().split('\n').slice(0, -1);
  }

  it('gives back each byte', async () => {
    expect(await read()).toEqual(lines);
  });

  it('is read in part by time, from its start and from its end', async () => {
    expect(await read({ from: stamp(250_000) })).toEqual(lines.slice(2500));
    expect(await read({ from: -1000 })).toEqual(lines.slice(-11));
    let bytes = 0;
    const onRead = (more: number) => {
      bytes += more;
    };
    expect(await read({ last: 7, onRead })).toEqual(lines.slice(-7));
    // The rest of the stream is not read for that.
    expect(bytes).toBeLessThan(100 * lines[0]!.length);
    expect(await read({ from: 10_000, to: 11_000 })).toEqual(lines.slice(100, 111));
    const report = await inspectRecording(server.urlOf('EVENTS'), { to: 1000 });
    expect(report.events).toBe(11);
  });

  it('may have nothing of the time that is asked for', async () => {
    const problems: ReadProblem[] = [];
    const onProblem = (problem: ReadProblem) => void problems.push(problem);
    const report = await inspectRecording(server.urlOf('EVENTS'), {
      from: '2100-01-01T00:00:00Z',
      strict: true,
      onProblem,
    });
    expect(report.events).toBe(0);
    expect(problems).toMatchObject([
      { kind: 'selection', message: `no line is from that time: the recording ends at ${stamp(299_900)}` },
    ]);
  });

  it('is no recording while it has no lines, as an empty file', async () => {
    await server.addStream({ name: 'EMPTY' }, 'empty');
    const nats = { prefix: 'empty' };
    const sources = [server.urlOf('EMPTY')];
    const refused = { code: 'DATA', message: `${sources[0]} has no lines` };
    await expect(inspectRecording(sources, { nats })).rejects.toMatchObject(refused);
    await expect(serveRecording(sources, { nats, port: 0 })).rejects.toMatchObject(refused);
    const messages: string[] = [];
    const onProblem = ({ message }: ReadProblem) => void messages.push(message);
    await inspectRecording([...sources, folder.write(lines.slice(0, 1))], { nats, onProblem });
    expect(messages).toEqual([expect.stringMatching(/the stream has no lines$/)]);
    await using following = new Following(sources, { nats });
    await server.connected(async (nc) => nc.publish('empty.event.devices.x', lines[3]));
    await following.lines.count(1);
    expect(following.messages.all).toEqual([]);
  });

  it.each([
    { length: 300, most: 2000 },
    { length: 1_000_000, most: 16 },
  ])(
    'has few long lines or many short ones wait in memory: lines of $length bytes',
    async ({ length, most }) => {
      const prefix = `size-${length}`;
      const stream = await server.addStream({}, prefix);
      await server.connected(async (nc) => {
        for (let n = 0; n < 20; n++) nc.publish(`${prefix}.event.x`, new Uint8Array(length));
        await nc.flush();
      });
      await server.has(stream, 20);
      const { address, access } = targetOf(server.urlOf(stream));
      const link = await connectNats(address, access);
      const { messages, end } = (await openMessages(link, { stream, prefix }))!;
      const pulled = messages.status();
      await messages[Symbol.asyncIterator]().next();
      for await (const status of pulled) {
        if (status.type !== 'next') continue;
        expect(status.options).toMatchObject({ batch: most });
        break;
      }
      end();
      await link.nc.close();
    },
  );

  it('is merged with files by time', async () => {
    const between = eventLine(150, numbered(7, 'agents'), 'agents');
    const merged: string[] = [];
    for await (const batch of readRecording([folder.write([between]), server.urlOf('EVENTS')])) {
      for (const line of linesOf(batch)) merged.push(line.endpoint ?? '');
    }
    expect(merged.slice(0, 4)).toEqual(['devices', 'devices', 'agents', 'devices']);
  });

  it.each([
    { kinds: ['stream'] },
    { kinds: ['stream', 'file'] },
    { kinds: ['file', 'stream'] },
    { kinds: ['file', 'short file'] },
    { kinds: ['stream', 'the same stream', 'file'] },
  ])('gives the last events of all sources, followed or not: $kinds', async ({ kinds }) => {
    const file = numberedLines(0, 2000, 150, 'agents');
    const urls: Record<string, () => string> = {
      stream: () => server.urlOf('EVENTS'),
      'the same stream': () => server.urlOf('EVENTS').replace('127.0.0.1', 'localhost'),
      file: () => folder.write(file),
      'short file': () => folder.write(file.slice(0, 10)),
    };
    const sources = kinds.map((kind) => urls[kind]!());
    const all = kinds.flatMap((kind) => (kind === 'short file' ? [] : kind === 'file' ? file : lines));
    const last = all.sort().slice(-3);
    for (const follow of [true, false]) {
      await using following = new Following(sources, { last: 3, follow });
      await following.lines.count(3);
      expect(following.lines.all.toSorted()).toEqual(last);
      expect(following.lines.all.map(timeOf)).toEqual(last.map(timeOf));
    }
  });

  it('is followed, also when the server was killed meanwhile, which is told once', async () => {
    await using following = new Following([server.urlOf('EVENTS')], { from: -100 });
    await following.lines.count(2);
    const later = [3001, 3002].map((n) => eventLine(n * 100, numbered(n)));
    await publish(later.slice(0, 1));
    await following.lines.count(3);
    await server.kill();
    await following.messages.count(1);
    // While it is away it stays told.
    await delay(600);
    await server.restart();
    await publish(later.slice(1));
    await following.lines.count(4);
    expect(following.lines.all).toEqual([...lines.slice(-2), ...later]);
    expect(following.messages.all).toEqual([
      expect.stringMatching(/^the NATS server \S+ cannot be reached: connection refused.*; trying again$/),
      `reading ${server.urlOf('EVENTS')} goes on`,
    ]);
  });

  it.each([{}, { last: 3 }, { from: -1000 }, { follow: true }])(
    'is read no further when it is stopped, also while a server does not answer: %j',
    async (options) => {
      await using relay = await Relay.start(server.port);
      relay.freeze();
      const url = `nats://127.0.0.1:${relay.port}/EVENTS`;
      const startedAt = performance.now();
      for await (const _ of readRecording(url, { ...options, signal: AbortSignal.timeout(100) }))
        expect.fail();
      // An attempt to connect may take 5 s.
      expect(performance.now() - startedAt).toBeLessThan(4500);
    },
  );

  it('gives each line once, also those that had come when the server was killed', async () => {
    const found: string[] = [];
    const all = await read();
    for await (const { bytes } of readRecording(server.urlOf('EVENTS'))) {
      if (found.length === 0) {
        await server.kill();
        await delay(50);
        await server.restart();
      }
      found.push(...bytes.toString().split('\n').slice(0, -1));
    }
    expect(found).toEqual(all);
  });

  it('is read from its start when it was deleted and made again, and its absence is told once', async () => {
    const url = server.urlOf('AGAIN');
    const publishAgain = (more: readonly string[]) =>
      publishRecording([folder.write(more)], url, { createStream: true, prefix: 'again' });
    await publishAgain(lines.slice(0, 5));
    const beside = folder.write([]);
    await using following = new Following([url, beside], { last: 1, nats: { prefix: 'again' } });
    await following.lines.count(1);
    await server.manage((jsm) => jsm.streams.delete('AGAIN'));
    await following.messages.count(1);
    // Other sources are read meanwhile.
    appendFileSync(beside, `${lines[7]}\n`);
    await following.lines.count(2);
    await publishAgain(lines.slice(10, 12));
    await following.lines.count(4);
    await publishAgain(lines.slice(12, 13));
    await following.lines.count(5);
    expect(following.lines.all).toEqual([lines[4], lines[7], ...lines.slice(10, 13)]);
    expect(following.messages.all).toEqual([
      `the NATS server ${server.host} has no stream AGAIN; trying again`,
      `${url} was made again: reading goes on from its start`,
    ]);
    await server.manage((jsm) => jsm.streams.delete('AGAIN'));
  });

  it('is served to clients as a file is', async () => {
    const sources = [server.urlOf('EVENTS')];
    await using replay = await serveRecording(sources, {
      port: 0,
      speed: 'max',
      to: 5000,
      exitWhenDone: true,
    });
    const frames: string[] = [];
    const stream = {
      url: parseBaseUrl(replay.url),
      endpoints: ['devices'],
      token: tokenFromText(replay.token, 'test'),
      retry: { exitOnClose: true },
      environment: {},
    };
    for await (const batch of subscribe(stream)) {
      for (const line of linesOf(batch)) if (line.kind === 'event') frames.push(line.frame.toString());
    }
    expect(frames).toEqual(lines.slice(0, 51).map((_, n) => numbered(n)));
  });

  it('may be a mirror or gather other streams, and may be sealed; nothing is published to such a one', async () => {
    const copies = [
      { name: 'MIRROR', mirror: { name: 'EVENTS' } },
      { name: 'GATHERED', sources: [{ name: 'EVENTS' }] },
    ];
    const all = await read();
    for (const config of copies) {
      await server.manage((jsm) => jsm.streams.add(config));
      await server.has(config.name, all.length);
      await server.manage(async (jsm) => {
        const sealed: object = { sealed: true };
        expect(await jsm.streams.update(config.name, sealed)).toMatchObject({ config: sealed });
      });
      expect(await read({}, config.name)).toEqual(all);
      await expect(publishRecording([folder.write(lines)], server.urlOf(config.name))).rejects.toMatchObject({
        code: 'USAGE',
        message: `the stream ${config.name} takes only the messages of other streams, but not opmas-ws.>`,
      });
    }
  });

  it('is refused when there is none, or it has other subjects, with what a reader can do', async () => {
    await server.addStream({ name: 'SITES' }, 'site-7.opmas');
    await server.addStream({ name: 'OWN' }, 'opmas');
    await server.addStream({ name: 'PART', subjects: ['part.event.>'] });
    const fails = (stream: string, prefix?: string) =>
      inspectRecording(server.urlOf(stream), { nats: { prefix } }).catch((error: unknown) => error);
    expect(await fails('NOPE')).toMatchObject({
      code: 'USAGE',
      message: `the NATS server ${server.host} has no stream NOPE`,
      hint: 'Streams there with opmas-ws.>: EVENTS',
    });
    expect(await fails('NOPE', 'nope')).toMatchObject({
      hint: expect.stringMatching(/^Streams there: E.*PART/),
    });
    expect(await fails('SITES')).toMatchObject({
      code: 'USAGE',
      message: 'the stream SITES takes site-7.opmas.>, but not opmas-ws.>',
      hint: 'If its lines have another prefix, name that: `prefix` site-7.opmas',
    });
    expect(await fails('OWN')).toMatchObject({ hint: 'Streams there with opmas-ws.>: EVENTS' });
    expect(await fails('PART', 'part')).toMatchObject({ code: 'DATA' });
    expect(await fails('EVENTS', 'other')).toMatchObject({ code: 'USAGE' });
    for (let n = 0; n < 12; n++) await server.addStream();
    expect(await fails('NOPE', 'nope')).toMatchObject({
      hint: expect.stringMatching(/(\w+, ){10}and \d+ more$/),
    });
  });
});

function timeOf(line: string): string {
  return (JSON.parse(line) as { received_at: string }).received_at;
}
