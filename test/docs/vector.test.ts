import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { codeBlocks, textOf } from '../support/documents.js';
import { eventLine, numbered, numberedLines } from '../support/recordings.js';

const hasVector = spawnSync('vector', ['--version']).status === 0;
const [configuration = ''] = codeBlocks(textOf('docs/scale.md'), 'yaml');

const nOf = ({ document }: { document: Record<string, unknown> }) => (document.data as { n: number }).n;

/** A document with the index that it is for. */
type Stored = readonly [index: string, document: Record<string, unknown>];

describe.skipIf(!hasVector)(
  `Vector as docs/scale.md sets it up${hasVector ? '' : ' (not installed: vector)'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-vector-'));
    const path = join(folder, 'spool.ndjson');
    const running: ChildProcess[] = [];
    afterAll(() => {
      for (const child of running) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    const stored: Stored[] = [];
    /** Takes documents as Elasticsearch does. */
    const take: RequestListener = async (request, response) => {
      const lines = (await buffer(request)).toString().split('\n').filter(Boolean);
      const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      const items: unknown[] = [];
      for (let at = 0; at < parsed.length; at += 2) {
        stored.push([(parsed[at] as { index: { _index: string } }).index._index, parsed[at + 1]!]);
        items.push({ index: { status: 201 } });
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ version: { number: '8.11.0' }, errors: false, items }));
    };
    const has = (count: number) => expect.poll(() => stored.length, { timeout: 20_000 }).toBe(count);

    it('stores each line once under its day, over a rotation while Vector was down', async () => {
      const server = createServer(take).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      mkdirSync(join(folder, 'data'));
      const text = configuration
        .replace('/var/lib/vector', join(folder, 'data'))
        .replace('/var/lib/opmas-ws', folder)
        .replace('127.0.0.1:9200', `127.0.0.1:${port}`);
      writeFileSync(join(folder, 'vector.yaml'), text);
      const start = () => {
        const child = spawn('vector', ['--config', join(folder, 'vector.yaml')], { stdio: 'ignore' });
        running.push(child);
        return child;
      };
      const lines = numberedLines(0, 40, 1000);
      const odd = eventLine(40_000, numbered(40).replace('"n":40', '"n":1e400'));
      const write = (some: readonly string[]) =>
        appendFileSync(path, some.map((line) => `${line}\n`).join(''));

      write(lines.slice(0, 10));
      const first = start();
      await has(10);
      write(lines.slice(10, 20));
      await has(20);
      first.kill('SIGTERM');
      await once(first, 'exit');
      write(lines.slice(20, 30));
      renameSync(path, join(folder, 'spool.000001.ndjson'));
      write([...lines.slice(30), odd]);
      const second = start();
      await has(41);
      second.kill('SIGTERM');
      await once(second, 'exit');
      server.close();

      const documents = stored.map(([index, { timestamp: _timestamp, ...document }]) => ({
        index,
        document,
      }));
      const isText = ({ document }: { document: object }) => 'message' in document;
      expect(documents.filter(isText)).toMatchObject([{ document: { message: odd } }]);
      const events = documents.filter((each) => !isText(each));
      events.sort((left, right) => nOf(left) - nOf(right));
      expect(events).toEqual(
        lines.map((line) => ({ index: 'opmas-2026-11-22', document: JSON.parse(line) })),
      );
    });
  },
);
