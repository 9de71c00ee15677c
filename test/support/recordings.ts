import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatTimestamp,
  noToken,
  openRecording,
  parseBaseUrl,
  subscribe,
  type TokenProvider,
} from '../../src/index.js';

/** When the recordings of the tests begin: microseconds since 1970. */
export const RECORDED_AT = Date.UTC(2026, 10, 22, 21, 50) * 1000;

/** The timestamp so many milliseconds after the start. */
export function stamp(milliseconds: number): string {
  return formatTimestamp(RECORDED_AT + Math.round(milliseconds * 1000));
}

/** An event line; `frame` is what the server sent. */
export function eventLine(milliseconds: number, frame: string, endpoint = 'devices'): string {
  return `{"received_at":"${stamp(milliseconds)}","endpoint":"${endpoint}",${frame.slice(1)}`;
}

/** An event that says its number. */
export function numbered(n: number, endpoint = 'devices', type = 'device.status_update'): string {
  return `{"type":"${type}","subject":"opmas.${endpoint}.ap-${n % 7}","data":{"n":${n}}}`;
}

/** The number that an event says. */
export function numberOf(message: string): number {
  return (JSON.parse(message) as { data: { n: number } }).data.n;
}

/** Numbered events from `first` to before `end`, so many milliseconds apart. */
export function numberedLines(first: number, end: number, apart: number, endpoint = 'devices'): string[] {
  return Array.from({ length: end - first }, (_, i) =>
    eventLine((first + i) * apart, numbered(first + i, endpoint), endpoint),
  );
}

/** Connects once to `devices`, and records to a file until the server closes. */
export async function recordUntilClose(
  url: string,
  path: string,
  token: TokenProvider = noToken(),
): Promise<string> {
  const writer = await openRecording(path);
  const stream = { url: parseBaseUrl(url), endpoints: ['devices'], token, lifecycle: true };
  for await (const batch of subscribe({ ...stream, retry: { exitOnClose: true } })) await writer.write(batch);
  await writer.close();
  return path;
}

/** A folder for recordings that goes away with the test. */
export class RecordingFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'opmas-ws-recordings-'));

  #count = 0;

  /** Writes a recording of its own and gives its path. */
  write(lines: readonly string[] | Buffer, name = 'capture.ndjson'): string {
    const folder = join(this.path, String(this.#count++));
    mkdirSync(folder);
    const path = join(folder, name);
    writeFileSync(path, Buffer.isBuffer(lines) ? lines : lines.map((line) => `${line}\n`).join(''));
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
