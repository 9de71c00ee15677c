import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatInvalidLine, formatLifecycleLine } from '../../../src/core/recording/encoder.js';
import { LineView } from '../../../src/core/recording/line-view.js';
import { Pace } from '../../../src/core/replay/pace.js';
import { type FrameRun, FrameRunBuilder } from '../../../src/io/replay/frame-run.js';
import { LaneTable } from '../../../src/io/replay/lane-table.js';
import { RunCursor } from '../../../src/io/replay/run-cursor.js';
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

/** Builds runs of the cases and hands each on, as reading a file does: in blocks that are used again. */
function runsOf(
  list: readonly Case[],
  builder: FrameRunBuilder,
  use: (run: FrameRun) => void,
  newline: string,
): void {
  const line = new LineView({ skipJsonCheck: true });
  for (let first = 0; first < list.length; first += 7) {
    const part = list.slice(first, first + 7);
    const bytes = Buffer.from(part.map((one) => one.line + newline).join(''));
    let start = 0;
    for (const one of part) {
      const end = start + Buffer.byteLength(one.line);
      line.read(bytes, start, end);
      start = end + newline.length;
      if (!builder.hasRoomFor(line)) use(builder.take());
      if (!one.skipped) builder.add(line);
    }
    builder.settle();
    bytes.fill(0x21);
  }
  if (!builder.isEmpty) use(builder.take());
}

function builderFor(lanes: LaneTable, wanted?: string): FrameRunBuilder {
  const wants = wanted === undefined ? undefined : (lane: number) => lanes.labelOf(lane) === wanted;
  return new FrameRunBuilder({
    lanes,
    pace: new Pace(),
    runBytes: 4096,
    timed: true,
    lifecycle: true,
    wants,
  });
}

describe('runs of frames', () => {
  it('have every frame of every lane, in order, byte for byte, whatever runs had the memory before', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('\n', '\r\n'), fc.boolean(), (specs, newline, onlyOne) => {
        const list = specs.map(caseOf);
        const lanes = new LaneTable();
        const got = new Map<string, Frame[]>();
        const builder = builderFor(lanes, onlyOne ? 'devices' : undefined);
        const use = (run: FrameRun) => {
          for (const [lane, block] of run.blocks.entries()) {
            if (block === undefined) continue;
            const label = lanes.labelOf(lane) as string;
            const frames = decode(block);
            expect(run.events[lane]).toBe(frames.length);
            got.set(label, [...(got.get(label) ?? []), ...frames]);
          }
          run.release();
        };
        runsOf(list, builder, use, newline);
        for (const endpoint of [...ENDPOINTS, 'system']) {
          const expected = list.filter(
            (one) => one.endpoint === endpoint && !one.skipped && one.frame !== undefined,
          );
          const wanted = !onlyOne || endpoint === 'devices' ? expected.map(({ frame }) => frame) : [];
          expect(got.get(endpoint) ?? []).toEqual(wanted);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are passed line by line as they are all at once, with what happened to connections in its place', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 5 }), (specs, most) => {
        const list = specs.map(caseOf);
        const lanes = new LaneTable();
        const inSteps: string[] = [];
        const receiver = {
          onFrames: (lane: number, frames: Buffer, events: number) => {
            const payloads = decode(frames).map(({ payload }) => payload);
            expect(payloads.length).toBe(events);
            for (const payload of payloads) inSteps.push(`${lanes.labelOf(lane)} ${payload}`);
          },
          onLifecycle: ({ lane }: { lane: number }) => inSteps.push(`${lanes.labelOf(lane)} opened`),
        };
        const use = (run: FrameRun) => {
          const cursor = new RunCursor(run);
          while (cursor.due !== Number.POSITIVE_INFINITY) {
            expect(cursor.pass(Number.POSITIVE_INFINITY, receiver, most)).toBeLessThanOrEqual(most);
          }
          run.release();
        };
        runsOf(list, builderFor(lanes), use, '\n');
        for (const endpoint of [...ENDPOINTS, 'system']) {
          const expected = list
            .filter((one) => one.endpoint === endpoint && !one.skipped)
            .map(({ frame }) => `${endpoint} ${frame?.payload ?? 'opened'}`);
          expect(inSteps.filter((step) => step.startsWith(`${endpoint} `))).toEqual(expected);
        }
      }),
    );
  });
});
