import { formatTimestamp } from '../../index.js';

const NO_CLOCK = '--:--:--.---';

/** Formats times for people, all in one zone: UTC, or the zone of this machine. */
export class TimeText {
  /** Minutes since 1970 of the last time, and its text without the seconds: `21:50:`. */
  #minute = Number.NaN;
  #clockMinute = '';
  #date = '';

  constructor(private readonly utc: boolean) {}

  /** Name of the zone, which browsers know, too: `UTC`, `Europe/Berlin`, `Etc/GMT+5` for `TZ=EST+5`. */
  get zone(): string {
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    if (!this.utc && /^[A-Z]\w+(\/|$)(?!Unknown)/i.test(timeZone ?? '')) return timeZone;
    const hours = this.utc ? 0 : Math.round(new Date().getTimezoneOffset() / 60);
    return hours === 0 ? 'UTC' : `Etc/GMT${hours > 0 ? '+' : ''}${hours}`;
  }

  /** Returns `21:50:00.123`. @param micros Microseconds since 1970; `NaN` for a time that is not known. */
  clock(micros: number): string {
    if (Number.isNaN(micros)) return NO_CLOCK;
    const timeMs = Math.floor(micros / 1000);
    this.#goTo(Math.floor(timeMs / 60_000));
    const digits = String(100_000 + timeMs - this.#minute * 60_000);
    return `${this.#clockMinute}${digits.slice(1, 3)}.${digits.slice(3)}`;
  }

  /** Returns `2026-11-22`, and an empty text for `NaN`. */
  date(micros: number): string {
    if (Number.isNaN(micros)) return '';
    this.#goTo(Math.floor(micros / 60_000_000));
    return this.#date;
  }

  /** Returns `2026-11-22 21:50:00`. */
  dateAndClock(micros: number): string {
    return `${this.date(micros)} ${this.clock(micros).slice(0, 8)}`;
  }

  #goTo(minute: number): void {
    // Most events share a minute, and to ask for the time zone takes as long as half a line.
    if (minute === this.#minute) return;
    this.#minute = minute;
    const shift = this.utc ? 0 : new Date(minute * 60_000).getTimezoneOffset();
    const text = new Date((minute - shift) * 60_000).toISOString();
    this.#clockMinute = text.slice(-13, -7);
    this.#date = text.slice(0, -14);
  }
}

/** Returns a time of a recording for scripts; `null` for `NaN`. */
export function timestampOrNull(micros: number): string | null {
  return Number.isNaN(micros) ? null : formatTimestamp(micros);
}
