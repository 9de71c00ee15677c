/**
 * The OPMAS WebSocket API as data and types. Source: the sections of the API's document ("WebSocket API
 * Documentation"). Comments name the differences of the real stack.
 */

import { OpmasError } from './errors.js';
import { nearestOf } from './text.js';

/** The endpoints of section "Available Endpoints". */
export const ENDPOINTS = ['devices', 'agents', 'rules', 'system'] as const;
/** The name of a documented endpoint. */
export type EndpointName = (typeof ENDPOINTS)[number];

/** The path of the endpoints below the base URL. */
export const WEBSOCKET_PATH = '/api/v1/ws/';

/** The twelve types of section "Event Types". Servers may send others. */
export const EVENT_TYPES = [
  'device.status_update',
  'device.config_change',
  'device.error',
  'agent.status_update',
  'agent.task_complete',
  'agent.error',
  'rule.execution_start',
  'rule.execution_complete',
  'rule.triggered',
  'system.metrics',
  'system.alert',
  'system.status',
] as const;
/** A documented event type. */
export type EventType = (typeof EVENT_TYPES)[number];

/** Payload of an event: any JSON object. The document does not specify its fields. */
export type EventData = Record<string, unknown>;

/** A message of a documented type (section "Message Format"). */
export type DocumentedEvent = {
  [Type in EventType]: { type: Type; subject?: string; data?: EventData; [member: string]: unknown };
}[EventType];

/**
 * A message of an undocumented type: every member may be missing. `subject` and `data` have the documented types, so
 * that `switch (event.type)` gives them; a server may send other values, as in events of documented types.
 */
export interface UnknownEvent {
  // `string & {}` keeps the literals of `EventType` in an editor's completion.
  type?: (string & {}) | undefined;
  subject?: string;
  data?: EventData;
  [member: string]: unknown;
}

/** One message of the server. Tell the types apart by `switch (event.type)`. */
export type OpmasEvent = DocumentedEvent | UnknownEvent;

const documentedTypes: ReadonlySet<unknown> = new Set(EVENT_TYPES);

/** Returns whether the event has one of the twelve documented types; narrows the union. */
export function isDocumented(event: OpmasEvent): event is DocumentedEvent {
  return documentedTypes.has(event.type);
}

/** Returns whether a word names one of the four endpoints. */
export function isEndpointName(word: string): word is EndpointName {
  return (ENDPOINTS as readonly string[]).includes(word);
}

/** Objects that have a stream of their own on the published server: `device/42`. */
export const OBJECT_KINDS = ['device', 'agent', 'rule'] as const;
/** Characters of an id that a URL carries as they are. */
const OBJECT_ID = /^(?!\.{1,2}$)[\w.~:@-]+$/;
/** A path that a URL keeps as it is: no query, no fragment, no blanks, no segment that means another folder. */
const PATH = /^(?!.*\/(?:\.|%2e){1,2}(?:\/|$))\/[^?#\s\\\p{Cc}]*$/iu;

/**
 * Reads an endpoint as people name it: one of the four, `device/42`, or a path that begins with `/`.
 *
 * @returns Its label in recordings and filters: the name, or the path on the server, so `/api/v1/ws/device/42`;
 * `undefined` when it is none of these.
 */
export function endpointLabel(word: string): string | undefined {
  if (isEndpointName(word) || PATH.test(word)) return word;
  const [, kind = '', id = ''] = /^([^/]+)\/(.*)$/s.exec(word) ?? [];
  return isObjectKind(kind) && OBJECT_ID.test(id) ? WEBSOCKET_PATH + word : undefined;
}

/** Makes the error for a word that names no endpoint. */
export function unknownEndpoint(word: string): OpmasError {
  const said = JSON.stringify(word);
  if (word.startsWith('/')) {
    return new OpmasError('USAGE', `${said} is not a valid endpoint path`, {
      hint: 'A path has no query, no fragment, no spaces, and no . or .. between slashes: /api/v1/ws/device/42.',
    });
  }
  const [kind = '', ...rest] = word.split('/');
  const id = rest.length === 0 ? undefined : rest.join('/');
  if (isObjectKind(kind) && id !== undefined) {
    return new OpmasError('USAGE', `${said} has no valid id`, {
      hint: `An id has letters, digits, - . _ ~ : and @: ${kind}/42. Give any other as a path: ${WEBSOCKET_PATH}${kind}/a%20b.`,
    });
  }
  return new OpmasError('USAGE', `unknown endpoint ${said}`, { hint: nearestEndpoint(kind, id) });
}

function nearestEndpoint(word: string, id: string | undefined): string {
  const kind = nearestOf(word, OBJECT_KINDS, 2);
  if (id !== undefined && kind !== undefined && OBJECT_ID.test(id)) {
    const path = `${WEBSOCKET_PATH}${word}/${id}`;
    return `Did you mean ${kind}/${id}?${word === `${kind}s` ? ` If the server has ${path}, give that path.` : ''}`;
  }
  const name = id === undefined ? nearestOf(word, ENDPOINTS, 2) : undefined;
  if (name !== undefined) {
    return `Did you mean ${name}?${word === kind ? ` A single one is ${kind}/ID.` : ''}`;
  }
  const objects = OBJECT_KINDS.map((object) => `${object}/ID`).join(', ');
  return `Endpoints are ${ENDPOINTS.join(', ')}, ${objects}, or a path that begins with /.`;
}

function isObjectKind(word: string): boolean {
  return (OBJECT_KINDS as readonly string[]).includes(word);
}

/**
 * Returns the path of an endpoint below the base URL: `devices` → `/api/v1/ws/devices`.
 * A word that begins with `/` is already a path (some servers have `/api/v1/ws/device/{id}`).
 */
export function endpointPath(endpoint: string): string {
  return endpoint.startsWith('/') ? endpoint : WEBSOCKET_PATH + endpoint;
}

/** Returns the documented endpoint at a path: `/api/v1/ws/devices` → `devices`; `undefined` for other paths. */
export function endpointAtPath(path: string): EndpointName | undefined {
  return ENDPOINTS.find((endpoint) => path === WEBSOCKET_PATH + endpoint);
}

const endpointByFirstWord: Readonly<Record<string, EndpointName>> = {
  device: 'devices',
  agent: 'agents',
  rule: 'rules',
  system: 'system',
};

/** Returns the endpoint of a type by its first word: `device.error` → `devices`; `undefined` for other words. */
export function endpointOfType(type: string): EndpointName | undefined {
  const word = type.split('.', 1)[0] ?? '';
  return Object.hasOwn(endpointByFirstWord, word) ? endpointByFirstWord[word] : undefined;
}

/** The API's heartbeat message (section "Heartbeat"). The real server reads it and answers nothing. */
export const HEARTBEAT_MESSAGE = '{"type":"ping"}';
