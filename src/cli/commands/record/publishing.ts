import { stat } from 'node:fs/promises';
import { escapeUnsafe, OpmasError, systemClock } from '../../../index.js';
import { quoted, RecordingPublisher, shared, targetOf } from '../../../internal.js';
import { reportText, resolveNatsAccess, VARIABLES } from '../../connection/nats-access.js';
import { counted } from '../../options/quantity.js';
import type { PublishCommandOptions } from '../../options/selection.js';
import type { RouteCommandOptions } from '../../options/server-options.js';
import type { Session } from '../../session.js';
import { ProblemMessages } from '../../terminal/reading-messages.js';

/** Options of `record` that concern publishing. */
interface PublishingOptions extends PublishCommandOptions, RouteCommandOptions {
  out?: string;
  append?: boolean;
  force?: boolean;
  keep?: number;
}

/** Longest wait for a server that does not answer before the recording begins. */
const BEGIN_LIMIT_MS = 3000;
/** Time for the last acknowledgements. */
const END_LIMIT_MS = 5000;
/** A shorter wait is not reported. */
const QUIET_MS = 500;
/** Time to end the process, that wait included. */
const SHUTDOWN_LIMIT_MS = 8000;

/**
 * Publishes a recording while it is written. The recording never waits for this: the file is read, from the place where
 * that was left.
 */
export class Publishing {
  /** Aborts when publishing cannot even begin, because the server refuses it. */
  readonly failing = new AbortController();
  /** Aborts when the first attempt has ended. */
  readonly #decided = new AbortController();
  readonly #problems: ProblemMessages;
  #path = '';
  #isClosing = false;
  #publisher: RecordingPublisher | undefined;
  /** Lines that are not published yet, as counted last. */
  #rest: number | undefined;
  #failure: OpmasError | undefined;

  private constructor(
    private readonly session: Session,
    private readonly to: string,
    private readonly options: PublishingOptions,
    private readonly publisherFor: (path: string) => RecordingPublisher,
  ) {
    this.#problems = new ProblemMessages(session.terminal.messages);
    session.requests.shutdownLimitMs = SHUTDOWN_LIMIT_MS;
  }

  /** Checks the options. @throws {OpmasError} `USAGE`, before anything is connected or created. */
  static async prepare(session: Session, to: string, options: PublishingOptions): Promise<Publishing> {
    const { cert: _cert, key: _key, keyPassphraseFile: _file, out, ...route } = options;
    // The client certificate is for the API.
    const access = await resolveNatsAccess(session, options, route);
    const named = { cert: VARIABLES.cert };
    const target = targetOf(to, { access: { ...access, named }, prefix: options.subjectPrefix });
    const isFile = out === undefined || (await stat(out).catch(() => undefined))?.isFile() !== false;
    if (!isFile) throw new OpmasError('USAGE', `--publish: ${out} is not a file that can be read again`);
    let attempts = 0;
    const { warn } = session.terminal.messages;
    const publishing: Publishing = new Publishing(
      session,
      to,
      options,
      (path) =>
        new RecordingPublisher(path, target, {
          ids: options.id,
          createStream: options.createStream,
          isFresh: options.force,
          follow: true,
          // A stop ends the recording first, and then publishes the rest.
          signal: new AbortController().signal,
          onNotice: warn,
          onProblem: publishing.#problems.onProblem,
          onDeleted: (lines, all) => {
            const how = `deleted${options.keep === undefined ? '' : ' (--keep)'} with ${counted(lines, 'line')}`;
            warn(`a part of ${publishing.#path} is ${how} that were not published yet, ${all} in all`);
          },
          // Once it runs, no failure of NATS ends the recording.
          persists: ({ code }) => {
            const persists = attempts++ > 0 || code === 'NETWORK';
            if (persists) publishing.#decided.abort();
            return persists;
          },
          onConnect: () => {
            attempts++;
            publishing.#decided.abort();
          },
        }),
    );
    return publishing;
  }

  /**
   * Begins with a file that is there, and waits a moment: a missing stream is best reported before the recording.
   *
   * @throws {OpmasError} When the server refuses.
   */
  async begin(path: string): Promise<void> {
    this.wake(path);
    const { failing } = this;
    const isOver = AbortSignal.any([failing.signal, this.#decided.signal, this.session.stop]);
    await systemClock.sleep(BEGIN_LIMIT_MS, isOver);
    if (!failing.signal.aborted) return;
    await this.end();
    throw this.shortfall();
  }

  /** Begins, or goes on: lines were written to the file. @param path Of the recording. */
  wake(path: string): void {
    this.#path = path;
    this.#publisher ??= this.#start(path);
    this.#publisher.wake();
  }

  /** To call before a part of the recording is deleted. */
  readonly beforeDelete = async (): Promise<void> =>
    this.#publisher?.recording.lookAhead().catch(() => undefined);

  /** The facts for a status: numbers are those of lines. */
  get facts() {
    const { publisher, recording } = this.#publisher ?? {};
    const { published = 0, alreadyThere = 0, removed = 0, tooLarge = 0 } = publisher?.window.counts ?? {};
    return {
      published: published + alreadyThere,
      unpublished: this.#rest,
      leftOut: removed + tooLarge,
      deleted: recording?.deletedLines ?? 0,
      isConnected: publisher?.isConnected ?? false,
      trouble: (this.#failure ?? publisher?.trouble)?.message,
    };
  }

  /** Counts the lines that are not published yet. Those of a compressed recording would have to be unpacked. */
  readonly count: () => Promise<void> = shared(async () => {
    if (this.#isClosing || this.#path.endsWith('.gz')) return;
    const rest = await this.#publisher?.countRest().catch(() => undefined);
    if (!this.#isClosing) this.#rest = rest ?? this.#rest;
  });

  /** Waits up to 5 s for the rest of a recording that has been closed. */
  async end(): Promise<void> {
    const { messages } = this.session.terminal;
    const limit = `${END_LIMIT_MS / 1000} s`;
    const timer = setTimeout(() => messages.say(`publishing the rest, for ${limit} at most`), QUIET_MS);
    void this.count();
    await this.#publisher?.end(END_LIMIT_MS);
    clearTimeout(timer);
    this.#isClosing = true;
    this.#rest = (await this.#publisher?.close()) ?? 0;
    this.#problems.end();
  }

  /** Says what is lost if the process must exit now; `undefined` when nothing is. */
  lossText(): string | undefined {
    if (this.#publisher === undefined || this.#rest === 0) return undefined;
    const most =
      this.#rest === undefined || this.#atLeast
        ? 'some lines, perhaps'
        : `up to ${counted(this.#rest, 'line')}`;
    return `not published yet: ${most}`;
  }

  /** Stands before a number that leaves out the lines of parts that are not open. */
  get #atLeast(): string {
    return this.#publisher?.recording.isFull ? 'at least ' : '';
  }

  /** Says what became of the lines. @param parts Number of files of the recording. */
  text(parts: number): string {
    const { palette } = this.session.terminal.messages;
    if (this.#publisher === undefined) return '';
    const { publisher, recording } = this.#publisher;
    const { deletedLines } = recording;
    const gone = deletedLines > 0 ? `, ${deletedLines} deleted before they were published` : '';
    const repeated = parts > 1 ? ', with the lines that repeat the connections in each part' : '';
    const counts = reportText(publisher.window.counts, escapeUnsafe(this.to));
    const report = palette.dim(`${counts}${gone}${repeated}`);
    if (!this.#rest) return report;
    const later = this.options.append ? ': the next start brings them' : '';
    return `${report}; ${palette.red(`${this.#atLeast}${this.#rest} not published yet`)}${later}`;
  }

  /** The error to end with, if lines are not published. */
  shortfall(): OpmasError | undefined {
    const failure = this.#failure ?? this.#publisher?.publisher.trouble;
    const rest = this.#rest ?? 0;
    if (rest === 0 && this.#failure === undefined) {
      const { publisher, recording } = this.#publisher ?? {};
      if (!recording?.deletedLines) return publisher?.shortfall;
      const isOurs = this.options.keep !== undefined;
      const hint = isOurs ? 'A larger --keep or --rotate-size bridges a longer failure of NATS.' : undefined;
      const lines = `${counted(recording.deletedLines, 'line')} before they were published`;
      return new OpmasError('NETWORK', `${isOurs ? '--keep' : 'someone'} deleted ${lines}`, { hint });
    }
    const command = `opmas-ws publish ${quoted(this.#path)} --to ${quoted(this.to)}`;
    // Without --append the next start has another file, or none of these lines.
    const next = this.options.append ? 'The next start brings them, or' : 'Publish them';
    const hint = `The recording keeps them. ${next}: ${command}`;
    const number = `${this.#atLeast}${counted(rest, 'line')} ${rest === 1 ? 'is' : 'are'} not published yet`;
    if (failure === undefined)
      return new OpmasError('NETWORK', `${number}: there was not enough time`, { hint });
    const hints = [failure.hint, rest > 0 ? hint : undefined].filter((each) => each !== undefined);
    const message = rest > 0 ? `${number}: ${failure.message}` : failure.message;
    return new OpmasError(failure.code, message, { hint: hints.join('\n'), cause: failure });
  }

  #start(path: string): RecordingPublisher {
    const publisher = this.publisherFor(path);
    publisher.run().catch((error: OpmasError) => {
      this.#failure = error;
      // Once it runs, it does not end the recording.
      if (!this.#decided.signal.aborted) return this.failing.abort();
      this.session.terminal.messages.warn(`publishing has ended: ${error.message}`);
    });
    return publisher;
  }
}
