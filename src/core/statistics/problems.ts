import type { FrameReader } from '../json/frame.js';
import { isProblem, type Severity, severityOf } from '../severity.js';
import { type DeviceRow, DeviceTable, deviceOf, messageOf } from './device-table.js';
import { type NamedCount, shortName, Tally } from './tally.js';

/** An event of severity `critical` or `error`. Times are microseconds since 1970, `NaN` where a line has none. */
export interface RecordedProblem {
  at: number;
  device: string;
  severity: Severity;
  type: string;
  endpoint: string;
  /** The text in the event's data that says most. */
  message: string | undefined;
}

/** The problems of a device from the first one to its recovery. */
export interface Incident {
  device: string;
  from: number;
  /** The recovery, or the last problem. */
  to: number;
  /** `false` when the device has not recovered. */
  isOver: boolean;
  /** That of the worst problem. */
  severity: Severity;
  /** The first problem. */
  type: string;
  message: string | undefined;
  /** Number of problems. */
  count: number;
}

/** A `system.alert` that was raised and not resolved. */
export interface UnresolvedAlert {
  /** `data.alert_id`, or `data.id`; `undefined` when the alert has neither. */
  id: string | undefined;
  device: string;
  endpoint: string;
  severity: Severity;
  /** When it was raised first. */
  at: number;
  message: string | undefined;
}

/** The state of a device at the end. Time, type and message are those of the event with which it began. */
export type RecordedDevice = Readonly<
  Pick<
    DeviceRow,
    'id' | 'severity' | 'sinceAt' | 'type' | 'message' | 'lastType' | 'lastAt' | 'events' | 'errors'
  >
>;

/** Problems and devices of a recording. */
export interface ProblemReport {
  problems: {
    count: number;
    byDevice: NamedCount[];
    /** The first 200. */
    first: RecordedProblem[];
    /** The first 1,000 incidents, at most 100 of a device, and the number of all. */
    incidents: Incident[];
    incidentCount: number;
  };
  /** At least 10,000 devices, the worst first. */
  devices: RecordedDevice[];
  /** The first 1,000. An alert is known by its id; one without an id by device and rule. */
  unresolvedAlerts: UnresolvedAlert[];
}

const MAX_PROBLEMS = 200;
const MAX_LISTED = 1000;
/** The most incidents listed of one device, so that a device that flaps does not hide the others. */
const MAX_OF_DEVICE = 100;
/** Devices in trouble at the same time; the problems of further ones belong to no incident. */
const MAX_OPEN = 10_000;

/** Finds problems, incidents and unresolved alerts, in memory that does not grow with the recording. */
export class Problems {
  readonly #devices = new DeviceTable({ keepsFirstMessage: true });
  readonly #first: RecordedProblem[] = [];
  readonly #incidents: Incident[] = [];
  readonly #listedOf = new Map<string, number>();
  #incidentCount = 0;
  #count = 0;
  /** Incidents that are not over, by device. */
  readonly #open = new Map<string, Incident>();
  readonly #alerts = new Map<string, UnresolvedAlert>();

  /** Notes the event that the frame has just read. @returns `true` when it is a problem. */
  add(frame: FrameReader, type: string | undefined, endpoint: string, at: number): boolean {
    const row = this.#devices.add(frame, endpoint, at, type);
    const { lastSeverity: severity } = row;
    if (type === 'system.alert') this.#noteAlert(frame, row.id, severity, endpoint, at);
    if (isProblem(severity)) {
      this.#noteProblem(frame, row, severity, endpoint, at);
      return true;
    }
    if (this.#open.size > 0 && (row.severity === 'normal' || row.severity === 'recovered')) {
      const incident = this.#open.get(row.id);
      if (incident !== undefined) {
        incident.to = at;
        incident.isOver = true;
        this.#open.delete(row.id);
      }
    }
    return false;
  }

  #noteProblem(frame: FrameReader, row: DeviceRow, severity: Severity, endpoint: string, at: number): void {
    this.#count++;
    const { id: device, lastType: type } = row;
    const isListed = this.#first.length < MAX_PROBLEMS;
    const known = this.#open.get(device);
    if (known !== undefined) {
      known.count++;
      known.to = at;
      if (severity === 'critical') known.severity = severity;
      if (!isListed) return;
    }
    const message = messageOf(frame.value.data);
    if (isListed) this.#first.push({ at, device, severity, type, endpoint, message });
    if (known !== undefined) return;
    if (this.#open.size >= MAX_OPEN) return;
    const incident = { device, from: at, to: at, isOver: false, severity, type, message, count: 1 };
    this.#open.set(device, incident);
    this.#incidentCount++;
    const listed = this.#listedOf.get(device) ?? 0;
    if (this.#incidents.length >= MAX_LISTED || listed >= MAX_OF_DEVICE) return;
    this.#listedOf.set(device, listed + 1);
    this.#incidents.push(incident);
  }

  #noteAlert(frame: FrameReader, device: string, severity: Severity, endpoint: string, at: number): void {
    const data = (frame.value.data ?? {}) as Record<string, unknown>;
    const id = textOf(data.alert_id) ?? textOf(data.id);
    const key = id ?? JSON.stringify([device, textOf(data.rule_id)]);
    if (severity === 'recovered') this.#alerts.delete(key);
    if (severity === 'recovered' || severity === 'normal') return;
    const known = this.#alerts.get(key);
    if (known !== undefined) known.severity = severity;
    else if (this.#alerts.size < MAX_LISTED) {
      this.#alerts.set(key, { id, device, endpoint, severity, at, message: messageOf(data) });
    }
  }

  finish(): ProblemReport {
    const rows = this.#devices.rows();
    const byDevice = rows
      .filter(({ errors }) => errors > 0)
      .map(({ id, errors }) => ({ name: id, count: errors }));
    return {
      problems: {
        count: this.#count,
        byDevice: byDevice.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
        first: this.#first,
        incidents: this.#incidents,
        incidentCount: this.#incidentCount,
      },
      // A device that changes between error and critical has been in trouble since its first problem.
      devices: rows.map((row) => {
        const { from = row.sinceAt, type = row.type, message = row.message } = this.#open.get(row.id) ?? {};
        return { ...row, sinceAt: from, type, message };
      }),
      unresolvedAlerts: [...this.#alerts.values()],
    };
  }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? shortName(value) : undefined;
}

/** Devices whose problems are surely counted by {@link ProblemCounts}. */
const MAX_COUNTED = 1000;

/** Counts the problems of each device, in bounded memory. */
export class ProblemCounts {
  readonly #byDevice = new Tally(MAX_COUNTED);

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
