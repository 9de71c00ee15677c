import { isatty } from 'node:tty';
import {
  escapeUnsafe,
  type LifecycleEvent,
  OpmasError,
  type RecordingWriter,
  type Subscription,
} from '../../../index.js';
import type { Command } from '../../commander.js';
import { parseCount, parsePositiveDuration, parsePositiveSize } from '../../options/quantity.js';
import { addContextOptions, addPublishOptions, type PublishCommandOptions } from '../../options/selection.js';
import { runCommand, type Session } from '../../session.js';
import { runStream } from '../../stream/run-stream.js';
import {
  addConnectionOptions,
  addStreamOptions,
  resolveStream,
  type StreamCommandOptions,
} from '../../stream/stream-options.js';
import { addGapBudget, type GapBudgetOptions } from '../../stream/stream-summary.js';
import type { Messages } from '../../terminal/terminal.js';
import { createLiveStatus } from './live-status.js';
import type { Publishing } from './publishing.js';
import { findStatusPath, StatusFile } from './status-file.js';
import { fileOptionsOf, fileText, openTarget, parseMode, type TargetOptions } from './target.js';
import { createTee, type Tee } from './tee.js';

/** Options of `record`. */
interface RecordCommandOptions
  extends StreamCommandOptions,
    GapBudgetOptions,
    TargetOptions,
    PublishCommandOptions {
  publish?: string;
  tail?: boolean;
  utc?: boolean;
  status?: string;
}

const HELP = `
The recording contains the lines that \`tail -f json --lifecycle\` prints: events byte for byte as the server sent
them, and connection changes. It is compressed if its name ends in .gz. The current part of a rotation always has the
name given with -o; finished parts get numbers: capture.000001.ndjson. Without a terminal, SIGHUP after the file was
renamed continues in a new file at -o, as logrotate needs it; any other SIGHUP ends the recording.

Examples:
  $ opmas-ws record                                       record all four endpoints until Ctrl-C
  $ opmas-ws record devices -t '*.error' -o errors.ndjson   record errors only
  $ opmas-ws record -o capture.ndjson --append            continue a recording
  $ opmas-ws record -o capture.ndjson.gz --rotate-size 100MiB --keep 10 --append   record for weeks
  $ opmas-ws record -o incidents.ndjson --problems --before 5m --after 1m   record problems and what is around them
  $ opmas-ws record -o capture.ndjson --append --status status.json   for a health check
  $ opmas-ws record -o spool.ndjson --append --publish nats://nats.example.org/EVENTS
  $ opmas-ws record --tail --duration 10s                 also print the events`;

/** Recorded lines are limited to 64 MiB, and a message that is not JSON grows by up to a third when recorded. */
const LARGEST_RECORDED_MESSAGE = 48 * 1024 ** 2;
/** Limit for lines that wait for the disk; further lines wait in the stream. */
const MAX_PENDING_BYTES = 384 * 1024;

/** Configures `record`. */
export function configure(command: Command): void {
  command
    .option('-o, --out <file>', 'the recording (default: opmas-<UTC start>.ndjson)')
    .option('--append', 'add to an existing recording, or create it')
    .option('--force', 'replace an existing file')
    .value('--rotate-size <size>', 'start a new part before the file grows larger: 100MiB', parsePositiveSize)
    .value('--rotate-every <t>', 'start a new part after this time: 1h', parsePositiveDuration)
    .value('--keep <n>', 'keep the newest N finished parts and delete older ones', parseCount)
    .value('--mode <octal>', 'mode of new files, whatever the umask: 640', parseMode, '600')
    .option('--tail', 'also print events on stdout, as tail does')
    .option('--utc', 'print times in UTC instead of local time')
    .option('--status <file>', 'write the state into this file every 5 s: JSON, or Prometheus text (*.prom)')
    .option('--publish <address>', 'also publish to a stream of NATS: nats://HOST/STREAM');
  addPublishOptions(addContextOptions(addStreamOptions(addGapBudget(command))));
  addConnectionOptions(command)
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
  let status: StatusFile | undefined;
  const warn = (message: string) => {
    messages.warn(message);
    status?.noteError(message);
  };
  const publishing = await preparePublishing(session, options);
  const files = fileOptionsOf(options, warn, publishing?.beforeDelete);
  const statusPath =
    options.status === undefined ? undefined : await findStatusPath(options.status, options.out);
  // Before the token is requested: without a file there is nothing to connect for.
  const writer = await openTarget(options.out, { ...files, signal: session.stop }).catch((error: unknown) => {
    // A stop ends the wait for a lock.
    if (session.stop.aborted) return undefined;
    throw error;
  });
  if (writer === undefined) return;
  // A file that is to be replaced is there until the first line.
  if (!options.force) {
    await publishing?.begin(writer.path).catch(async (error: unknown) => {
      await writer.close();
      throw error;
    });
  }
  const failing = new AbortController();
  const tee = options.tail ? await createTee(out, messages, stream.maxBufferBytes, options.utc) : undefined;
  // The file is the job, so nothing that happens to stdout ends the recording.
  out.onClosed = () =>
    messages.warn(`${out.failure?.message ?? 'stdout was closed'}: printing stops, recording goes on`);
  if (options.out === undefined) messages.say(`Recording to ${escapeUnsafe(writer.path)}`);
  // A terminal that goes away sends the same signal.
  const isOnTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  if (!isOnTerminal) session.requests.onHangup = () => reopenIfMoved(writer, messages, warn);
  const recorded = {
    ...stream,
    lifecycle: true,
    onLifecycle: (event: LifecycleEvent) => status?.observe(event),
    signal: AbortSignal.any([
      session.stop,
      failing.signal,
      ...(publishing ? [publishing.failing.signal] : []),
    ]),
  };
  try {
    await runStream(session, recorded, {
      utc: options.utc,
      showStatus: (state) => createLiveStatus(messages, state, () => writer.size),
      async consume(subscription, state) {
        if (statusPath !== undefined)
          status = new StatusFile(statusPath, options.mode, writer, state, publishing, messages.warn);
        await status?.write();
        await pump(subscription, writer, { tee, publishing, stop: () => failing.abort() });
      },
      gapBudget: options.gapBudget,
      lossText: () =>
        [tee?.lossText(), publishing?.lossText()].filter((text) => text !== undefined).join('; ') ||
        undefined,
      resultText: () =>
        [
          fileText(writer, messages.palette),
          ...(publishing ? [publishing.text(writer.files + writer.deletedFiles)] : []),
        ].join('\n'),
    });
  } catch (error) {
    status?.noteError((error as Error).message);
    throw error;
  } finally {
    await tee?.end();
  }
  const shortfall = session.requests.signal === undefined ? publishing?.shortfall() : undefined;
  if (shortfall !== undefined) throw shortfall;
}

/** @throws {OpmasError} `USAGE` for wrong options. @returns `undefined` when nothing is to be published. */
async function preparePublishing(
  session: Session,
  options: RecordCommandOptions,
): Promise<Publishing | undefined> {
  const { publish } = options;
  if (publish !== undefined) {
    // Imported late: most recordings are not published.
    const { Publishing } = await import('./publishing.js');
    return Publishing.prepare(session, publish, options);
  }
  const { createStream, natsContext, natsCreds, subjectPrefix } = options;
  const given = { 'create-stream': createStream, 'nats-context': natsContext, 'nats-creds': natsCreds };
  const name = Object.entries({ ...given, 'subject-prefix': subjectPrefix }).find(([, value]) => value)?.[0];
  if (name === undefined) return undefined;
  throw new OpmasError('USAGE', `--${name} needs --publish`);
}

/**
 * Handles SIGHUP as `logrotate` sends it: goes on in the file at the path of a recording that was renamed or deleted.
 *
 * @returns `false` when the file is in its place: the signal then means the end.
 */
function reopenIfMoved(writer: RecordingWriter, messages: Messages, warn: Messages['warn']): boolean {
  if (!writer.wasMoved) return false;
  writer.reopen().then(
    () => messages.say(`SIGHUP: new lines go to ${escapeUnsafe(writer.path)}`),
    (error: Error) => warn(`SIGHUP: ${error.message}; new lines still go to the old file`),
  );
  return true;
}

/** Writes all lines. After a failure of the file, counts the lines that are still in progress, for a correct report. */
async function pump(
  subscription: Subscription,
  writer: RecordingWriter,
  { tee, publishing, stop }: { tee: Tee | undefined; publishing: Publishing | undefined; stop(): void },
): Promise<void> {
  let failure: unknown;
  /** Bytes that are being written. */
  let pending = 0;
  let written: Promise<void> = Promise.resolve();
  try {
    for await (const batch of subscription) {
      tee?.print(batch);
      pending += batch.bytes.length;
      written = writer
        .write(batch)
        .then(publishing && (() => publishing.wake(writer.path)))
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
  await publishing?.end();
  if (failure !== undefined) throw failure;
}
