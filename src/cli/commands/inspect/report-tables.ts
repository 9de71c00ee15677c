import type { Incident, InspectedRecording, NamedCount, Severity } from '../../../index.js';
import { SEVERITIES } from '../../../internal.js';
import { counted, formatDuration } from '../../options/quantity.js';
import type { TimeText } from '../../render/time-text.js';
import { shareText } from '../../stream/stream-summary.js';
import {
  closeText,
  endpointsText,
  giveUpText,
  lengthText,
  number,
  rateText,
  refusalText,
  timeText,
} from './report-words.js';

/** A text, a severity, or a text about something bad. */
export type Cell = string | { severity: Severity } | { bad: string };

/** A table of the report, for the terminal and the page. Its texts are not escaped yet. */
export interface ReportTable {
  title: string;
  /** Text after the title. */
  about: string;
  /** Names of the columns; `#` marks numbers, and `…` names that may be shortened. */
  heads: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** Number of all rows: the recording may have had more than are listed. */
  count: number;
  /** Text in place of a table without rows; a table without rows is good news. */
  none?: string;
}

/** A figure of the report. */
export interface Figure {
  label: string;
  value: string;
  about: string;
  kind: '' | 'good' | 'warn' | 'bad';
}

const TROUBLE: ReadonlySet<string> = new Set(['critical', 'error', 'warning']);

/** Arranges a report in the order in which an operator asks in the morning: trouble at the end, problems, outages, counts. */
export class ReportTables {
  constructor(
    readonly report: InspectedRecording,
    readonly times: TimeText,
  ) {}

  /** The devices, alerts and endpoints that were in trouble when the recording ended. */
  trouble(): ReportTable {
    const { devices, unresolvedAlerts, outages, givenUp, down } = this.report;
    const ill = devices.filter(({ severity }) => TROUBLE.has(severity));
    const rows: Cell[][] = ill.map(({ severity, id, sinceAt, type, message = type }) => [
      ...[{ severity }, id, this.#time(sinceAt), message],
    ]);
    for (const { severity, id, device, endpoint, at, message } of unresolvedAlerts) {
      // The event that resolved it may have been missed.
      const isUnsure = outages.some(({ to, endpoints }) => to > at && endpoints.includes(endpoint));
      const text = [message ?? 'no message', id && `(${id})`].filter((part) => part !== undefined).join(' ');
      const what = `unresolved alert${isUnsure ? ' before an outage' : ''}: ${text}`;
      rows.push([{ severity }, device, this.#time(at), what]);
    }
    const endpointsOf = new Map<string, { endpoints: string[]; since: string; what: string }>();
    for (const { endpoint, from, reason } of down) {
      const last = reason.endsWith('given up') && givenUp.findLast((one) => one.endpoint === endpoint);
      const what = last ? `given up: ${giveUpText(last.failure, last.reason)}` : `outage: ${reason}`;
      const since = this.#time(from);
      const row = endpointsOf.get(since + what) ?? { endpoints: [], since, what };
      row.endpoints.push(endpoint);
      endpointsOf.set(since + what, row);
    }
    for (const { endpoints, since, what } of endpointsOf.values()) {
      rows.push([ERROR, endpointsText(endpoints, this.report), since, what]);
    }
    return {
      ...table('In trouble at the end', ['', '…device', 'since', 'what'], rows),
      about: Object.entries({
        device: ill.length,
        'unresolved alert': unresolvedAlerts.length,
        endpoint: down.length,
      })
        .filter(([, count]) => count > 0)
        .map(([name, count]) => counted(count, name))
        .join(', '),
      none: 'no device, no alert, no endpoint',
    };
  }

  /** The problems of each device until its recovery. @param most Number of rows, see {@link chosenOf}. */
  incidents(most = Number.POSITIVE_INFINITY): ReportTable {
    const { incidents, incidentCount, count, byDevice } = this.report.problems;
    const rows = chosenOf(incidents, most).map(
      ({ from, to, isOver, severity, device, message, type, count }) => [
        this.#time(from),
        isOver ? lengthText(from, to) : { bad: 'not over' },
        { severity },
        device,
        number(count),
        message ?? type,
      ],
    );
    const heads = ['from', '#length', '', '…device', '#count', 'first problem'];
    const about = `${number(count)} on ${counted(byDevice.length, 'device')}, in ${counted(incidentCount, 'incident')}`;
    return { ...table('Problems', heads, rows, incidentCount), about, none: 'none' };
  }

  outages(): ReportTable {
    const { outages, outageCount, outageSeconds } = this.report;
    const rows = outages.map(({ from, to, endpoints, reason }) => [
      this.#time(from),
      { bad: lengthText(from, to) },
      endpointsText(endpoints, this.report),
      reason,
    ]);
    return {
      ...table('Outages', ['from', '#length', '…endpoints', 'reason'], rows, outageCount),
      about: `${number(outageCount)}, ${formatDuration(outageSeconds * 1000)} in all`,
      none: 'none',
    };
  }

  /** @param isWhole With the devices that had no errors. */
  devices(isWhole: boolean): ReportTable {
    const { devices } = this.report;
    const shown = isWhole ? devices : devices.filter((row) => row.errors > 0 || TROUBLE.has(row.severity));
    const rows = shown.map(({ severity, id, errors, events, lastType, lastAt }) => [
      ...[{ severity }, id, errors > 0 ? { bad: number(errors) } : '0', number(events)],
      ...[this.#time(lastAt), lastType],
    ]);
    const isCut = shown.length < devices.length;
    const about = `${number(devices.length)}${isCut ? `, of which ${number(shown.length)} had errors` : ''}`;
    const heads = ['', '…device', '#errors', '#events', 'last event', 'type'];
    return { ...table('Devices', heads, rows), about };
  }

  /** The first problems, one by one. */
  problems(): ReportTable {
    const { first, count } = this.report.problems;
    const rows = first.map(({ at, device, severity, type, message = '' }) => [
      ...[this.#time(at), { severity }, device, type, message],
    ]);
    return table('First problems', ['at', '', '…device', '…type', 'what'], rows, count);
  }

  endpoints(): ReportTable {
    const { byEndpoint, coverage, events } = this.report;
    const counts = new Map(byEndpoint.map(({ name, count }) => [name, count]));
    const rows = [...new Set([...counts.keys(), ...Object.keys(coverage)])].map((name) => {
      const share = coverage[name];
      return [name, share === undefined ? '' : shareText(share), ...figures(counts.get(name) ?? 0, events)];
    });
    return table('Endpoints', ['…endpoint', '#coverage', '#events', '#share'], rows);
  }

  ends(): ReportTable {
    const { closeCounts, wantedCloses, refusalCounts } = this.report;
    const closes = closeCounts.flatMap(({ name, count }) => {
      const wanted = name === '1000' ? wantedCloses : 0;
      const end = `closed ${closeText(name)}`;
      const rows: [string, number][] = [
        [end, count - wanted],
        [`${end}, as wanted`, wanted],
      ];
      return rows.filter(([, times]) => times > 0).map(([text, times]) => [text, number(times)]);
    });
    const refusals = refusalCounts.map(({ name, count }) => [`refused: ${refusalText(name)}`, number(count)]);
    return table('Ends of connections', ['…end', '#count'], [...closes, ...refusals]);
  }

  types(): ReportTable {
    return this.#counts('Types', 'type', this.report.byType);
  }

  subjects(): ReportTable {
    const { subjects, subjectCount } = this.report;
    const isCut = subjectCount > subjects.length;
    const about = isCut ? `the most frequent of ${number(subjectCount)}` : '';
    return { ...this.#counts('Subjects', 'subject', subjects), about };
  }

  /** The number of events, and damage of the recording itself. */
  figures(): Figure[] {
    const { events, rate, isApproximate, dropped, invalid, badLines, tornTail } = this.report;
    const approximate = isApproximate ? '(too many different names: rare ones are not all counted)' : '';
    const notJson = invalid === 1 ? 'message is not a JSON object' : 'messages are not JSON objects';
    const all: (Figure | false)[] = [
      { label: 'Events', value: number(events), about: approximate, kind: '' },
      rate.peak > 0 && {
        ...{ label: 'Rate', value: rateText(rate.mean), kind: '' },
        about: `a second on average, ${number(rate.peak)} at most`,
      },
      dropped > 0 && { label: 'Dropped', value: number(dropped), about: 'events', kind: 'bad' },
      invalid > 0 && { label: 'Invalid', value: number(invalid), about: notJson, kind: 'warn' },
      badLines > 0 && { label: 'Bad lines', value: number(badLines), about: '', kind: 'warn' },
      tornTail && { label: 'Torn tail', value: 'the last line', about: 'is incomplete', kind: 'warn' },
    ];
    return all.filter((figure) => figure !== false);
  }

  #counts(title: string, head: string, counts: readonly NamedCount[]): ReportTable {
    const rows = counts.map(({ name, count }) => [name, ...figures(count, this.report.events)]);
    return table(title, [`…${head}`, '#events', '#share'], rows);
  }

  #time(at: number): string {
    return timeText(at, this.report, this.times);
  }
}

const ERROR: Cell = { severity: 'error' };

/**
 * Chooses incidents for a short table, in order of time: the worst of each device before the second of any. The worst
 * are those that are not over, then critical ones, then long ones.
 */
export function chosenOf(incidents: readonly Incident[], most: number): Incident[] {
  const places = new Map<string, number>();
  const ranked = [...incidents]
    .sort(
      (a, b) =>
        Number(a.isOver) - Number(b.isOver) ||
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        b.to - b.from - (a.to - a.from) ||
        0,
    )
    .map((incident) => {
      const place = places.get(incident.device) ?? 0;
      places.set(incident.device, place + 1);
      return { incident, place };
    })
    .sort((a, b) => a.place - b.place);
  const chosen = ranked.slice(0, most).map(({ incident }) => incident);
  return chosen.sort((a, b) => a.from - b.from || 0);
}

function table(title: string, heads: readonly string[], rows: Cell[][], count = rows.length): ReportTable {
  return { title, about: '', heads, rows, count };
}

function figures(count: number, total: number): string[] {
  return [number(count), total === 0 ? '' : `${((count / total) * 100).toFixed(1)} %`];
}
