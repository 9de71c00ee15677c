import { Schedule } from '../../core/replay/schedule.js';
import type { RecordingReader } from '../recording/reader.js';
import { ChunkPool, type FrameChunk } from './frame-chunk.js';
import { openPlan, type ReplayPlan, selectionOf } from './replay-plan.js';

/** Small, because many playbacks may run by the clock, each with its own memory. */
const CLOCKED = { chunkBytes: 64 * 1024, blockBytes: 64 * 1024 };
/** At full speed the cost of one write and of one read is shared by many events. */
const FULL_SPEED = { chunkBytes: 512 * 1024, blockBytes: 1024 * 1024 };

/**
 * Reads a recording, pass after pass, in chunks. The reference to a chunk passes to the caller.
 *
 * @param wants Returns whether frames of that endpoint are wanted.
 * @param signal Ends the reading, without an error.
 */
export async function* readChunks(
  plan: ReplayPlan,
  wants: (endpoint: string) => boolean,
  signal: AbortSignal,
): AsyncGenerator<FrameChunk, void> {
  const { passes, strict, speed, onProblem, onNotice } = plan;
  const { chunkBytes, blockBytes: maxBlockBytes } = speed === 'max' ? FULL_SPEED : CLOCKED;
  const pool = new ChunkPool(chunkBytes);
  const schedule = new Schedule(plan.schedule);
  for (let pass = 0; pass < passes; pass++) {
    schedule.restart();
    const reading = { signal, strict, onProblem, checkTimes: speed !== 'max', maxBlockBytes };
    await using reader = await openPlan(plan, reading);
    const { lines, events, why } = yield* readPass(reader, plan, wants, pool, schedule);
    if (signal.aborted) return;
    if (events === 0) onNotice({ kind: 'nothing', why });
    // An empty pass, repeated forever, would be a loop without an end.
    if (lines === 0) return;
  }
}

async function* readPass(
  reader: RecordingReader,
  plan: ReplayPlan,
  wants: (endpoint: string) => boolean,
  pool: ChunkPool,
  schedule: Schedule,
): AsyncGenerator<FrameChunk, { lines: number; events: number; why: string | undefined }> {
  const { endpoints, speed, lifecycle, onNotice } = plan;
  const selection = selectionOf(plan);
  let chunk = pool.take();
  let lines = 0;
  let events = 0;
  do {
    for (let line = reader.next(); line !== undefined && !selection.isOver; line = reader.next()) {
      if (!selection.takes(line) || (line.kind === 'connection' && !lifecycle)) continue;
      lines++;
      if (line.kind !== 'connection') events++;
      if (!chunk.hasRoomFor(line)) {
        yield chunk;
        chunk = pool.take();
      }
      if (line.endpoint === undefined) onNotice({ kind: 'unnamed', type: line.frame.type ?? '(none)' });
      // At full speed, the lines of a chunk may all be due with the first of them.
      const isTimed = speed !== 'max' || chunk.count === 0;
      const due = isTimed ? schedule.next(line.receivedAt, reader.isUnsorted) : chunk.due;
      const endpoint = endpoints.labelOf(line.endpoint);
      if (endpoint !== undefined) chunk.add(line, due, endpoint, wants(endpoint));
    }
    if (chunk.count > 0) {
      // Lines before damage are as good as ever.
      yield chunk;
      chunk = pool.take();
    }
  } while (!selection.isOver && (await reader.fill()));
  chunk.release();
  return { lines, events, why: selection.remarks()[0] };
}
