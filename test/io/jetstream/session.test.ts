import { describe, expect, it } from 'vitest';
import type { NatsLink } from '../../../src/io/jetstream/connect.js';
import { KnownIds } from '../../../src/io/jetstream/known-ids.js';
import { type PublishedLine, PublishWindow } from '../../../src/io/jetstream/publish-window.js';
import { Session } from '../../../src/io/jetstream/session.js';
import type { StreamFacts } from '../../../src/io/jetstream/stream.js';

/** A connection whose server answers in a later turn of the event loop: refuses the lines for which that is said. */
function linkThat(refuses: (id: string) => boolean, sent: string[]): NatsLink {
  let onAnswer: (error: null, message: object) => void;
  const nc = {
    subscribe: (_: string, options: { callback: typeof onAnswer }) => {
      onAnswer = options.callback;
      return { unsubscribe: () => undefined };
    },
    publish: (subject: string, _: Buffer, { reply }: { reply: string }) => {
      sent.push(subject);
      const json = () => (refuses(subject) ? { error: { description: 'busy' } } : { seq: 1 });
      // The refusal comes last.
      setTimeout(() => onAnswer(null, { subject: reply, json }), refuses(subject) ? 20 : 5);
    },
    closed: () => new Promise(() => undefined),
    async *status() {},
  };
  const nats = { createInbox: () => 'inbox', headers: () => new Map() };
  return { nc, nats, host: 'nats', access: {} } as unknown as NatsLink;
}

const facts: StreamFacts = {
  duplicateWindowMs: 120_000,
  maxBytes: 1000,
  room: { messages: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY },
  isEmpty: false,
  isRemoved: () => false,
  warnings: [],
};

describe('a session that begins with a line that was refused, while those after it were taken', () => {
  it('goes on behind them when the stream is nearly full, so that it sends one line at a time', async () => {
    const lines = Array.from({ length: 6 }, (_, n): PublishedLine => {
      const receivedAt = Date.now() * 1000;
      return { subject: `${n}`, id: `${n}`, bytes: Buffer.from('{}'), receivedAt, place: undefined };
    });
    const window = new PublishWindow({ next: () => lines.shift(), fill: async () => false });
    const ids = new KnownIds('S', 'p', () => undefined);
    ids.duplicateWindowMs = facts.duplicateWindowMs;
    const run = (link: NatsLink, room: StreamFacts['room']) => {
      const events = { onStored: () => undefined, onNotice: () => undefined };
      return new Session(link, { ...facts, room }, window, ids, events).run(AbortSignal.timeout(3000));
    };
    const isRefused = (id: string) => id === '0' || id === '5';
    await expect(run(linkThat(isRefused, []), facts.room)).rejects.toThrow('refuses a line: busy');
    expect(window.base).toBe(0);
    const sent: string[] = [];
    await run(
      linkThat(() => false, sent),
      { ...facts.room, messages: 10 },
    );
    expect(sent).toEqual(['0', '5']);
    expect(window.counts.published).toBe(6);
  });
});
