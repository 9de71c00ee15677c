import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { ChunkPool, type ChunkReceiver, type FrameChunk } from '../../../src/io/replay/frame-chunk.js';
import { EndpointLabels } from '../../../src/io/replay/replay-plan.js';
import { eventLine, stamp } from '../../support/recordings.js';

const ENDPOINTS = ['devices', 'agents', '/api/v1/ws/device/42'];

/** A frame; its payload as latin1, for `toEqual` takes a thousand times as long for bytes as for a string. */
interface Frame {
  text: boolean;
  payload: string;
}

/** A line, and what a client of its endpoint shall get for it. */
interface Case {
  line: string;
  endpoint: string;
  frame: Frame | undefined;
  /** A filter has left it out. */
  skipped: boolean;
}

const padding = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 400 }) },
  { weight: 1, arbitrary: fc.constantFrom(65_500, 65_536, 70_000) },
);

const cases = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'event',
      'event',
      'event',
      'empty',
      'odd',
      'foreign',
      'text',
      'binary',
      'lifecycle',
    ),
    endpoint: fc.constantFrom(...ENDPOINTS),
    pad: padding,
    skipped: fc.boolean(),
  }),
  { maxLength: 60 },
);

const frame = (text: boolean, payload: Buffer): Frame => ({ text, payload: payload.toString('latin1') });

function caseOf({
  kind,
  endpoint,
  pad,
  skipped,
}: {
  kind: string;
  endpoint: string;
  pad: number;
  skipped: boolean;
}): Case {
  const object = `{"type":"x","pad":"${'é'.repeat(pad)}"}`;
  const text = (payload: string) => frame(true, Buffer.from(payload));
  switch (kind) {
    case 'empty':
      return {
        line: `{"received_at":"${stamp(1)}","endpoint":"${endpoint}"}`,
        endpoint,
        frame: text('{}'),
        skipped,
      };
    case 'odd': {
      const line = ` {"received_at":"${stamp(1)}","endpoint":"${endpoint}","pad":"${'o'.repeat(pad)}"}`;
      return { line, endpoint, frame: text(` {"pad":"${'o'.repeat(pad)}"}`), skipped };
    }
    case 'foreign':
      return { line: object, endpoint: 'system', frame: text(object), skipped };
    case 'text': {
      const payload = Buffer.from('t'.repeat(pad));
      const line = formatInvalidLine(stamp(1), endpoint, 'not JSON', payload, false).toString().trimEnd();
      return { line, endpoint, frame: frame(true, payload), skipped };
    }
    case 'binary': {
      const payload = Buffer.alloc(pad, 0xff);
      const line = formatInvalidLine(stamp(1), endpoint, 'binary', payload, true).toString().trimEnd();
      return { line, endpoint, frame: frame(false, payload), skipped };
    }
    case 'lifecycle': {
      const line = formatLifecycleLine(stamp(1), endpoint, { state: 'open' }).toString().trimEnd();
      return { line, endpoint, frame: undefined, skipped };
    }
    default:
      return { line: eventLine(1, object, endpoint), endpoint, frame: text(object), skipped };
  }
}

/** The frames of a block, unmasked and whole, as a server sends them. */
function decode(block: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < block.length; ) {
    const text = block[at] === 0x81;
    expect(block[at]! & 0x80).toBe(0x80);
    const short = block[at + 1]!;
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length =
      short < 126
        ? short
        : short === 126
          ? block.readUInt16BE(at + 2)
          : Number(block.readBigUInt64BE(at + 2));
    frames.push(frame(text, block.subarray(at + header, at + header + length)));
    at += header + length;
    expect(at).toBeLessThanOrEqual(block.length);
  }
  return frames;
}

/** Fills chunks with the cases, as reading a file does: from blocks that are overwritten afterwards. */
function fillChunks(
  list: readonly Case[],
  {
    pool,
    labels,
    newline,
    wanted,
  }: { pool: ChunkPool; labels: EndpointLabels; newline: string; wanted?: string },
  use: (chunk: FrameChunk) => void,
): void {
  const line = new LineView({ skipJsonCheck: true });
  for (let first = 0; first < list.length; first += 7) {
    const part = list.slice(first, first + 7);
    const bytes = Buffer.from(part.map((one) => one.line + newline).join(''));
    let chunk = pool.take();
    let start = 0;
    for (const one of part) {
      const end = start + Buffer.byteLength(one.line);
      line.read(bytes, start, end);
      start = end + newline.length;
      if (one.skipped) continue;
      if (!chunk.hasRoomFor(line)) {
        use(chunk);
        chunk = pool.take();
      }
      const endpoint = labels.labelOf(line.endpoint)!;
      chunk.add(line, 0, endpoint, wanted === undefined || endpoint === wanted);
    }
    bytes.fill(0x21);
    if (chunk.count > 0) use(chunk);
    else chunk.release();
  }
}

describe('chunks of frames', () => {
  it('have every frame of every endpoint, in order, byte for byte, however many lines are passed at once', () => {
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('\n', '\r\n'),
        fc.constantFrom('devices', undefined),
        fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
        (specs, newline, wanted, most) => {
          const list = specs.map(caseOf);
          const labels = new EndpointLabels();
          const got = new Map<string, (Frame | 'opened')[]>();
          const add = (endpoint: string, ...what: (Frame | 'opened')[]) => {
            got.set(endpoint, [...(got.get(endpoint) ?? []), ...what]);
          };
          const receiver: ChunkReceiver = {
            onFrames: (endpoint, frames, events) => {
              const decoded = decode(frames);
              expect(decoded.length).toBe(events);
              add(endpoint, ...decoded);
            },
            onLifecycle: (endpoint) => add(endpoint, 'opened'),
          };
          const options = { pool: new ChunkPool(4096), labels, newline, ...(wanted && { wanted }) };
          fillChunks(list, options, (chunk) => {
            while (chunk.due !== Number.POSITIVE_INFINITY) chunk.pass(0, receiver, most);
            chunk.release();
          });
          for (const endpoint of [...ENDPOINTS, 'system']) {
            const expected = list
              .filter((one) => one.endpoint === endpoint && !one.skipped)
              .map(({ frame }) => frame ?? ('opened' as const))
              .filter((what) => what === 'opened' || wanted === undefined || endpoint === wanted);
            expect(got.get(endpoint) ?? []).toEqual(expected);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keep their memory while a reference is held, and reuse it only afterwards', () => {
    const pool = new ChunkPool(4096);
    const line = new LineView({ skipJsonCheck: true });
    const chunkOf = (payload: string) => {
      const bytes = Buffer.from(eventLine(0, payload));
      line.read(bytes, 0, bytes.length);
      const chunk = pool.take();
      chunk.add(line, 0, 'devices', true);
      return chunk;
    };
    const held: Buffer[] = [];
    const receiver: ChunkReceiver = {
      onFrames: (_endpoint, frames, _events, chunk) => {
        chunk.retain();
        held.push(frames);
      },
      onLifecycle: () => undefined,
    };
    const first = chunkOf('{"n":1}');
    first.pass(0, receiver);
    first.release();

    const second = chunkOf('{"n":2}');
    expect(second).not.toBe(first);
    expect(decode(held[0]!)).toEqual([frame(true, Buffer.from('{"n":1}'))]);

    first.release();
    expect(chunkOf('{"n":3}')).toBe(first);
  });
});
