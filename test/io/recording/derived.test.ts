import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseBaseUrl, serveRecording, subscribe, tokenFromText } from '../../../src/index.js';
import { eventLine, numbered } from '../../support/recordings.js';

const withoutJq = spawnSync('jq', ['--version']).error !== undefined;
let folder: string;
let capture: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'opmas-derived-'));
  capture = join(folder, 'capture.ndjson');
  const lines = Array.from({ length: 40 }, (_, n) =>
    eventLine(n * 10, numbered(n, n % 4 === 0 ? 'rules' : 'devices'), n % 4 === 0 ? 'rules' : 'devices'),
  );
  await writeFile(capture, `${lines.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true }));

/** The numbers of the events that a replay of the file sends. */
async function replayed(path: string): Promise<number[]> {
  const server = await serveRecording(path, { port: 0, speed: 'max', exitWhenDone: true });
  const numbers: number[] = [];
  try {
    const stream = subscribe({
      url: parseBaseUrl(server.url),
      endpoints: ['devices', 'rules'],
      token: tokenFromText(server.token, 'the replay'),
      retry: { exitOnClose: true },
    });
    for await (const { bytes } of stream) {
      for (const line of bytes.toString().split('\n').slice(0, -1)) numbers.push(JSON.parse(line).data.n);
    }
  } finally {
    await server.close();
  }
  return numbers.sort((a, b) => a - b);
}

const all = Array.from({ length: 40 }, (_, n) => n);

describe('a recording that another tool has processed can be replayed', () => {
  test.for([
    ['cat "$0" "$0"', all.flatMap((n) => [n, n])],
    ['grep \'"rules"\' "$0"', all.filter((n) => n % 4 === 0)],
    ['head -n 7 "$0"', all.slice(0, 7)],
    ['tail -c 500 "$0"', all.slice(-3)],
    ['sort -r "$0"', all],
    ['gzip -c "$0"', all],
    ['jq -c . "$0"', all],
    ['jq -cS . "$0"', all],
    ['jq -c \'select(.data.n < 5)\' "$0"', all.slice(0, 5)],
    ['jq -c \'del(.received_at, .endpoint)\' "$0"', all],
  ] as const)('%s', async ([command, expected], { skip }) => {
    if (withoutJq && command.startsWith('jq')) skip('jq is not installed');
    const { stdout, status } = spawnSync('sh', ['-c', command, capture]);
    expect(status).toBe(0);
    const path = join(folder, command.replaceAll(/\W/g, '_'));
    await writeFile(path, stdout);
    expect(await replayed(path)).toEqual(expected);
  });
});
