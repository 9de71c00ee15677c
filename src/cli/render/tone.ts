/** What an event means for the one who watches. */
export type Tone = 'bad' | 'warning' | 'good' | 'neutral';

/** How the type alone is to be read; the payload decides the rest. */
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
/** Members of the payload that tell how things are, the most telling first. */
export const STATE_MEMBERS = ['status', 'state', 'result', 'outcome'] as const;

/** Reads the type: `device.error` and `disk.failure` are errors, `system.alert` and `rule.triggered` are alerts. */
export function meaningOfType(type: string): TypeMeaning {
  const word = type.slice(type.lastIndexOf('.') + 1);
  if (/error|fail|fatal/.test(word)) return 'error';
  return /alert|warn|triggered/.test(word) ? 'alert' : 'other';
}

/** Errors are bad, alerts are warnings until they are resolved, and everything else is what its payload says. */
export function toneOf(meaning: TypeMeaning, data: unknown): Tone {
  return toneOfState(meaning, meaning === 'error' ? 'neutral' : stateOf(data));
}

/** The same when it is known what the payload says. */
export function toneOfState(meaning: TypeMeaning, state: Tone): Tone {
  if (meaning === 'error') return 'bad';
  if (meaning === 'alert') return state === 'good' ? 'good' : 'warning';
  return state;
}

function stateOf(data: unknown): Tone {
  if (typeof data !== 'object' || data === null) return 'neutral';
  const members = data as Record<string, unknown>;
  for (const name of STATE_MEMBERS) {
    const state = members[name];
    const tone = typeof state === 'string' ? toneOfWord(state) : undefined;
    if (tone !== undefined) return tone;
  }
  return members.success === false ? 'bad' : 'neutral';
}

/** What one of `STATE_MEMBERS` says; `undefined` when that means nothing to us. */
export function toneOfWord(state: string): Tone | undefined {
  const word = state.length > 16 ? '' : state.toLowerCase();
  if (BAD.has(word)) return 'bad';
  if (WARNING.has(word)) return 'warning';
  return GOOD.has(word) ? 'good' : undefined;
}
