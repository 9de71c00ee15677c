import { CloseCode, closeMeaning, escapeUnsafe, type ServerActivity } from '../../index.js';
import type { Palette } from '../terminal/palette.js';

/** One line on stderr for what happened at a server. */
export function activityText(activity: ServerActivity, palette: Palette): string {
  switch (activity.kind) {
    case 'opened':
      return `${escapeUnsafe(activity.endpoint)}: client connected (${clientCount(activity.clients)})`;
    case 'ended': {
      const { endpoint, code, why, clients } = activity;
      const cause = why === undefined ? '' : `: ${why.toLowerCase()}`;
      // A server never sends this code to its clients here: it comes from a page that was left.
      const meaning = code === CloseCode.GOING_AWAY ? 'client going away' : closeMeaning(code);
      return `${escapeUnsafe(endpoint)}: client gone, ${code} ${meaning}${cause} (${clientCount(clients)})`;
    }
    case 'refused': {
      const status = activity.code === undefined ? 'no answer' : activity.code;
      return palette.yellow(`${escapeUnsafe(activity.endpoint)}: refused, ${status}: ${activity.why}`);
    }
    case 'fault': {
      const { fault, phase, clients } = activity;
      const when = phase === 'now' ? '' : ` ${phase}`;
      return palette.yellow(`fault ${fault.text}${when} (${clientCount(clients)})`);
    }
  }
}

/** `no clients`, `1 client`, `2 clients`. */
export function clientCount(clients: number): string {
  if (clients === 0) return 'no clients';
  return clients === 1 ? '1 client' : `${clients} clients`;
}
