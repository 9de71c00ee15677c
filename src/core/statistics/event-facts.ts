import { DATA_MEMBERS } from '../json/data-members.js';
import type { FrameReader } from '../json/frame.js';
import { type Severity, severityOf } from '../severity.js';
import { deviceOf } from './device-table.js';

/** The members that `severityOf` reads. */
const OF_SEVERITY = Object.entries(DATA_MEMBERS).filter(([name]) => name !== 'device_id');
const SEVERITY_BITS = OF_SEVERITY.reduce((bits, [, number]) => bits | (1 << number), 0);
/** No word that means anything to `severityOf` is as long. */
const LONG = 32;
/** So many combinations of a type and its values are remembered; others are judged again each time. */
const MAX_REMEMBERED = 2000;

/** What follows from the type and the values so far: the severity, and a step for each next value. */
interface Step {
  severity?: Severity;
  next: Map<unknown, Step>;
}

/**
 * Tells severity and device of events. Where the frame has noted the members of `data` it parses nothing, and agrees
 * with `severityOf` and `deviceOf` of the parsed event all the same.
 */
export class EventFacts {
  readonly #first: Step = { next: new Map() };
  #remembered = 0;

  /** Returns the severity of the event that the frame has just read. @param type Its type. */
  severity(frame: FrameReader, type: string | undefined): Severity {
    if (frame.dataStarts === undefined) return severityOf(type, frame.value.data);
    const found = frame.dataFound & SEVERITY_BITS;
    let step = this.#step(this.#first, type);
    if (found !== 0) {
      step = this.#step(step, found);
      // Bit by bit: most events have one of these members.
      for (let bits = found; bits !== 0; bits &= bits - 1) {
        step = this.#step(step, wordIn(frame, 31 - Math.clz32(bits & -bits)));
      }
    }
    step.severity ??= severityOf(
      type,
      Object.fromEntries(OF_SEVERITY.map(([name, number]) => [name, wordIn(frame, number)])),
    );
    return step.severity;
  }

  #step(from: Step, value: unknown): Step {
    const known = from.next.get(value);
    if (known !== undefined) return known;
    const step: Step = { next: new Map() };
    if (this.#remembered < MAX_REMEMBERED && !(typeof value === 'string' && value.length > 200)) {
      this.#remembered++;
      from.next.set(value, step);
    }
    return step;
  }

  /** Returns the device of the event that the frame has just read, as `deviceOf` does. */
  device(frame: FrameReader): string | undefined {
    if (frame.dataStarts === undefined) return deviceOf(frame.value.data, frame.subject);
    const id = frame.dataMember(DATA_MEMBERS.device_id);
    if (id !== undefined && id !== null && id !== '') return String(id);
    return deviceOf(undefined, frame.subject);
  }
}

function wordIn(frame: FrameReader, number: number): unknown {
  const value = frame.dataMember(number);
  return typeof value === 'string' && value.length > LONG ? '' : value;
}
