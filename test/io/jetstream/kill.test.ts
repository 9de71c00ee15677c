import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ENDPOINTS, formatTimestamp, readRecording } from '../../../src/index.js';
import { Sandbox } from '../../cli/sandbox.js';
import { NatsServer, withoutNats } from '../../support/nats-server.js';
import { numbered } from '../../support/recordings.js';

/** `npm run test:nats` has a million lines and twenty kills; here are fewer. */
const LINES = Number(process.env.OPMAS_NATS_LINES ?? 12_000);
const KILLS = Number(process.env.OPMAS_NATS_KILLS ?? 3);

/** Nanoseconds. */
const TEN_MINUTES = 600e9;
const first = Date.now() * 1000;
/** Every hundredth line is there twice. */
const lineAt = (n: number) => {
  const event = n % 100 === 1 ? n - 1 : n;
  const endpoint = ENDPOINTS[event % ENDPOINTS.length]!;
  return `{"received_at":"${formatTimestamp(first + event)}","endpoint":"${endpoint}",${numbered(event, endpoint).slice(1)}`;
};

it.skipIf(withoutNats)(
  `${LINES} lines arrive once each and in order, though publisher and server are killed ${KILLS} times${withoutNats ? ` (${withoutNats})` : ''}`,
  async () => {
    using sandbox = new Sandbox();
    await using server = await NatsServer.start();
    await server.addStream({ name: 'EVENTS', duplicate_window: TEN_MINUTES }, 'opmas-ws');
    const file = createWriteStream(join(sandbox.home, 'spool.ndjson'));
    for (let n = 0; n < LINES; n++) if (!file.write(`${lineAt(n)}\n`)) await once(file, 'drain');
    file.end();
    await finished(file);
    const publish = (...more: string[]) =>
      sandbox.start(['publish', 'spool.ndjson', '--to', server.urlOf('EVENTS'), ...more]);
    // A server that has just started, on a busy machine, may take its time.
    const has = async (count: number): Promise<void> => {
      await server.has('EVENTS', count).catch(() => delay(50).then(() => has(count)));
    };
    let publisher = publish('--follow');
    for (let kill = 1; kill <= KILLS; kill++) {
      // At any moment, but not before something has come since the last one.
      const wanted = Math.floor((LINES * (kill - Math.random() / 2)) / (KILLS + 1));
      await has(wanted);
      if (kill % 2 === 0) {
        await server.kill();
        await delay(100 * Math.random());
        await server.restart();
      } else {
        publisher.child.kill('SIGKILL');
        await publisher.ended;
        publisher = publish('--follow');
      }
    }
    await has(LINES);
    publisher.child.kill('SIGINT');
    await publisher.ended;
    expect(await publish().ended).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^(0 lines published|nothing new since the last time)/),
    });
    let n = 0;
    const wrong: string[] = [];
    for await (const { bytes } of readRecording(server.urlOf('EVENTS'))) {
      for (const line of bytes.toString().split('\n').slice(0, -1)) {
        if (line !== lineAt(n++) && wrong.length < 5) wrong.push(`${n}: ${line}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(n).toBe(LINES);
  },
  Math.max(60_000, LINES * 3),
);
