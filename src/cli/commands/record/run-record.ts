import {
  escapeUnsafe,
  OpmasError,
  openRecording,
  type RecordingWriter,
  type RecordOptions,
  type Subscription,
  subscribe,
  systemClock,
} from '../../../index.js';
import { formatSize, parseCount, parseDuration, parseSize } from '../../options/quantity.js';
import type { Session } from '../../session.js';
import { LifecycleMessages } from '../../stream/connection-messages.js';
import { resolveStream } from '../../stream/resolve-stream.js';
import type { StreamCommandOptions } from '../../stream/stream-options.js';
import { summaryText } from '../../stream/summary-text.js';
import type { Messages } from '../../terminal/terminal.js';
import { createLiveLine } from './live-status.js';
import { createSidePrinter, type SidePrinter } from './tee.js';

/** What commander makes of the options of `record`. */
export interface RecordCommandOptions extends StreamCommandOptions {
  out?: string;
  append?: boolean;
  force?: boolean;
  rotateSize?: string;
  rotateEvery?: string;
  keep?: string;
  tail?: boolean;
}

/** A line of a recording may have 64 MiB, and a message that is no JSON takes up to a third more there. */
const LARGEST_RECORDED_MESSAGE = 48 * 1024 ** 2;
/** What comes while the disk is busy is written at once afterwards, up to so much; more waits in the stream. */
const MAX_PENDING_BYTES = 384 * 1024;

/** Writes a live stream to a recording until it ends or somebody ends it. */
export async function runRecord(
  session: Session,
  endpoints: readonly string[],
  options: RecordCommandOptions,
): Promise<void> {
  const { out, messages } = session.terminal;
  const stream = await resolveStream(session, endpoints, options);
  if ((stream.maxMessageBytes ?? 0) > LARGEST_RECORDED_MESSAGE) {
    throw new OpmasError('USAGE', '--max-message has to be 48MiB at most: no recording has longer lines');
  }
  const files = fileOptionsOf(options, messages);
  // Before any token is asked for: who has no place to write to needs no connection.
  const writer = await openRecording(options.out ?? defaultName(), files);
  const failing = new AbortController();
  const lifecycle = new LifecycleMessages(messages, stream.endpoints);
  const live = await createLiveLine(messages, stream.endpoints, {
    size: () => writer.size,
    summary: () => subscription.summary(),
  });
  let hasSummary = false;
  const subscription = subscribe({
    ...stream,
    lifecycle: true,
    signal: AbortSignal.any([session.stop, failing.signal]),
    onLifecycle: (event) => {
      hasSummary = true;
      live.onLifecycle(event);
      lifecycle.onLifecycle(event);
    },
    onGiveUp: (endpoint, error) => {
      live.onGiveUp(endpoint);
      lifecycle.onGiveUp(endpoint, error);
    },
  });
  const printer = options.tail ? await createSidePrinter(out, messages, stream.maxBufferBytes) : undefined;
  session.lastWords = () => {
    const left = printer?.waiting ?? 0;
    const loss = `${left} lines were recorded but not printed: nobody took them from stdout`;
    return left === 0 ? '' : `${messages.palette.yellow('warning:')} ${loss}\n`;
  };
  if (options.out === undefined) messages.say(`Recording to ${escapeUnsafe(writer.path)}`);
  try {
    await pump(subscription, writer, printer, () => failing.abort());
    hasSummary = true;
  } catch (error) {
    throw lifecycle.withoutRepetition(error);
  } finally {
    live.end();
    if (hasSummary) {
      messages.say(messages.palette.dim(escapeUnsafe(summaryText(subscription.summary()))));
      messages.say(fileText(writer, messages));
    }
    await printer?.end();
  }
}

/** Writes all lines. After a failure of the file what is under way is still counted, so that the figures are true. */
async function pump(
  subscription: Subscription,
  writer: RecordingWriter,
  printer: SidePrinter | undefined,
  stop: () => void,
): Promise<void> {
  let failure: unknown;
  /** Bytes that are being written. */
  let pending = 0;
  let written: Promise<void> = Promise.resolve();
  try {
    for await (const batch of subscription) {
      printer?.print(batch);
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
  const { rotateSize, rotateEvery, keep } = options;
  if (keep !== undefined && rotateSize === undefined && rotateEvery === undefined) {
    throw new OpmasError('USAGE', '--keep needs --rotate-size or --rotate-every');
  }
  if (options.out === '-' || options.out === '') {
    throw new OpmasError('USAGE', `--out: ${JSON.stringify(options.out)} is no file`, {
      hint: 'For the same lines on stdout: opmas-ws tail -f json --lifecycle',
    });
  }
  const rotateBytes = rotateSize === undefined ? undefined : parseSize(rotateSize, '--rotate-size');
  const rotateMs = rotateEvery === undefined ? undefined : parseDuration(rotateEvery, '--rotate-every');
  for (const [value, name] of [
    [rotateBytes, '--rotate-size'],
    [rotateMs, '--rotate-every'],
  ] as const) {
    if (value === 0) throw new OpmasError('USAGE', `${name} cannot be zero`);
  }
  return {
    append: options.append,
    force: options.force,
    rotateBytes,
    rotateMs,
    keep: keep === undefined ? undefined : parseCount(keep, '--keep'),
    onNotice: (message) => messages.warn(escapeUnsafe(message)),
  };
}

/** `opmas-20261122T215000Z.ndjson`: sorts by time, and no system minds its characters. */
function defaultName(): string {
  const start = new Date(systemClock.nowMicros() / 1000).toISOString();
  return `opmas-${start.slice(0, 19).replace(/[-:]/g, '')}Z.ndjson`;
}

function fileText({ path, lines, size, files, lostLines }: RecordingWriter, { palette }: Messages): string {
  const where =
    files === 1
      ? escapeUnsafe(path)
      : `${escapeUnsafe(path)} and ${files === 2 ? '1 more file' : `${files - 1} more files`}`;
  const target = files === 0 ? ', and no file is left of them' : ` to ${where}, ${formatSize(size)}`;
  const written = `${lines} ${lines === 1 ? 'line' : 'lines'} written${target}`;
  return lostLines === 0
    ? palette.dim(written)
    : `${written}; ${palette.red(`${lostLines} could not be written`)}`;
}
