import {
  escapeUnsafe,
  OpmasError,
  type ReplayNotice,
  type ReplayServer,
  serveRecording,
} from '../../../index.js';
import type { Command } from '../../commander.js';
import { counted, formatDuration, parseCount, parseDuration, parseRate } from '../../options/quantity.js';
import {
  addFilterOptions,
  addPartOptions,
  type FilterCommandOptions,
  type PartCommandOptions,
} from '../../options/selection.js';
import { addServingOptions, resolveServing, runServer, type ServingCommandOptions } from '../../serving.js';
import { runCommand, type Session } from '../../session.js';
import { prepareReading } from '../../stream/file-stream.js';
import { readKeys } from '../../terminal/raw-keys.js';
import { showProgress } from '../../terminal/reading-messages.js';
import { inputIsTerminal } from '../../terminal/standard-streams.js';

/** Options of `replay`. */
interface ReplayOptions extends ServingCommandOptions, FilterCommandOptions, PartCommandOptions {
  speed: number | 'max';
  rate?: number;
  /** Milliseconds. */
  maxGap?: number;
  loop?: true | string;
  clock: 'client' | 'shared';
  lifecycle?: boolean;
  exitWhenDone?: boolean;
  strict?: boolean;
}

const HELP = `
Several recordings are merged by time; - reads one from stdin. Keys on a terminal: space pauses, + and - change the
speed, . pauses and sends the next event, q ends. The first line on stdout is {"listening":"ws://…","token":"…"}.

Examples:
  $ opmas-ws replay capture.ndjson                          then run the command that it prints
  $ opmas-ws replay capture.ndjson --speed 10 --loop        ten times as fast, forever
  $ opmas-ws replay capture.ndjson --from 5m --to 10m --max-gap 2s
  $ opmas-ws replay capture.ndjson --speed max --exit-when-done -p 0
  $ opmas-ws replay outage.ndjson --lifecycle               repeat refusals, closes and downtimes too
  $ jq -c 'select(.data.cpu > 90)' capture.ndjson | opmas-ws replay - --rate 5`;

const KEYS = 'Keys: space pauses, + - change the speed, . steps, q ends';
const SLOWEST = 1 / 64;
const FASTEST = 1024;
const END_OF_INPUT = '\x04';

/** Configures `replay`. */
export function configure(command: Command): void {
  command
    .usage('[options] <file...>')
    .argument('[file...]', 'recordings, also compressed (.gz); - is stdin')
    .value('--speed <x>', '0.5, 2x, or max: as fast as the clients read', parseSpeed, '1')
    .value('--rate <n>', 'send N events a second, not at the recorded times', parseRate)
    .value('--max-gap <t>', 'shorten longer silences to this: 500ms, 30s, 5m', parseDuration)
    .option('--loop [n]', 'start again at the end, N times in all or forever')
    .choice('--clock <whose>', 'client: each connection starts at the beginning; shared: one clock for all', [
      'client',
      'shared',
    ])
    .option('--lifecycle', 'repeat recorded refusals, closes, drops and downtimes; implies --clock shared')
    .option('--exit-when-done', 'at the end, close the clients with 1000 and exit 0')
    .option('--strict', 'treat damage in a recording as an error (exit code 6)');
  addPartOptions(addFilterOptions(addServingOptions(command)))
    .addHelpText('after', HELP)
    .action((files: string[], options: ReplayOptions) => {
      // `--lifecycle` has its own clock, which only an explicit `--clock` can contradict.
      const isExplicit = command.getOptionValueSource('clock') === 'cli';
      const clock = isExplicit ? options.clock : undefined;
      return runCommand(command, (session) => replay(session, files, options, clock));
    });
}

/** Serves recordings until the user stops it, or until their end with `--exit-when-done`. */
async function replay(
  session: Session,
  files: readonly string[],
  options: ReplayOptions,
  clock: 'client' | 'shared' | undefined,
): Promise<void> {
  const { loop, sources } = loopAndSources(options.loop, files);
  const serving = resolveServing(session, options);
  const { messages } = session.terminal;
  const { reading, problems, filtering } = await prepareReading(session, sources, options);
  if (sources.includes('-') && inputIsTerminal()) {
    messages.say('Reading the recording from the terminal; Ctrl-D ends it.');
  }
  // With `--lifecycle` the whole recording is indexed before it is served.
  const progress = options.lifecycle ? await showProgress(messages, sources) : undefined;
  const server = await serveRecording(sources, {
    ...serving,
    ...reading,
    speed: options.speed,
    rate: options.rate,
    maxGapMs: options.maxGap,
    loop,
    clock,
    lifecycle: options.lifecycle,
    exitWhenDone: options.exitWhenDone,
    strict: options.strict,
    precise: true,
    onNotice: (notice) => {
      messages.say(messages.palette.yellow(noticeText(notice, reading.filter.passesAll)));
      if (notice.kind === 'nothing') filtering.end();
    },
    onIndexed: progress?.advance,
  })
    .catch((error: unknown) => {
      if (session.stop.aborted) return undefined;
      throw error;
    })
    .finally(() => progress?.end());
  if (server === undefined) return;
  const isInput = sources.includes('-');
  const stopKeys = isInput ? undefined : readKeys(session.stop, (key) => pressKey(key, server));
  try {
    await runServer(session, server, {
      auth: serving.auth,
      duration: options.duration,
      describe: () => statusText(server),
      note: stopKeys && messages.palette.dim(KEYS),
      until: server.stopped,
    });
  } finally {
    stopKeys?.();
    problems.end();
    filtering.end();
  }
}

function loopAndSources(
  value: true | string | undefined,
  files: readonly string[],
): { loop: boolean | number; sources: readonly string[] } {
  // Commander takes a recording that follows `--loop` as the number.
  const isFile = typeof value === 'string' && !/^\d+$/.test(value);
  const sources = isFile ? [value, ...files] : files;
  if (sources.length === 0) {
    throw new OpmasError('USAGE', 'name a recording', {
      hint: 'opmas-ws replay capture.ndjson, or - for stdin',
    });
  }
  if (value === undefined) return { loop: false, sources };
  return { loop: value === true || isFile ? true : parseCount(value, '--loop'), sources };
}

function parseSpeed(text: string, name: string): number | 'max' {
  if (text === 'max') return 'max';
  const speed = Number(/^(\d+(?:\.\d+)?)x?$/.exec(text)?.[1]);
  if (speed > 0) return speed;
  throw new OpmasError('USAGE', `${name}: ${JSON.stringify(text)} is not a speed`, {
    hint: 'Write 0.5 for half speed, 2 or 2x for double speed, or max.',
  });
}

/** Does to a replay what a key says. */
function pressKey(key: string, player: ReplayServer): void {
  const { speed, paused } = player.status;
  switch (key) {
    case ' ':
      if (paused) player.resume();
      else player.pause();
      break;
    case '+':
    case '=':
      if (speed !== 'max') player.setSpeed(Math.min(speed * 2, Math.max(FASTEST, speed)));
      break;
    case '-':
      if (speed !== 'max') player.setSpeed(Math.max(speed / 2, Math.min(SLOWEST, speed)));
      break;
    case '.':
      if (!paused) player.pause();
      player.step();
      break;
    case 'q':
    case END_OF_INPUT:
      void player.close();
      break;
  }
}

function noticeText(notice: ReplayNotice, keepsAll: boolean): string {
  switch (notice.kind) {
    case 'unseen':
      return `${escapeUnsafe(notice.endpoint)}: ${counted(notice.events, 'event')} not sent: no client was connected`;
    case 'downtime':
      return notice.phase === 'begins'
        ? 'recorded downtime begins: connections are refused'
        : 'recorded downtime ends: listening again';
    case 'copying':
      return `copying ${escapeUnsafe(notice.source)} before serving it`;
    case 'foreign':
      return `${escapeUnsafe(notice.endpoint)} is not an endpoint of the API: its events are served at ${escapeUnsafe(notice.path)}`;
    case 'unnamed':
      return `events without an endpoint, such as ${escapeUnsafe(notice.type)}, are served on system`;
    case 'no lifecycle':
      return '--lifecycle has nothing to repeat: the recording has no connection lines';
    case 'end':
      return 'the end of the recording is reached; clients stay connected';
    case 'again':
      return 'a client came after the end: the recording starts again from the beginning';
    case 'nothing':
      return `nothing to send: ${notice.why ?? (keepsAll ? 'there are no events' : 'no event matches the filters')}`;
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
  return `${parts.join(' ')}${over ? ', at the end' : paused ? ', paused' : ''}`;
}
