/** How good or bad the news of an event is. It decides the color of the type. */
export type Severity = 'bad' | 'warning' | 'good' | 'neutral';

/** The meaning of a type alone; only an error is bad without a look at the payload. */
export type TypeMeaning = 'error' | 'alert' | 'other';

const BAD: ReadonlySet<string> = new Set([
  ...['error', 'failed', 'failure', 'fail', 'critical', 'fatal', 'emergency', 'down', 'offline'],
  ...['unreachable', 'disconnected', 'dead', 'crashed', 'timeout', 'timed_out', 'unhealthy', 'lost'],
]);
const WARNING: ReadonlySet<string> = new Set([
  ...['warning', 'warn', 'degraded', 'raised', 'firing', 'recovering', 'restarting', 'rebooting'],
  ...['unstable', 'stale', 'throttled', 'overloaded', 'maintenance'],
]);
const GOOD: ReadonlySet<string> = new Set([
  ...['online', 'up', 'recovered', 'resolved', 'healthy', 'ok', 'cleared', 'restored', 'connected'],
]);
const LONGEST_STATE = 16;

/** Members of the payload that hold a state, the most telling first. */
const STATE_MEMBERS = ['status', 'state', 'result', 'outcome'];

/** Reads the type: `device.error` and `disk.failure` are errors, `system.alert` and `rule.triggered` are alerts. */
export function meaningOfType(type: string): TypeMeaning {
  const word = type.slice(type.lastIndexOf('.') + 1);
  if (/error|fail|fatal/.test(word)) return 'error';
  return /alert|warn|triggered/.test(word) ? 'alert' : 'other';
}

/**
 * Judges an event. Errors are bad; alerts are warnings until they are resolved; for all others the payload decides.
 *
 * @param data The payload, of any shape.
 */
export function severityOf(meaning: TypeMeaning, data: unknown): Severity {
  if (meaning === 'error') return 'bad';
  const state = severityOfPayload(data);
  if (meaning === 'alert') return state === 'good' ? 'good' : 'warning';
  return state;
}

function severityOfPayload(data: unknown): Severity {
  if (typeof data !== 'object' || data === null) return 'neutral';
  const members = data as Record<string, unknown>;
  for (const name of STATE_MEMBERS) {
    const state = members[name];
    const severity = typeof state === 'string' ? severityOfState(state) : undefined;
    if (severity !== undefined) return severity;
  }
  return members.success === false ? 'bad' : 'neutral';
}

/** Judges the value of a state member; `undefined` for a word that is not in the lists. */
function severityOfState(state: string): Severity | undefined {
  if (state.length > LONGEST_STATE) return undefined;
  const word = state.toLowerCase();
  if (BAD.has(word)) return 'bad';
  if (WARNING.has(word)) return 'warning';
  return GOOD.has(word) ? 'good' : undefined;
}
