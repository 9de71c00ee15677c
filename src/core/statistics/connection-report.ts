import type { NamedCount } from './tally.js';

/** A time in which events of an endpoint may have been missed. Times are microseconds since 1970. */
export interface RecordedGap {
  endpoint: string;
  from: number;
  to: number;
  /** Why: `closed 1006 abnormal closure: nothing came for 25 s`, `not recorded`. */
  reason: string;
}

/** A time in which events of at least one endpoint may have been missed. Times are microseconds since 1970. */
export interface Outage {
  from: number;
  to: number;
  /** Endpoints with a gap in this time; the first 100. */
  endpoints: string[];
  /** Why: `closed 1006 abnormal closure`; different reasons are separated by semicolons. */
  reason: string;
}

/** An endpoint on which the recorder gave up. */
export interface RecordedGiveUp {
  endpoint: string;
  at: number;
  /** Kind of the failure: `token refused`. */
  failure: string;
  /** The failure in words: `HTTP 401`. */
  reason: string;
}

/** The connections of a recording, from its lifecycle lines. */
export interface ConnectionReport {
  /** The first 10,000 gaps. */
  gaps: RecordedGap[];
  gapCount: number;
  /** Length of all gaps together, each endpoint by itself. */
  gapSeconds: number;
  /**
   * The latest 10,000 outages: the gaps of all endpoints, merged. An endpoint that never opened, or was given up, is
   * missing up to the end; such endpoints have outages of their own, one for each reason, which may overlap the others.
   */
  outages: Outage[];
  outageCount: number;
  /** The time in which there was an outage. */
  outageSeconds: number;
  /** The share of the time from an endpoint's first attempt to the last line in which it was open, 0 to 1. */
  coverage: Record<string, number>;
  /** Endpoints that were not open at the end, each since its own loss. */
  down: RecordedGap[];
  /** Ends of connections, by code. */
  closeCounts: NamedCount[];
  /** Closes with code 1000 after which the recorder wanted no further connection. */
  wantedCloses: number;
  /** Endpoints on which the recorder gave up. */
  givenUp: RecordedGiveUp[];
  /** Failed attempts, by HTTP status or by error. */
  refusalCounts: NamedCount[];
  /** Number of events that were dropped because the output was not taken. */
  dropped: number;
}
