import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { keepsLine } from '../../../src/core/filter/filter.js';
import type { LineView } from '../../../src/core/recording/line-view.js';
import {
  compileFilter,
  type Filter,
  type FilterOptions,
  noToken,
  openRecording,
  parseBaseUrl,
  readRecording,
  type SubscribeOptions,
  subscribe,
} from '../../../src/index.js';
import { frame, text } from '../../support/raw-frames.js';
import type { RawServer } from '../../support/raw-server.js';
import { test } from '../../support/stage.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-filters-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Messages of a server, odd ones included. */
const messages = [
  '{"type":"device.error","subject":"opmas.devices.ap-7","data":{"cpu":97}}',
  '{"type":"device.status_update","subject":"opmas.devices.ap-7","data":{"cpu":12,"type":"device.error"}}',
  '{"data":{"text":"\\"type\\":\\"device.error\\""},"subject":"opmas.rules.x.y","type":"rule.triggered"}',
  '{"type":"device.error","type":"agent.error"}',
  '{"\\u0074ype":"device.error","subject":5}',
  '{"type":null,"subject":"opmas.devices.ap-7"}',
  '{"endpoint":"rules","received_at":"never","type":"system.alert"}',
  '  {\n"type" : "device.error" }',
  '{}',
  '{"event":{"type":"device.error"},"endpoint":7}',
  'NaN',
  '[{"type":"device.error"}]',
  '',
];

const filters: FilterOptions[] = [
  {},
  { types: ['device.*'] },
  { excludeTypes: ['*.error'] },
  { subjects: ['opmas.devices.*'] },
  { excludeSubjects: ['opmas.>'] },
  { where: 'data.cpu > 90' },
  { where: 'has(event.endpoint)' },
  { where: 'event.endpoint == "rules"' },
  { where: 'endpoint == "devices" && event.type == "device.error"' },
  { where: 'has(event.received_at)', types: ['system.*'] },
  { problems: true },
  { where: 'severity in ["error", "warning"] && received_at > timestamp(0)' },
  { where: 'received_at < timestamp(0)' },
];

async function live(server: RawServer, options: Partial<SubscribeOptions>): Promise<Buffer> {
  const batches: Buffer[] = [];
  const stream = subscribe({
    url: parseBaseUrl(server.url),
    endpoints: ['devices'],
    token: noToken(),
    retry: { exitOnClose: true },
    ...options,
  });
  for await (const { bytes } of stream) batches.push(Buffer.from(bytes));
  return Buffer.concat(batches);
}

async function fromFile(path: string, filter: Filter, lifecycle: boolean): Promise<Buffer> {
  const batches: Buffer[] = [];
  const keep = (line: LineView) =>
    (line.kind !== 'connection' || lifecycle) &&
    keepsLine(filter, line.kind, line.frame, line.endpoint ?? '', line);
  for await (const { bytes } of readRecording([path], { keep })) batches.push(Buffer.from(bytes));
  return Buffer.concat(batches);
}

/** Without the times, which are those of two connections. */
function timeless(lines: Buffer): string {
  return lines.toString().replaceAll(/(?<=^\s*\{"received_at":")[^"]+/gm, 'T');
}

describe('a filter keeps the same lines of a recording and of the live stream', () => {
  test('for all filters and messages', async ({ serve }) => {
    const server = await serve({});
    server.onRequest((connection) => {
      connection
        .accept(...messages.map(text), frame({ opcode: 2, payload: '{"type":"device.error"}' }))
        .close(1000);
    });
    const path = join(folder, 'all.ndjson');
    const writer = await openRecording(path);
    await writer.write({ bytes: await live(server, { lifecycle: true }), count: messages.length });
    await writer.close();
    for (const options of filters) {
      for (const lifecycle of [false, true]) {
        const filter = await compileFilter(options);
        const kept = await fromFile(path, filter, lifecycle);
        // Only a filter that selects events drops what is not an event; exclusions alone keep it.
        const { types, subjects, where, problems } = options;
        const isSelecting = [types, subjects, where, problems].some((value) => value !== undefined);
        const invalid = kept.toString().match(/"invalid":\{"reason"/g) ?? [];
        expect(invalid, JSON.stringify(options)).toHaveLength(isSelecting ? 0 : 4);
        expect(timeless(kept), JSON.stringify(options)).toBe(
          timeless(await live(server, { filter, lifecycle })),
        );
      }
    }
  });
});
