import { randomUUID } from 'node:crypto';
import { chmodSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  formatTimestamp,
  type LifecycleEvent,
  OpmasError,
  type RecordingWriter,
  type StreamSummary,
  systemClock,
} from '../../../index.js';
import { describeEnd, escapeUnsafeJson, reasonOf, version, writeInOneStep } from '../../../internal.js';
import { checkReplaceable } from '../../connection/private-files.js';
import type { StreamState } from '../../stream/run-stream.js';
import type { Publishing } from './publishing.js';

const INTERVAL_MS = 5000;
/** A write that takes longer hangs; the end of the process does not wait for that disk. */
const MOST_WRITE_MS = 1000;

/**
 * Finds the file for a status; follows a link.
 *
 * @param out Path of the recording.
 * @throws {OpmasError} `USAGE` when it is anything but a status or a free path. `LOCAL` without a folder for it.
 */
export async function findStatusPath(path: string, out: string | undefined): Promise<string> {
  await checkReplaceable(path, { option: '--status', what: 'a status', starts: STATUS_STARTS });
  if (out !== undefined && [resolve(out), `${resolve(out)}.lock`].includes(resolve(path))) {
    throw new OpmasError('USAGE', `--status names a file of the recording: ${path}`);
  }
  return realpath(path).catch(() => path);
}

/** A file with the state of a recorder: replaced by {@link write}, every 5 s, and at the end of the process. */
export class StatusFile {
  readonly #temporary: string;
  readonly #startedAt = nowMicros();
  #lastError: RecorderFacts['lastError'];
  #hasFailed = false;
  #writingSinceMs: number | undefined;

  /** @param onFailure Called once, when the file cannot be written. */
  constructor(
    private readonly path: string,
    private readonly mode: number,
    private readonly writer: RecorderFacts['writer'],
    private readonly stream: StreamState,
    private readonly publishing: Pick<Publishing, 'facts' | 'count'> | undefined,
    private readonly onFailure: (message: string) => void,
  ) {
    this.#temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    setInterval(() => void this.write(), INTERVAL_MS).unref();
    // Emitted also when a signal or a bug ends the process.
    process.once('exit', (exitCode) => this.#writeEnd(exitCode));
  }

  /** Takes note of a connection that was refused, lost or given up. */
  observe({ endpoint, connection }: LifecycleEvent): void {
    const { state } = connection;
    if (state === 'given_up') this.noteError(`${endpoint}: ${connection.failure} (${connection.reason})`);
    else if (state === 'refused' || (state === 'closed' && connection.lost))
      this.noteError(`${endpoint}: ${describeEnd(connection)}`);
  }

  /** Takes note of an error for the next status. */
  noteError(message: string): void {
    this.#lastError = { at: formatTimestamp(nowMicros()), message };
  }

  /** Writes without delaying the recording, unless an earlier write still hangs. */
  async write(): Promise<void> {
    if (this.#writingSinceMs !== undefined) return;
    this.#writingSinceMs = performance.now();
    try {
      // After a long outage this takes long, too.
      void this.publishing?.count();
      await writeInOneStep(this.path, this.#text(null), { mode: this.mode, temporary: this.#temporary });
    } catch (error) {
      const text = `${this.path} cannot be written: ${reasonOf(error)}; the recording goes on`;
      if (!this.#hasFailed) this.onFailure(text);
      this.#hasFailed = true;
    }
    this.#writingSinceMs = undefined;
  }

  #writeEnd(exitCode: number): void {
    if (performance.now() - (this.#writingSinceMs ?? Number.POSITIVE_INFINITY) > MOST_WRITE_MS) return;
    const temporary = this.#temporary;
    // The temporary file of a write that is under way.
    removeNow(temporary);
    try {
      writeFileSync(temporary, this.#text(exitCode), { flag: 'wx', mode: 0o600 });
      chmodSync(temporary, this.mode);
      renameSync(temporary, this.path);
    } catch {
      removeNow(temporary);
    }
  }

  #text(exitCode: number | null): string {
    const facts = {
      writer: this.writer,
      states: this.stream.states,
      now: nowMicros(),
      startedAt: this.#startedAt,
      exitCode,
      stream: this.stream.summary(),
      publishing: this.publishing?.facts,
      lastError: this.#lastError,
    };
    return this.path.endsWith('.prom') ? prometheusText(facts) : jsonText(facts);
  }
}

/** Removes a file, and never throws: while the process exits, that would change its exit code. */
function removeNow(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not created.
  }
}

function nowMicros(): number {
  return Math.floor(systemClock.nowMicros());
}

/** The facts about a recorder. */
export interface RecorderFacts {
  now: number;
  /** Microseconds since 1970, as `now`. */
  startedAt: number;
  /** `null` while it runs. */
  exitCode: number | null;
  writer: Pick<RecordingWriter, 'path' | 'lines' | 'bytes' | 'files' | 'size'>;
  states: StreamState['states'];
  stream: Pick<StreamSummary, 'events' | 'lastEventAt' | 'gaps' | 'invalid' | 'dropped'>;
  publishing?: Publishing['facts'] | undefined;
  lastError: { at: string; message: string } | undefined;
}

/** A status in JSON or for Prometheus begins with one of these texts. */
const STATUS_STARTS = ['{"recorder":"opmas-ws/', '# HELP opmas_ws_'];

/** A value under its name in JSON; for Prometheus with the name of its metric and a text of help. */
type Figure = readonly [
  member: string,
  value: string | number | boolean | null | undefined,
  metric?: string,
  help?: string,
];

/** Formats a status as JSON, in one line. */
export function jsonText(facts: RecorderFacts): string {
  const membersOf = (figures: readonly Figure[]) =>
    Object.fromEntries(figures.map(([member, value]) => [member, value ?? null]));
  const endpoints = [...facts.states.keys()].map((each) => [each, membersOf(endpointFigures(facts, each))]);
  const status = { ...membersOf(figuresOf(facts)), endpoints: Object.fromEntries(endpoints) };
  return `${escapeUnsafeJson(JSON.stringify(status))}\n`;
}

/** Formats a status in the text format of Prometheus. Metrics without a value are left out. */
export function prometheusText(facts: RecorderFacts): string {
  const families = new Map<string, string[]>();
  const add = (figures: readonly Figure[], labels: string) => {
    for (const [, value, metric, help] of figures) {
      if (metric === undefined || value === undefined || value === null) continue;
      const name = `opmas_ws_${metric}`;
      const type = metric.endsWith('_total') ? 'counter' : 'gauge';
      const lines = families.get(name) ?? [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
      // Texts are times, which Prometheus wants in seconds.
      const number = typeof value === 'string' ? Date.parse(value) / 1000 : Number(value);
      families.set(name, [...lines, `${name}${labels} ${number}`]);
    }
  };
  add(figuresOf(facts), '');
  for (const endpoint of facts.states.keys()) {
    const label = endpoint.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
    add(endpointFigures(facts, endpoint), `{endpoint="${label}"}`);
  }
  return `${[...families.values()].flat().join('\n')}\n`;
}

function figuresOf(facts: RecorderFacts): Figure[] {
  const { now, exitCode, writer, states, stream, publishing: p, lastError } = facts;
  const gapSeconds = Math.round(stream.gaps.totalMs) / 1000;
  const lastEvents = Object.values(stream.lastEventAt).filter((at) => at !== undefined);
  const lastEventAt = lastEvents.sort().at(-1);
  return [
    ['recorder', `opmas-ws/${version}`],
    ['pid', process.pid],
    ['state', exitCode === null ? 'running' : 'ended'],
    ['running', exitCode === null, 'running', '1 while the recorder runs, 0 after its end.'],
    ['exit_code', exitCode, 'exit_code', 'Exit code, after the end.'],
    ['started_at', formatTimestamp(facts.startedAt), 'start_time_seconds', 'Time of the start.'],
    ['updated_at', formatTimestamp(now), 'status_timestamp_seconds', 'Time of this status.'],
    ['connected', [...states.values()].filter(({ name }) => name === 'open').length],
    ['events', Object.values(stream.events).reduce((sum, count) => sum + count, 0)],
    ['last_event_at', lastEventAt],
    ['last_event_age_seconds', ageOf(lastEventAt, now)],
    ['gaps', stream.gaps.count, 'gaps_total', 'Gaps of all endpoints that have ended.'],
    ['gap_seconds', gapSeconds, 'gap_seconds_total', 'Length of these gaps.'],
    ['invalid', stream.invalid, 'invalid_messages_total', 'Messages that were not JSON objects.'],
    ['dropped', stream.dropped, 'dropped_events_total', 'Events that were dropped for a slow disk.'],
    ['lines', writer.lines, 'written_lines_total', 'Lines written.'],
    ['bytes', writer.bytes, 'written_bytes_total', 'Bytes of these lines, before compression.'],
    ['file', writer.path],
    ['files', writer.files, 'files', 'Files of this recorder that are still there.'],
    ['file_bytes', writer.size, 'file_bytes', 'Size of these files.'],
    ['publishing', p?.isConnected, 'publishing', '1 while the stream of NATS can be reached.'],
    ['publishing_error', p?.trouble],
    ['published', p?.published, 'published_lines_total', 'Lines that are in the stream.'],
    ['unpublished', p?.unpublished, 'unpublished_lines', 'Lines that are not published yet.'],
    ['left_out', p?.leftOut, 'left_out_lines_total', 'Lines that the stream does not take.'],
    ['deleted_unpublished', p?.deleted, 'deleted_unpublished_lines_total', 'Lines deleted before that.'],
    ['last_error', lastError?.message],
    ['last_error_at', lastError?.at, 'last_error_timestamp_seconds', 'Time of the last error.'],
  ];
}

function endpointFigures({ now, states, stream }: RecorderFacts, endpoint: string): Figure[] {
  const state = states.get(endpoint)?.name;
  const at = stream.lastEventAt[endpoint];
  const age = ageOf(at, now);
  return [
    ['state', state],
    ['connected', state === 'open', 'endpoint_connected', '1 while the connection is open.'],
    ['events', stream.events[endpoint] ?? 0, 'events_total', 'Matching events.'],
    ['last_event_at', at, 'last_event_timestamp_seconds', 'Time of the last one.'],
    ['last_event_age_seconds', age, 'last_event_age_seconds', 'Its age at the time of this status.'],
  ];
}

/** Returns seconds. A clock may have been set back meanwhile. */
function ageOf(at: string | undefined, nowMicros: number): number | undefined {
  if (at === undefined) return undefined;
  return Math.max(0, Math.round(nowMicros / 1000 - Date.parse(at)) / 1000);
}
