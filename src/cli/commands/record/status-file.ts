import { randomUUID } from 'node:crypto';
import { chmodSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { chmod, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatTimestamp, type LifecycleEvent, OpmasError, systemClock } from '../../../index.js';
import { describeEnd } from '../../../internal.js';
import { checkReplaceable } from '../../connection/private-files.js';
import type { StreamState } from '../../stream/run-stream.js';
import { jsonText, prometheusText, type RecorderFacts, STATUS_STARTS } from './status-text.js';

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
  if (out !== undefined && resolve(path) === resolve(out)) {
    throw new OpmasError('USAGE', `--status and --out name the same file: ${path}`);
  }
  return realpath(path).catch(() => path);
}

/** A file that tells how a recorder is: replaced by {@link write}, every 5 s, and at the end of the process. */
export class StatusFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #mode: number;
  readonly #writer: RecorderFacts['writer'];
  readonly #stream: StreamState;
  readonly #onFailure: (message: string) => void;
  readonly #startedAt = nowMicros();
  #lastError: RecorderFacts['lastError'];
  #hasFailed = false;
  #writingSinceMs: number | undefined;

  /** @param onFailure Called once, when the file cannot be written. */
  constructor(
    path: string,
    mode: number,
    writer: RecorderFacts['writer'],
    stream: StreamState,
    onFailure: (message: string) => void,
  ) {
    this.#path = path;
    this.#temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
    this.#mode = mode;
    this.#writer = writer;
    this.#stream = stream;
    this.#onFailure = onFailure;
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
    const temporary = this.#temporary;
    try {
      await writeFile(temporary, this.#text(null), { flag: 'wx', mode: 0o600 });
      await chmod(temporary, this.#mode);
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      const why = (error as Error).message.replace(/, [a-z]+ '.*$/s, '');
      if (!this.#hasFailed) this.#onFailure(`${this.#path} cannot be written: ${why}; the recording goes on`);
      this.#hasFailed = true;
    }
    this.#writingSinceMs = undefined;
  }

  #writeEnd(exitCode: number): void {
    if (performance.now() - (this.#writingSinceMs ?? Number.POSITIVE_INFINITY) > MOST_WRITE_MS) return;
    const temporary = this.#temporary;
    // Of a write that is under way.
    removeNow(temporary);
    try {
      writeFileSync(temporary, this.#text(exitCode), { flag: 'wx', mode: 0o600 });
      chmodSync(temporary, this.#mode);
      renameSync(temporary, this.#path);
    } catch {
      removeNow(temporary);
    }
  }

  #text(exitCode: number | null): string {
    const facts = {
      writer: this.#writer,
      states: this.#stream.states,
      now: nowMicros(),
      startedAt: this.#startedAt,
      exitCode,
      stream: this.#stream.summary(),
      lastError: this.#lastError,
    };
    return this.#path.endsWith('.prom') ? prometheusText(facts) : jsonText(facts);
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
