import { existsSync } from 'node:fs';
import {
  escapeUnsafe,
  OpmasError,
  openRecording,
  type RecordingWriter,
  type RecordOptions,
  type Subscription,
  systemClock,
} from '../../../index.js';
import type { Command } from '../../commander.js';
import {
  counted,
  formatSize,
  parseCount,
  parsePositiveDuration,
  parsePositiveSize,
} from '../../options/quantity.js';
import { runCommand, type Session } from '../../session.js';
import { runStream } from '../../stream/run-stream.js';
import { addStreamOptions, resolveStream, type StreamCommandOptions } from '../../stream/stream-options.js';
import type { Messages } from '../../terminal/terminal.js';
import { createLiveStatus } from './live-status.js';
import { createTee, type Tee } from './tee.js';

/** Options of `record`. */
interface RecordCommandOptions extends StreamCommandOptions {
  out?: string;
  append?: boolean;
  force?: boolean;
  /** Bytes. */
  rotateSize?: number;
  /** Milliseconds. */
  rotateEvery?: number;
  keep?: number;
  mode: number;
  tail?: boolean;
}

const HELP = `
The recording contains the lines that \`tail -f json --lifecycle\` prints: events byte for byte as the server sent
them, and connection changes. It is compressed if its name ends in .gz. The current part of a rotation always has the
name given with -o; finished parts get numbers: capture.000001.ndjson.

Examples:
  $ opmas-ws record                                       record all four endpoints until Ctrl-C
  $ opmas-ws record devices -t '*.error' -o errors.ndjson   record errors only
  $ opmas-ws record -o capture.ndjson --append            continue a recording
  $ opmas-ws record -o capture.ndjson.gz --rotate-size 100MiB --keep 10 --append   record for weeks
  $ opmas-ws record --tail --duration 10s                 also print the events`;

/** Recorded lines are limited to 64 MiB, and a message that is not JSON grows by up to a third when recorded. */
const LARGEST_RECORDED_MESSAGE = 48 * 1024 ** 2;
/** Recorders that may start in one second. */
const MOST_NAMES = 100;
/** Limit for lines that wait for the disk; further lines wait in the stream. */
const MAX_PENDING_BYTES = 384 * 1024;

/** Configures `record`. */
export function configure(command: Command): void {
  addStreamOptions(command)
    .option('-o, --out <file>', 'the recording (default: opmas-<UTC start>.ndjson)')
    .option('--append', 'add to an existing recording, or create it')
    .option('--force', 'replace an existing file')
    .value(
      '--rotate-size <size>',
      'start a new part before the file grows larger than this: 100MiB',
      parsePositiveSize,
    )
    .value('--rotate-every <t>', 'start a new part after this time: 1h', parsePositiveDuration)
    .value('--keep <n>', 'keep the newest N finished parts and delete older ones', parseCount)
    .value('--mode <octal>', 'mode of new files, whatever the umask: 640', parseMode, '600')
    .option('--tail', 'also print events on stdout, as tail does')
    .addHelpText('after', HELP)
    .action((endpoints: string[], options: RecordCommandOptions) =>
      runCommand(command, (session) => record(session, endpoints, options)),
    );
}

/** Records a live stream until it ends or the user stops it. */
async function record(
  session: Session,
  endpoints: readonly string[],
  options: RecordCommandOptions,
): Promise<void> {
  const { out, messages } = session.terminal;
  const stream = await resolveStream(session, endpoints, options);
  if ((stream.maxMessageBytes ?? 0) > LARGEST_RECORDED_MESSAGE) {
    throw new OpmasError('USAGE', '--max-message must be at most 48MiB: recordings have no longer lines');
  }
  const files = fileOptionsOf(options, messages);
  // Before the token is requested: without a file there is nothing to connect for.
  const writer = await openTarget(options.out, { ...files, signal: session.stop }).catch((error: unknown) => {
    // A stop ends the wait for a lock.
    if (session.stop.aborted) return undefined;
    throw error;
  });
  if (writer === undefined) return;
  const failing = new AbortController();
  const tee = options.tail ? await createTee(out, messages, stream.maxBufferBytes) : undefined;
  // The file is the job, so nothing that happens to stdout ends the recording.
  out.onClosed = () =>
    messages.warn(`${out.failure?.message ?? 'stdout was closed'}: printing stops, recording goes on`);
  if (options.out === undefined) messages.say(`Recording to ${escapeUnsafe(writer.path)}`);
  const recorded = {
    ...stream,
    lifecycle: true,
    signal: AbortSignal.any([session.stop, failing.signal]),
  };
  try {
    await runStream(session, recorded, {
      showStatus: (_, summary) => createLiveStatus(messages, stream.endpoints, () => writer.size, summary),
      consume: (subscription, onEvents) => pump(subscription, writer, tee, onEvents, () => failing.abort()),
      lossText: () => tee?.lossText(),
      resultText: () => fileText(writer, messages),
    });
  } finally {
    await tee?.end();
  }
}

/** Writes all lines. After a failure of the file, counts the lines that are still in progress, for a correct report. */
async function pump(
  subscription: Subscription,
  writer: RecordingWriter,
  tee: Tee | undefined,
  onEvents: () => void,
  stop: () => void,
): Promise<void> {
  let failure: unknown;
  /** Bytes that are being written. */
  let pending = 0;
  let written: Promise<void> = Promise.resolve();
  try {
    for await (const batch of subscription) {
      onEvents();
      tee?.print(batch);
      pending += batch.bytes.length;
      written = writer
        .write(batch)
        .catch((error) => {
          failure ??= error;
          stop();
        })
        .finally(() => {
          pending -= batch.bytes.length;
          batch.release?.();
        });
      if (pending >= MAX_PENDING_BYTES) await written;
    }
  } catch (error) {
    failure ??= error;
  }
  await written;
  await writer.close().catch((error) => {
    failure ??= error;
  });
  if (failure !== undefined) throw failure;
}

function fileOptionsOf(options: RecordCommandOptions, messages: Messages): RecordOptions {
  const { rotateSize, rotateEvery, keep, mode } = options;
  if (keep !== undefined && rotateSize === undefined && rotateEvery === undefined) {
    throw new OpmasError('USAGE', '--keep needs --rotate-size or --rotate-every');
  }
  if (options.out !== undefined && ['', '-', '/dev/stdout', '/dev/fd/1'].includes(options.out)) {
    throw new OpmasError('USAGE', `--out: ${JSON.stringify(options.out)} is not a file`, {
      hint: 'To print the same lines on stdout: opmas-ws tail -f json --lifecycle',
    });
  }
  return {
    append: options.append,
    force: options.force,
    rotateBytes: rotateSize,
    rotateMs: rotateEvery,
    keep,
    mode,
    onNotice: messages.warn,
  };
}

/** Reads the octal mode of a file, as `chmod` takes it: `640`. */
function parseMode(text: string, name: string): number {
  if (/^0?[67][0-7]{2}$/.test(text)) return Number.parseInt(text, 8);
  const hint = 'Write three octal digits: 640 lets the group read. You must be able to read and write.';
  throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a mode of a recording`, { hint });
}

/** Opens the file that the user named; else a new one, also next to another recorder that starts in this second. */
async function openTarget(path: string | undefined, files: RecordOptions): Promise<RecordingWriter> {
  if (path !== undefined) return openRecording(path, files);
  const name = defaultName();
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : name.replace('.', `-${number}.`);
    try {
      return await openRecording(candidate, { ...files, append: false, force: false });
    } catch (error) {
      const isTaken = existsSync(candidate) || existsSync(`${candidate}.lock`);
      if (!isTaken || number === MOST_NAMES) throw error;
    }
  }
}

/** Returns `opmas-20261122T215000Z.ndjson`: sorts by time, and is a valid file name on all systems. */
function defaultName(): string {
  const start = new Date(systemClock.nowMicros() / 1000).toISOString();
  return `opmas-${start.slice(0, 19).replace(/[-:]/g, '')}Z.ndjson`;
}

function fileText(
  { lastName, lines, size, files, deletedFiles, lostLines }: RecordingWriter,
  { palette }: Messages,
): string {
  const others = files - (lastName === undefined ? 0 : 1);
  const names = [
    ...(lastName === undefined ? [] : [escapeUnsafe(lastName)]),
    ...(others > 0
      ? [`${others}${lastName === undefined ? '' : ' more'} ${others === 1 ? 'file' : 'files'}`]
      : []),
  ];
  const where = names.join(' and ');
  const target = files === 0 ? ', but all files have been deleted' : ` to ${where}, ${formatSize(size)}`;
  const gone = `; ${counted(deletedFiles, 'file')} deleted since`;
  const rest = files === 0 || deletedFiles === 0 ? '' : gone;
  const written = `${counted(lines, 'line')} written${target}${rest}`;
  return lostLines === 0
    ? palette.dim(written)
    : `${written}; ${palette.red(`${lostLines} could not be written`)}`;
}
