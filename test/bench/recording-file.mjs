/** Recordings to read and replay, made for a run and deleted after it. */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessages } from './stream.mjs';

const START_MS = Date.UTC(2026, 10, 22, 21, 50);
const LINES_PER_WRITE = 1000;

/** The folder of this run. @type {string | undefined} */
let folder;
/** Files by their content. @type {Map<string, { path: string, bytes: number }>} */
const files = new Map();

/**
 * Returns a recording of the stream on the endpoint `devices`, which is written once.
 *
 * @param {number} lines
 * @param {number} rate Events a second, by the recorded times.
 * @param {number} resolution Resolution of these times, in microseconds.
 */
export function recordingOf(lines, rate = 1000, resolution = 1) {
  const key = `${lines} at ${rate} by ${resolution}`;
  const known = files.get(key);
  if (known !== undefined) return known;
  const made = write(lines, rate, resolution);
  files.set(key, made);
  return made;
}

/**
 * @param {number} lines
 * @param {number} rate
 * @param {number} resolution
 */
function write(lines, rate, resolution) {
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'opmas-bench-'));
    process.on('exit', () => rmSync(folder ?? '', { recursive: true, force: true }));
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  }
  const path = join(folder, `${lines}-${rate}-${resolution}.ndjson`);
  const texts = createMessages().map((message) => message.toString().slice(1));
  const file = openSync(path, 'w');
  let bytes = 0;
  for (let first = 0; first < lines; first += LINES_PER_WRITE) {
    let block = '';
    for (let i = first; i < Math.min(lines, first + LINES_PER_WRITE); i++) {
      block += `{"received_at":"${timestamp(Math.floor((i * 1e6) / rate / resolution) * resolution)}","endpoint":"devices",${texts[i % texts.length]}\n`;
    }
    bytes += writeSync(file, block);
  }
  closeSync(file);
  return { path, bytes };
}

/** @param {number} microseconds Time since the start. */
function timestamp(microseconds) {
  const whole = Math.round(microseconds);
  const milliseconds = Math.floor(whole / 1000);
  const text = new Date(START_MS + milliseconds).toISOString().slice(0, -1);
  return `${text}${String(whole - milliseconds * 1000).padStart(3, '0')}Z`;
}
