import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startMockServer } from '../../src/index.js';
import { Sandbox } from '../cli/sandbox.js';
import { codeBlocks, textOf } from '../support/documents.js';
import { examplesIn } from '../support/examples.js';
import { NatsServer, withoutNats } from '../support/nats-server.js';

/** The words of the commands of a page, without their program. */
const commands = codeBlocks(textOf('docs/scale.md'), 'console')
  .flatMap(examplesIn)
  .map((command) =>
    command
      .split(' ')
      .slice(1)
      .map((word) => word.replaceAll("'", '')),
  );

describe.skipIf(withoutNats)(`the recipe of docs/scale.md${withoutNats ? ` (${withoutNats})` : ''}`, () => {
  it('two recorders fill one stream with each event once, and others read it', async () => {
    await using nats = await NatsServer.start();
    await using api = await startMockServer({ port: 0, rate: 100, auth: 'none' });
    const here = (words: readonly string[]) =>
      words.map((word) => word.replace('nats.example.org', nats.host));
    const [record = [], tail = [], inspect = []] = commands.map(here);
    expect([record[0], tail[0], inspect[0]]).toEqual(['record', 'tail', 'inspect']);
    using one = new Sandbox({ OPMAS_URL: api.url });
    using other = new Sandbox({ OPMAS_URL: api.url });
    const recorders = [one, other].map((sandbox) =>
      sandbox.start([...record, '--no-token', '--duration', '2s']),
    );
    while (!/connected/.test(await recorders[0]!.messages.next()));
    const reader = await one.run([...tail, '-n', '20']);
    expect(reader.code, reader.stderr).toBe(0);
    expect(reader.stdout.trimEnd().split('\n')).toHaveLength(20);
    for (const { ended } of recorders) expect(await ended).toMatchObject({ code: 0 });
    const stored = (await nats.messagesOf('EVENTS')).map(({ text }) => text);
    const events = stored.filter((line) => !line.includes('"connection":'));
    const textsOf = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/"received_at":"[^"]*",/, ''));
    expect(new Set(textsOf(events)).size).toBe(events.length);
    for (const sandbox of [one, other]) {
      const recorded = readFileSync(join(sandbox.home, 'spool.ndjson'), 'utf8').trimEnd().split('\n');
      const missing = textsOf(recorded).filter((text) => !textsOf(stored).includes(text));
      expect(missing.filter((line) => !line.includes('"connection":'))).toEqual([]);
    }
    const report = await other.run([...inspect, '--json']);
    expect(JSON.parse(report.stdout)).toMatchObject({ events: events.length });
  });
});
