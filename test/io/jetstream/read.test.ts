import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  inspectRecording,
  linesOf,
  parseBaseUrl,
  type ReadRecordingOptions,
  readRecording,
  serveRecording,
  subscribe,
  tokenFromText,
} from '../../../src/index.js';
import { publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { eventLine, numbered, numberedLines, RecordingFolder, stamp } from '../../support/recordings.js';

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
    expect(await read({ last: 7 })).toEqual(lines.slice(-7));
    expect(await read({ from: 10_000, to: 11_000 })).toEqual(lines.slice(100, 111));
    const report = await inspectRecording(server.urlOf('EVENTS'), { to: 1000 });
    expect(report.events).toBe(11);
  });

  it('may have nothing of the time that is asked for', async () => {
    const problems: string[] = [];
    const onProblem = ({ message }: { message: string }) => void problems.push(message);
    const report = await inspectRecording(server.urlOf('EVENTS'), {
      from: '2100-01-01T00:00:00Z',
      onProblem,
    });
    expect(report.events).toBe(0);
    expect(problems).toEqual([expect.stringMatching(/the stream has no line of that time$/)]);
  });

  it('is merged with files by time', async () => {
    const between = eventLine(150, numbered(7, 'agents'), 'agents');
    const merged: string[] = [];
    for await (const batch of readRecording([folder.write([between]), server.urlOf('EVENTS')])) {
      for (const line of linesOf(batch)) merged.push(line.endpoint ?? '');
    }
    expect(merged.slice(0, 4)).toEqual(['devices', 'devices', 'agents', 'devices']);
  });

  it('is followed, also when the server was killed meanwhile', async () => {
    const stop = new AbortController();
    const found: string[] = [];
    const following = (async () => {
      const options = { follow: true, signal: stop.signal, from: -100 };
      for await (const { bytes } of readRecording(server.urlOf('EVENTS'), options)) {
        found.push(...bytes.toString().split('\n').slice(0, -1));
      }
    })();
    const has = async (count: number) => {
      while (found.length < count) await delay(20);
    };
    await has(2);
    const later = [3001, 3002].map((n) => eventLine(n * 100, numbered(n)));
    await publish(later.slice(0, 1));
    await has(3);
    await server.kill();
    await server.restart();
    await publish(later.slice(1));
    await has(4);
    stop.abort();
    await following;
    expect(found).toEqual([...lines.slice(-2), ...later]);
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

  it('is refused when there is none, or it has other subjects', async () => {
    await expect(inspectRecording(server.urlOf('NOPE'))).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringMatching(/^Make it: nats stream add NOPE.*$/),
    });
    await expect(read({ nats: { prefix: 'other' } })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
