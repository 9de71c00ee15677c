import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect } from 'vitest';
import { WebSocket } from 'ws';
import { readRecording, serveRecording } from '../../../src/index.js';
import { publishRecording } from '../../../src/io/jetstream/publish-recording.js';
import { Sandbox } from '../../cli/sandbox.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { frame, text } from '../../support/raw-frames.js';
import { recordUntilClose } from '../../support/recordings.js';
import { test } from '../../support/stage.js';
import { streamUrl } from '../server/stream-client.js';

/** Events as no library writes them: odd numbers, names and characters, white space, repeats, and what looks like ours. */
const events = [
  '{"type":"x","subject":"opmas.devices.ap-1","data":{"a":1e400,"b":-0.0,"c":12345678901234567890123}}',
  '{"type":"x","subject":"opmas.devices.ap-1","data":1}',
  '{"type":"x","subject":"opmas.devices.ap-1","data":1}',
  '{"type":"x","subject":""}',
  '{"subject":"Gerät ☎ 𝄞.*.>. a%b.\\u0000\\ud800..","type":"\\u2028\u2028\u202e"}',
  ' \t{ "type" : "x" , "type":"y", "data" : "\\/\\"\\\\" } ',
  '{}',
  '{"received_at":"2026-11-22T21:50:00.000000Z","endpoint":"rules","type":"x"}',
  '{"event":{"endpoint":1}}',
  '{"connection":{"state":"open"},"type":7}',
  `{"type":"x","subject":"${'long.'.repeat(1000)}","data":"${'x'.repeat(300_000)}"}`,
];
const noEvents = ['', ' ', 'hello', '{"a":NaN}', '[1,2]', '{"a":1}}', '\ufeff{"a":1}', '\u0000\n'];
const binary = ['', '\u0000\u00ff', '{"type":"x"}'];
const sent = [
  ...[...events, ...noEvents].map((payload) => ({ isBinary: false, payload: Buffer.from(payload) })),
  ...binary.map((payload) => ({ isBinary: true, payload: Buffer.from(payload, 'latin1') })),
];
const shown = ({ isBinary, payload }: { isBinary: boolean; payload: Buffer }) =>
  `${isBinary ? 'binary' : 'text'} ${payload.toString('latin1')}`;

describe.skipIf(withoutNats)(
  `from a server through NATS and back${withoutNats ? ` (${withoutNats})` : ''}`,
  () => {
    const sandbox = new Sandbox();
    afterAll(() => sandbox[Symbol.dispose]());

    const record = (url: string, name: string) => recordUntilClose(url, join(sandbox.home, name));

    async function replay(source: string): Promise<{ frames: string[]; recording: string }> {
      const options = { port: 0, speed: 'max', auth: 'none', exitWhenDone: true } as const;
      await using server = await serveRecording(source, options);
      const frames: string[] = [];
      const socket = new WebSocket(streamUrl({ url: server.url, token: '' }));
      socket.on('message', (payload: Buffer, isBinary) => frames.push(shown({ payload, isBinary })));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      const recording = await record(server.url, 'again.ndjson');
      await closed;
      return { frames, recording };
    }

    /** The messages that the lines of a recording hold. */
    async function framesIn(source: string): Promise<string[]> {
      const frames: string[] = [];
      const keep: NonNullable<Parameters<typeof readRecording>[1]>['keep'] = (line) => {
        const payload = line.payload();
        if (payload !== undefined) frames.push(shown({ payload, isBinary: line.isBinary }));
        return false;
      };
      for await (const _ of readRecording([source], { keep, strict: true }))
        throw new Error('nothing is kept');
      return frames;
    }

    test('no byte of a line or a frame changes', async ({ serve }) => {
      await using nats = await NatsServer.start();
      const api = await serve({});
      api.onRequest((connection) => {
        const frames = sent.map(({ isBinary, payload }) =>
          isBinary ? frame({ opcode: 2, payload }) : text(payload),
        );
        connection.accept(...frames).close(1000);
      });
      const linesIn = async (stream: string) =>
        (await nats.messagesOf(stream)).map((message) => `${message.text}\n`).join('');
      const one = nats.urlOf('ONE');

      const first = await record(api.url, 'first.ndjson');
      const recorded = readFileSync(first, 'utf8');
      expect(await framesIn(first)).toEqual(sent.map(shown));
      const report = await publishRecording([first], one, { createStream: true });
      expect(report.published).toBe(recorded.split('\n').length - 1);
      expect(await linesIn('ONE')).toBe(recorded);

      const { frames, recording } = await replay(one);
      expect(frames).toEqual(sent.map(shown));
      expect(await framesIn(recording)).toEqual(sent.map(shown));

      const copy = await sandbox.run(['tail', '--file', one, '-f', 'json', '--lifecycle']);
      expect(copy.stdout).toBe(recorded);
      const path = join(sandbox.home, 'copy.ndjson');
      writeFileSync(path, copy.stdout);
      await publishRecording([path], nats.urlOf('TWO'), { createStream: true, prefix: 'copy' });
      expect(await linesIn('TWO')).toBe(recorded);
    });
  },
);
