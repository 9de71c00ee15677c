/**
 * The recording format, version 2: NDJSON with one line for each thing that happened on a connection. The same lines
 * go to a pipe, to a file and, read back, to the clients of the mock server.
 *
 * | kind | line |
 * | --- | --- |
 * | event | `{"received_at":"…","endpoint":"devices",` and then the server's own members |
 * | nested event | `{"received_at":"…","endpoint":"devices","event":{…}}`: it has members named as ours |
 * | invalid | `{"received_at":"…","invalid":{"reason":"…","text":"…"},"endpoint":"devices"}` |
 * | connection | `{"received_at":"…","connection":{"state":"…",…},"endpoint":"devices"}` |
 *
 * An event line is the server's text with two members spliced in after its opening brace. Line breaks between JSON
 * tokens become spaces; nothing else changes, so removing the two members gives back the bytes that came. An invalid
 * line holds a frame that is not a JSON object, as `text` or `base64`.
 *
 * The second member tells the kind of a line that we wrote, so an event may have any members of its own. In lines that
 * others rewrote (`jq`) the names of the members tell it. A line without `received_at` is an event of another origin,
 * unless it still has a label of ours.
 *
 * `encoder.ts` writes lines; `line-view.ts` reads them as bytes, `parse-line.ts` as text.
 */
import type { ConnectionEvent } from './connection-event.js';

/** Start of every line that we wrote; the timestamp follows. */
export const RECEIVED_AT = '{"received_at":"';
/** Text between the timestamp of an event line and the label of its endpoint. */
export const ENDPOINT = '","endpoint":"';
/** Offset of the timestamp in a line that we wrote. */
export const TIMESTAMP_OFFSET = RECEIVED_AT.length;

interface LineOrigin {
  /** Timestamp as it stands in the line; `undefined` in NDJSON of other origin. */
  receivedAt: string | undefined;
  /** Label of the endpoint as it stands in the line; `undefined` in NDJSON of other origin. */
  endpoint: string | undefined;
}

/** A line with an event of the server. */
export interface EventLine extends LineOrigin {
  kind: 'event';
  /** The server's message, byte for byte: one JSON object. */
  frame: Buffer;
}

/** A line with a frame that is not a JSON object. */
export interface InvalidLine extends LineOrigin {
  kind: 'invalid';
  reason: string;
  /** The payload of the frame, byte for byte. */
  frame: Buffer;
  /** `true` when the payload came as a binary frame. */
  binary: boolean;
}

/** A line about the connection itself. */
export interface LifecycleLine extends LineOrigin {
  kind: 'connection';
  connection: ConnectionEvent;
}

/** One line of a recording; `kind` tells which. */
export type Line = EventLine | InvalidLine | LifecycleLine;

/** Kind of a line: an event, a frame that is not a JSON object, or something that happened to the connection. */
export type LineKind = Line['kind'];

/** A run of whole lines in order. Batches pass from stage to stage. */
export interface LineBatch {
  /** The lines, UTF-8, each ended by one LF. */
  readonly bytes: Buffer;
  /** Number of the lines. */
  readonly count: number;
  /** The lifecycle lines among them, in order, so that readers need not search for them. Absent when there are none. */
  readonly lifecycle?: readonly LifecycleEntry[] | undefined;
  /** Gives the memory back for reuse. Optional; call it once, when `bytes` is no longer needed. */
  release?(): void;
}

/** Content of a lifecycle line. */
export interface LifecycleContent {
  endpoint: string;
  connection: ConnectionEvent;
}

/** A lifecycle line of a {@link LineBatch}: its content and its place. */
export interface LifecycleEntry extends LifecycleContent {
  /** The line is `bytes[start..end)` of the batch, its LF included. */
  start: number;
  end: number;
}

/** Returns the batch without its lifecycle lines: the same batch when it has none, else a copy. */
export function withoutLifecycleLines(batch: LineBatch): LineBatch {
  const { bytes, count, lifecycle = [] } = batch;
  if (lifecycle.length === 0) return batch;
  const pieces = lifecycle.map(({ start }, i) => bytes.subarray(lifecycle[i - 1]?.end ?? 0, start));
  pieces.push(bytes.subarray(lifecycle.at(-1)?.end));
  return { bytes: Buffer.concat(pieces), count: count - lifecycle.length };
}

/** Joins batches into one, in `target`, which must have room for all their bytes. */
export function joinBatches(batches: readonly LineBatch[], target: Buffer): LineBatch {
  const lifecycle: LifecycleEntry[] = [];
  let used = 0;
  let count = 0;
  for (const batch of batches) {
    for (const entry of batch.lifecycle ?? []) {
      lifecycle.push({ ...entry, start: entry.start + used, end: entry.end + used });
    }
    used += batch.bytes.copy(target, used);
    count += batch.count;
  }
  return { bytes: target.subarray(0, used), count, lifecycle };
}
