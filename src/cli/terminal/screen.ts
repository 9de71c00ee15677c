import { writeSync } from 'node:fs';
import { escapeUnsafeOutput } from '../../internal.js';
import { isWriting } from './blocking-write-stream.js';
import { isForeground } from './raw-keys.js';
import { standardOutputs } from './standard-streams.js';
import type { DataOutput, Messages } from './terminal.js';

/** Alternate screen; no cursor; lines that are too long are cut, not wrapped. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** The terminal shows what stands between them at once; terminals that cannot do that ignore them. */
const BEGIN_FRAME = '\x1b[?2026h';
const END_FRAME = '\x1b[?2026l';
const CLEAR = '\x1b[0m\x1b[2J';
/** Messages that are kept for the time after the screen. */
const MOST_MESSAGES = 20;

/**
 * A picture of lines on the alternate screen of the terminal. Each end of the process restores the terminal, except
 * SIGKILL. Messages on the same terminal wait until the screen is left.
 */
export class Screen {
  /** The last message that came while the screen was on and says more than the picture. */
  lastMessage: { text: string; atMs: number } | undefined;
  #isOn = false;
  /** The screen belongs to another job until this one is in the foreground. */
  #isSuspended = false;
  #isDrawing = false;
  #lines: string[] = [];
  #size = '';
  #waiting: string[] = [];
  readonly #print: (text: string) => void;

  constructor(
    private readonly out: DataOutput,
    private readonly messages: Messages,
  ) {
    this.#print = messages.print;
  }

  get columns(): number {
    return this.out.columns;
  }

  get rows(): number {
    return standardOutputs().stdout.rows || 24;
  }

  enter(): void {
    this.#isSuspended = !isForeground();
    if (this.#isOn || this.#isSuspended) return;
    this.#isOn = true;
    this.#size = '';
    process.on('SIGTSTP', this.#suspend);
    process.on('exit', this.#leaveNow);
    // Before the error is printed.
    process.on('uncaughtExceptionMonitor', this.#leaveNow);
    if (this.messages.isTerminal) {
      this.messages.print = (text, isRoutine) => {
        if (!isRoutine) this.lastMessage = { text, atMs: performance.now() };
        this.#waiting = [...this.#waiting, text].slice(-MOST_MESSAGES);
      };
    }
    void this.#write(ENTER);
  }

  /** Draws the lines that differ from those on the screen. Does nothing while the terminal has not taken the last ones. */
  draw(lines: readonly string[]): void {
    if (this.#isSuspended) this.enter();
    if (!this.#isOn || this.#isDrawing) return;
    const { columns, rows } = this;
    let changes = '';
    if (this.#size !== `${columns}x${rows}`) {
      this.#size = `${columns}x${rows}`;
      this.#lines = [];
      changes = CLEAR;
    }
    for (let row = 0; row < rows; row++) {
      const line = escapeUnsafeOutput(lines[row] ?? '').replaceAll(/[\n\t]/g, ' ');
      if (line === (this.#lines[row] ?? '')) continue;
      this.#lines[row] = line;
      changes += `\x1b[${row + 1};1H\x1b[K${line}\x1b[0m`;
    }
    if (changes === '') return;
    this.#isDrawing = true;
    void this.#write(BEGIN_FRAME + changes + END_FRAME).then(() => {
      this.#isDrawing = false;
    });
  }

  /** Restores the terminal, and prints the messages that have waited. */
  async leave(): Promise<void> {
    if (!this.#isOn) return;
    this.messages.end();
    this.#release();
    await this.#write(LEAVE);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const text of waiting) this.#print(text);
  }

  #release(): void {
    this.#isOn = false;
    this.messages.print = this.#print;
    process.off('SIGTSTP', this.#suspend);
    process.off('exit', this.#leaveNow);
    process.off('uncaughtExceptionMonitor', this.#leaveNow);
  }

  readonly #suspend = (): void => {
    void this.leave().then(() => {
      this.#isSuspended = true;
      process.kill(process.pid, 'SIGTSTP');
    });
  };

  readonly #leaveNow = (): void => {
    this.#release();
    // A terminal that takes nothing would hold up the end.
    if (isWriting()) return;
    try {
      writeSync(1, LEAVE);
    } catch {
      // The terminal is gone.
    }
  };

  /** A failure of stdout ends the command by itself. */
  #write(text: string): Promise<void> {
    return this.out.write(Buffer.from(text)).catch(() => undefined);
  }
}
