import {
  compileFilter,
  escapeUnsafe,
  OpmasError,
  parseTimestamp,
  type ReplayNotice,
  type ReplayServer,
  type ServeRecordingOptions,
  serveRecording,
} from '../../../index.js';
import { filterOptionsOf } from '../../options/filter-options.js';
import { formatDuration, parseCount, parseDuration, parseRate } from '../../options/quantity.js';
import { resolveServing } from '../../serving/resolve-serving.js';
import { runServer } from '../../serving/run-server.js';
import type { Session } from '../../session.js';
import { listenToKeys } from './player-keys.js';
import type { ReplayCommandOptions } from './replay.js';

/**
 * Serves recordings until the user ends it, or until their end with `--exit-when-done`.
 *
 * @param clock The clock that was asked for, if one was.
 */
export async function runReplay(
  session: Session,
  files: readonly string[],
  options: ReplayCommandOptions,
  clock: 'client' | 'shared' | undefined,
): Promise<void> {
  const { loop, sources } = loopAndSources(options.loop, files);
  const filter = await compileFilter(filterOptionsOf(options));
  const serving = resolveServing(session, options);
  const { messages } = session.terminal;
  for (const hint of filter.hints) messages.warn(hint);
  if (sources.includes('-') && process.stdin.isTTY) {
    messages.say('Reading the recording from the terminal; Ctrl-D ends it.');
  }
  const server = await serveRecording(sources, {
    ...serving,
    ...timesOf(options),
    filter,
    loop,
    ...(clock === undefined ? {} : { clock }),
    lifecycle: options.lifecycle === true,
    exitWhenDone: options.exitWhenDone === true,
    strict: options.strict === true,
    precise: true,
    onProblem: ({ message }) => messages.warn(escapeUnsafe(message)),
    onNotice: (notice) => messages.say(messages.palette.yellow(noticeText(notice))),
    signal: session.stop,
  }).catch((error: unknown) => {
    if (session.stop.aborted) return undefined;
    throw error;
  });
  if (server === undefined) return;
  const keys = listenToKeys(server, session, { stdinIsTaken: sources.includes('-') });
  try {
    await runServer(session, server, {
      auth: serving.auth,
      describe: () => statusText(server),
      note: keys && messages.palette.dim(keys.hint),
      until: keys === undefined ? server.stopped : Promise.race([server.stopped, keys.ended]),
    });
  } finally {
    keys?.stop();
  }
}

function loopAndSources(
  value: true | string | undefined,
  files: readonly string[],
): { loop: boolean | number; sources: readonly string[] } {
  // Commander takes what follows `--loop` for its number, also when it is the recording.
  const isFile = typeof value === 'string' && !/^\d+$/.test(value);
  const sources = isFile ? [value, ...files] : files;
  if (sources.length === 0) {
    throw new OpmasError('USAGE', 'no recording is named', {
      hint: 'Name one or more, or - for stdin: opmas-ws replay capture.ndjson',
    });
  }
  if (value === undefined) return { loop: false, sources };
  return { loop: value === true || isFile ? true : parseCount(value, '--loop'), sources };
}

function timesOf(options: ReplayCommandOptions): ServeRecordingOptions {
  return {
    speed: parseSpeed(options.speed),
    ...(options.rate === undefined ? {} : { rate: parseRate(options.rate, '--rate') }),
    ...(options.maxGap === undefined ? {} : { maxGapMs: parseDuration(options.maxGap, '--max-gap') }),
    ...(options.from === undefined ? {} : { from: parseMoment(options.from, '--from') }),
    ...(options.to === undefined ? {} : { to: parseMoment(options.to, '--to') }),
  };
}

function parseSpeed(text: string): number | 'max' {
  if (text === 'max') return 'max';
  const [, figure] = /^(\d+(?:\.\d+)?)x?$/.exec(text) ?? [];
  const speed = Number(figure);
  if (speed > 0) return speed;
  throw new OpmasError('USAGE', `--speed: ${JSON.stringify(text)} is not a speed`, {
    hint: 'Write 0.5 for half of it, 2 or 2x for twice, or max.',
  });
}

function parseMoment(text: string, name: string): string | number {
  if (parseTimestamp(text) !== undefined) return text;
  try {
    return parseDuration(text, name);
  } catch {
    throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is neither a time nor an offset`, {
      hint: 'Write an RFC 3339 time with its zone, 2026-11-22T21:50:00Z, or an offset from the start, 5m.',
    });
  }
}

function noticeText(notice: ReplayNotice): string {
  switch (notice.kind) {
    case 'unseen':
      return `${escapeUnsafe(notice.endpoint)}: nobody was connected for ${notice.events} ${notice.events === 1 ? 'event' : 'events'}`;
    case 'downtime':
      return notice.phase === 'begins'
        ? 'as recorded: nothing listens for a while, connections are refused'
        : 'as recorded: listening again';
    case 'copying':
      return `reading ${escapeUnsafe(notice.source)} to its end before it is served`;
    case 'nothing':
      return 'there is nothing to send: no event passes the filter and lies between --from and --to';
  }
}

function statusText(server: ReplayServer): string {
  const { position, length, speed, paused, over } = server.status;
  const parts = [formatDuration(Math.min(position, length ?? position) / 1000)];
  if (length !== undefined) parts.push(`of ${formatDuration(length / 1000)}`);
  parts.push(
    speed === 'max'
      ? 'at full speed'
      : `at ${speed >= 100 ? Math.round(speed) : Number(speed.toPrecision(3))}x`,
  );
  return `${parts.join(' ')}${over ? ', at its end' : paused ? ', paused' : ''}`;
}
