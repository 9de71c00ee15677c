/** Measurements of a program that receives the stream and prints it. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineCheck } from './line-check.mjs';
import { LoadSource } from './load.mjs';
import { MeasuredProcess } from './measured-process.mjs';
import { monotonicMs } from './times.mjs';

/** When no line has come for this long, no more are expected. */
const STALL_MS = 10_000;
const FILE_POLL_MS = 4;

/**
 * @typedef {object} Reception
 * @property {number} events Number of events that the source sends in all.
 * @property {number} [connections] Number of connections that the program receives them on.
 * @property {(url: string, file: string) => [string, string[]]} command The program and its arguments.
 * @property {'pipe' | 'stdout file' | 'own file'} output Destination of the lines.
 * @property {import('./line-check.mjs').Expectation} expectation
 * @property {number} [bytesPerSecond] Speed at which the output is read. Default: as fast as it comes.
 * @property {NodeJS.ProcessEnv} [env]
 *
 * @typedef {object} Sample One measurement.
 * @property {number} value
 * @property {number | undefined} [cpuPerMillion] Seconds of CPU for a million events, start-up included.
 * @property {number | undefined} [peakRssMb]
 * @property {number} [lines] Number of lines that were printed.
 * @property {number} [bad] Number of lines that are missing or differ from what was sent.
 * @property {number} [p99] In milliseconds, where times are measured.
 * @property {number} [driftPercent]
 * @property {number} [cpuPercent] Of one core.
 */

/**
 * Measures events a second, from the source's first byte to the program's last line.
 *
 * @param {Reception} reception
 * @returns {Promise<Sample>}
 */
export async function measureReception(reception) {
  const { events, connections = 1, output, expectation } = reception;
  const source = await LoadSource.start(events / connections);
  const folder = mkdtempSync(join(tmpdir(), 'opmas-bench-'));
  const file = join(folder, 'lines.ndjson');
  const descriptor = output === 'stdout file' ? openSync(file, 'w') : undefined;
  const [command, args] = reception.command(source.url, file);
  const receiver = new MeasuredProcess(command, args, {
    stdout: output === 'pipe' ? 'pipe' : (descriptor ?? 'ignore'),
    ...(reception.env ? { env: reception.env } : {}),
  });
  const check = new LineCheck(expectation);
  try {
    const lastAt =
      output === 'pipe' ? await readPipe(receiver, check, reception) : await watchFile(file, expectation);
    const cost = receiver.cost();
    await receiver.stop();
    if (output !== 'pipe') check.push(eventLinesOf(readFileSync(file)));
    if (check.lines === 0) throw new Error(`${command} printed nothing: ${receiver.stderr}`);
    return {
      value: (events * 1000) / (lastAt - source.startedAt),
      cpuPerMillion: cost.cpuSeconds === undefined ? undefined : (cost.cpuSeconds * 1e6) / events,
      peakRssMb: cost.peakRssMb,
      lines: check.lines,
      bad: check.bad + Math.abs(expectation.total - check.lines),
    };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
    await source.stop();
    rmSync(folder, { recursive: true });
  }
}

/**
 * Resolves with the time at which the last line came.
 *
 * @param {MeasuredProcess} receiver
 * @param {LineCheck} check
 * @param {Reception} reception
 */
async function readPipe(receiver, check, { bytesPerSecond = Number.POSITIVE_INFINITY }) {
  const { stdout } = receiver;
  if (stdout === undefined) throw new Error('no pipe');
  let lastAt = monotonicMs();
  const startedAt = lastAt;
  let bytes = 0;
  stdout.on('data', (chunk) => {
    check.push(chunk);
    lastAt = monotonicMs();
    bytes += chunk.length;
    const aheadMs = startedAt + (bytes * 1000) / bytesPerSecond - lastAt;
    if (aheadMs > 1) {
      stdout.pause();
      setTimeout(() => stdout.resume(), aheadMs);
    }
  });
  await Promise.race([check.complete, stalled(() => lastAt), receiver.ended]);
  return lastAt;
}

/**
 * Resolves with the time at which the file was complete.
 *
 * @param {string} file
 * @param {import('./line-check.mjs').Expectation} expectation
 */
async function watchFile(file, expectation) {
  const wanted = bytesOf(expectation);
  let size = 0;
  let lastAt = monotonicMs();
  while (size < wanted && monotonicMs() - lastAt < STALL_MS) {
    await new Promise((resolve) => setTimeout(resolve, FILE_POLL_MS));
    const now = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (now !== size) lastAt = monotonicMs();
    size = now;
  }
  return lastAt;
}

/**
 * Returns the least number of bytes that the event lines have. Lines about the connection do not count.
 *
 * @param {import('./line-check.mjs').Expectation} expectation
 */
function bytesOf({ messages, total, lines }) {
  const extra =
    lines === 'event line' ? '"received_at":"2026-11-22T21:50:00.123456Z","endpoint":"devices",\n'.length : 1;
  let bytes = 0;
  for (let i = 0; i < total; i++) bytes += (messages[i % messages.length]?.length ?? 0) + extra;
  return bytes;
}

/**
 * Returns the bytes without the lines about the connection, which a recording has before and after its events.
 *
 * @param {Buffer} bytes
 */
function eventLinesOf(bytes) {
  let start = 0;
  while (bytes.toString('latin1', start + 46, start + 58) === 'connection":')
    start = bytes.indexOf(0x0a, start) + 1;
  const end = bytes.lastIndexOf('","connection":');
  const lineStart = end < start ? bytes.length : bytes.lastIndexOf(0x0a, end) + 1;
  return bytes.subarray(start, lineStart);
}

/**
 * Resolves when no output has come for a while.
 *
 * @param {() => number} lastAt
 * @returns {Promise<undefined>}
 */
function stalled(lastAt) {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (monotonicMs() - lastAt() < STALL_MS) return;
      clearInterval(timer);
      resolve(undefined);
    }, 500);
    timer.unref();
  });
}
