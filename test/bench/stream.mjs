/**
 * The stream of all measurements: 8,000 different messages of 150 to 400 bytes, with ten types in equal parts. Of them
 * 2 % have text that is not ASCII, 10 % have a nested member `type`, 10 % have `"type"` as text inside a string, and 5 %
 * are written in ways that a filter can get wrong. The same seed gives the same messages.
 */

const TYPES = [
  'device.status_update',
  'device.config_change',
  'device.error',
  'agent.status_update',
  'agent.task_complete',
  'rule.execution_start',
  'rule.execution_complete',
  'rule.triggered',
  'system.metrics',
  'system.status',
];

/** A type that one event in ten has, and an expression that holds for about as many. */
export const KEPT_TYPE = 'device.error';
export const KEPT_EXPRESSION = 'data.cpu > 90';

const WORDS =
  'radio link client channel noise retry beacon mesh uplink firmware lease probe roam signal'.split(' ');
const FOREIGN = ['Überlast äöü', '温度警報', 'перегрузка', 'température élevée', '🔥 hot'];

/** Makes the messages. @param {number} [size] @returns {Buffer[]} JSON objects without line breaks. */
export function createMessages(size = 8000) {
  const random = createRandom(20_261_122);
  return Array.from({ length: size }, (_, index) => Buffer.from(createMessage(index, random)));
}

/** Tells, by a full parse, if a message passes `--type` with {@link KEPT_TYPE}. @param {Buffer} message */
export function hasKeptType(message) {
  return JSON.parse(message.toString()).type === KEPT_TYPE;
}

/** Tells, by a full parse, if a message passes `--where` with {@link KEPT_EXPRESSION}. @param {Buffer} message */
export function meetsExpression(message) {
  return JSON.parse(message.toString()).data.cpu > 90;
}

/** @param {number} index @param {() => number} random */
function createMessage(index, random) {
  const type = TYPES[index % TYPES.length] ?? '';
  const subject = `opmas.${type.split('.')[0]}s.ap-${Math.floor(random() * 300)}`;
  const length = 150 + Math.floor(random() * 235);
  /** @type {Record<string, unknown>} */
  const data = {
    device_id: `ap-${Math.floor(random() * 300)}`,
    cpu: Math.floor(random() * 1000) / 10,
    uptime: Math.floor(random() * 1e7),
    timestamp: '2026-11-22T21:50:00.123456',
  };
  const kind = Math.floor(random() * 100);
  if (kind < 2) data.message = FOREIGN[index % FOREIGN.length];
  else if (kind < 12) data.source = { type: TYPES[(index + 3) % TYPES.length], ok: true };
  else if (kind < 22) data.raw = `{"type":"${KEPT_TYPE}"}`;
  data.note = '';
  const missing = length - JSON.stringify({ type, subject, data }).length;
  let note = '';
  while (note.length < missing) note += `${WORDS[Math.floor(random() * WORDS.length)]} `;
  data.note = note.slice(0, Math.max(0, missing)).trimEnd();
  return kind >= 95 ? oddText(kind, type, subject, data) : JSON.stringify({ type, subject, data });
}

/**
 * Writes a message in a form that only a full parse or a careful scanner reads right.
 *
 * @param {number} kind
 * @param {string} type
 * @param {string} subject
 * @param {Record<string, unknown>} data
 */
function oddText(kind, type, subject, data) {
  const members = JSON.stringify({ subject, data }).slice(1, -1);
  const escaped = type.replace(/[aeiou]/g, (vowel) => `\\u00${vowel.charCodeAt(0).toString(16)}`);
  switch (kind) {
    case 95:
      return `{${members},"type":"${type}"}`;
    case 96:
      return `{"type":"${escaped}",${members}}`;
    case 97:
      return `{"type":"${KEPT_TYPE}",${members},"type":"${type}"}`;
    case 98:
      return `{"\\u0074ype":"${type}",${members}}`;
    default:
      return `{ "type" : "${type}" , ${members} }`;
  }
}

/**
 * Makes a small generator of numbers from 0 to 1.
 *
 * @param {number} seed
 */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
