/** How an attempt is turned away. `unreachable`: nothing listened. */
export type RefusalManner =
  | { kind: 'status'; status: number }
  | { kind: 'unreachable' }
  | { kind: 'reset' }
  | { kind: 'drop' }
  | { kind: 'silence' };

/** A recorded attempt to connect. Times are microseconds of the schedule. */
export interface Attempt {
  /** When it began and when it was answered. */
  from: number;
  at: number;
  /** `undefined`: it was let in. */
  refusal: RefusalManner | undefined;
  /** When the connection ended; of a refusal, when it came. */
  end: number;
  /** From then on a refusal that nobody came for is skipped; unknown until it is known when nothing listens. */
  passed: number | undefined;
  /** Whether somebody came for it. */
  attended: boolean;
}

/** A time in which nothing listens, in microseconds of the schedule. */
export interface Downtime {
  from: number;
  to: number;
}

/** So long a client that is early for a recorded success is held; far below the time limits of clients. */
export const HOLD_MS = 5000;
/**
 * So late a client may be and still count as on time: a refusal is acted out for so long after the next attempt was
 * due. It is above the noise of timers and below the first wait of any client.
 */
export const SLACK_MS = 250;
const MICROSECONDS = 1000;

/** Something that tells whether anything listened. */
interface Evidence {
  kind: 'refused' | 'answered' | 'lost';
  from: number;
  at: number;
}

/**
 * When nothing listened: around attempts that met "connection refused", on whatever endpoint. Such a time begins with
 * the last loss of a connection before them, and ends between the last of them and the next attempt that was
 * answered. The first attempt of all begins it, because a server has to see that to know that anybody is there.
 * Connections that are open stay open: that something is connected does not say that anything listens.
 *
 * @param attempts Of all endpoints. @param length Due time of the last line.
 */
export function downtimesOf(attempts: readonly Attempt[], length: number): Downtime[] {
  const evidence = attempts.flatMap(evidenceOf).sort((a, b) => a.from - b.from);
  const downtimes: Downtime[] = [];
  let before: Evidence | undefined;
  let loss: Evidence | undefined;
  let lastRefusal: Evidence | undefined;
  for (const one of evidence) {
    if (one.kind === 'refused') {
      if (lastRefusal === undefined) {
        const from = startOf(before, loss, one);
        downtimes.push({ from, to: length + SLACK_MS * MICROSECONDS });
      }
      lastRefusal = one;
    } else if (one.kind === 'lost') {
      loss = one;
    } else {
      const running = downtimes.at(-1);
      if (lastRefusal !== undefined && running !== undefined) running.to = endOf(lastRefusal, one);
      before = one;
      loss = undefined;
      lastRefusal = undefined;
    }
  }
  return downtimes.filter(({ from, to }) => from < to);
}

function evidenceOf({ from, at, refusal, end }: Attempt): Evidence[] {
  if (refusal !== undefined)
    return [{ kind: refusal.kind === 'unreachable' ? 'refused' : 'answered', from, at }];
  const opened: Evidence = { kind: 'answered', from, at };
  return end === Number.POSITIVE_INFINITY ? [opened] : [opened, { kind: 'lost', from: end, at }];
}

function startOf(before: Evidence | undefined, loss: Evidence | undefined, first: Evidence): number {
  if (before === undefined) return first.at;
  if (loss === undefined) return (before.at + first.from) / 2;
  // Who comes a little late for a connection that was over at once shall still meet it.
  const isBrief = loss.from - loss.at < SLACK_MS * MICROSECONDS;
  const pause = Math.min(SLACK_MS * MICROSECONDS, 0.75 * (first.from - loss.from));
  return isBrief ? loss.from + pause : loss.from;
}

function endOf({ at }: Evidence, next: Evidence): number {
  return Math.max((at + next.from) / 2, next.from - HOLD_MS * MICROSECONDS);
}
