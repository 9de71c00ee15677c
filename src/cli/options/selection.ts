import {
  type ContextSpan,
  ENDPOINTS,
  type FilterOptions,
  OpmasError,
  type PartOptions,
} from '../../index.js';
import { endpointLabel, unknownEndpoint } from '../../internal.js';
import type { Command } from '../commander.js';
import { parseMoment, parseSpan, timeOf } from './quantity.js';

/** Adds the argument `[endpoint...]` to a command. */
export function addEndpoints(command: Command): Command {
  return command.argument(
    '[endpoint...]',
    'devices, agents, rules, system, device/ID, agent/ID, rule/ID, or a path that begins with /; default: the first four',
  );
}

/**
 * Returns the labels of the endpoints that the user named; all four when there are none.
 *
 * @throws {OpmasError} `USAGE` for a word that names no endpoint.
 */
export function endpointsOf(words: readonly string[]): readonly string[] {
  return words.length === 0 ? ENDPOINTS : words.map(labelOf);
}

function labelOf(word: string): string {
  const label = endpointLabel(word);
  if (label !== undefined) return label;
  const error = unknownEndpoint(word);
  throw new OpmasError('USAGE', error.message, { hint: habitOf(word) ?? error.hint });
}

/** Recognizes what users of other tools type in the place of endpoints. */
function habitOf(word: string): string | undefined {
  const parts = word.split(',').filter((part) => part !== '');
  if (parts.length > 1 && parts.every((part) => endpointLabel(part) !== undefined)) {
    return `Separate endpoints with spaces: ${parts.join(' ')}.`;
  }
  const rewritten = /^[a-z]:[\\/](?:.*[\\/]api[\\/]v1[\\/]ws[\\/](.*))?/i.exec(word);
  if (rewritten !== null) {
    const [, name = ''] = rewritten;
    const instead =
      endpointLabel(name) === undefined ? 'put MSYS_NO_PATHCONV=1 before the command' : `type ${name}`;
    return `Git Bash rewrites words that begin with /: ${instead}.`;
  }
  if (!/\.(nd)?jsonl?(\.gz)?$/i.test(word)) return undefined;
  return 'To print a recording, use `tail --file FILE`; to write one, use `record -o FILE`.';
}

/** Options that choose events: `tail`, `top`, `record` and `replay` share them. */
export interface FilterCommandOptions {
  type?: string[];
  excludeType?: string[];
  subject?: string[];
  excludeSubject?: string[];
  where?: string[];
  problems?: boolean;
}

/** Adds the options of {@link FilterCommandOptions} to a command. */
export function addFilterOptions(command: Command): Command {
  return command
    .optionsGroup('Filters:')
    .option('-t, --type <pattern>', "keep these event types: 'device.*'; repeatable", collect)
    .option('--exclude-type <pattern>', 'drop these event types; wins over --type', collect)
    .option('-s, --subject <pattern>', "keep these NATS subjects: 'opmas.>'; repeatable", collect)
    .option('--exclude-subject <pattern>', 'drop these subjects; wins over --subject', collect)
    .option(
      '-w, --where <expr>',
      "keep events for which this CEL expression is true: 'data.cpu > 90'; repeatable",
      collect,
    )
    .option('--problems', 'keep problems and recoveries only');
}

/** Collects the values of a repeatable option. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

/** Translates the options for `compileFilter`. */
export function filterOptionsOf(options: FilterCommandOptions): FilterOptions {
  return {
    types: options.type,
    excludeTypes: options.excludeType,
    subjects: options.subject,
    excludeSubjects: options.excludeSubject,
    where: options.where,
    problems: options.problems,
  };
}

const NATS_GROUP = 'Streams of NATS JetStream:';

/** Options about a NATS server. */
export interface NatsCommandOptions {
  natsContext?: string;
  natsCreds?: string;
  subjectPrefix?: string;
}

/** Adds the options of {@link NatsCommandOptions} to a command. */
export function addNatsOptions(command: Command): Command {
  return command
    .optionsGroup(NATS_GROUP)
    .option('--nats-context <name>', 'use this context of the nats command')
    .option('--nats-creds <file>', 'credentials for NATS (env: NATS_CREDS)')
    .option('--subject-prefix <subject>', 'first tokens of the subjects (default: opmas-ws)');
}

/** Options for publishing to a stream of NATS. */
export interface PublishCommandOptions extends NatsCommandOptions {
  id: 'line' | 'event';
  createStream?: boolean;
}

/** Adds the options of {@link PublishCommandOptions} to a command. */
export function addPublishOptions(command: Command): Command {
  command
    .optionsGroup(NATS_GROUP)
    .choice(
      '--id <kind>',
      '`line`: publish each line once; `event`: publish each event once, even if several recorders record the same server; use one kind for a stream',
      ['line', 'event'],
    )
    .option('--create-stream', 'make the stream if there is none');
  return addNatsOptions(command);
}

/** Options that choose a part of a recording: all commands that read recordings share them. */
export interface PartCommandOptions extends NatsCommandOptions {
  from?: string | number;
  to?: string | number;
  last?: ContextSpan;
  /** Times without a zone are in UTC, not in the local zone. */
  utc?: boolean;
}

/** Adds the options of {@link PartCommandOptions} to a command, except `--utc`. */
export function addPartOptions(command: Command): Command {
  command
    .optionsGroup('Part of a recording:')
    .value(
      '--from <when>',
      "start here: '2026-11-22 21:50' (local), 2026-11-22T21:50:00Z, 5m after the first line, -15m before the last",
      parseMoment,
    )
    .value('--to <when>', 'end here, written like --from', parseMoment)
    .value('--last <n|t>', 'only the last N matching events, or the last time T: 20, 15m', parseSpan);
  return addNatsOptions(command);
}

/**
 * Translates the options for functions that read recordings.
 *
 * @throws {OpmasError} `USAGE` for a time that the local zone does not have, and for two beginnings.
 */
export function partOptionsOf({
  from,
  to,
  last,
  utc = false,
}: PartCommandOptions): Omit<PartOptions, 'filter'> {
  const known = (moment: string | number | undefined, name: string) =>
    typeof moment === 'string' ? timeOf(moment, { name, utc }) : moment;
  const part = { from: known(from, '--from'), to: known(to, '--to') };
  if (last === undefined) return part;
  if ('events' in last) return { ...part, last: last.events };
  if (from !== undefined) throw new OpmasError('USAGE', '--from and --last with a time cannot be combined');
  return { ...part, from: -last.ms };
}

/** Options that only recordings have. */
const OF_RECORDINGS = ['from', 'to', 'last'] as const;

/** @throws {OpmasError} `USAGE` when a live stream is asked for what only a recording has. */
export function refusePart(options: PartCommandOptions & { follow?: boolean }): void {
  if (options.follow) {
    throw new OpmasError('USAGE', '--follow needs a recording: --file FILE', {
      hint: 'New events are always followed: leave this option out.',
    });
  }
  const name = OF_RECORDINGS.find((option) => options[option] !== undefined);
  if (name === undefined) return;
  throw new OpmasError('USAGE', `--${name} needs a recording: the API keeps no past events`, {
    hint: `\`opmas-ws record\` keeps them, and \`opmas-ws tail --file FILE --${name} …\` prints them.`,
  });
}

/** Options for the context around matching events. */
export interface ContextCommandOptions {
  before?: ContextSpan;
  after?: ContextSpan;
}

/** Adds the options of {@link ContextCommandOptions} to a command. */
export function addContextOptions(command: Command): Command {
  return command
    .optionsGroup('Filters:')
    .value('--before <n|t>', 'also N events, or a time T, before each matching one: 20, 5m', parseSpan)
    .value('--after <n|t>', 'the same after each matching event', parseSpan);
}
