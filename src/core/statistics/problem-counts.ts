import type { FrameReader } from '../json/frame.js';
import { isProblem, type Severity, severityOf } from '../severity.js';
import { deviceOf } from './device-table.js';
import { type NamedCount, Tally } from './tally.js';

/** Devices whose problems are surely counted. */
const MAX_DEVICES = 1000;

/** Counts the problems of each device, in bounded memory. */
export class ProblemCounts {
  readonly #byDevice = new Tally(MAX_DEVICES);

  /** Counts an event if its severity is that of a problem. */
  add(severity: Severity, data: unknown, subject: string | undefined): void {
    if (isProblem(severity)) this.#byDevice.add(deviceOf(data, subject) || '(none)');
  }

  /** Counts an event that a reader has just read: a JSON object. @returns Its severity. */
  addFrame({ type, subject, value: { data } }: FrameReader): Severity {
    const severity = severityOf(type, data);
    this.add(severity, data, subject);
    return severity;
  }

  /** Returns the devices with problems, the one with the most first. */
  sorted(): readonly NamedCount[] {
    return this.#byDevice.sorted();
  }
}
