import { describe, expect } from 'vitest';
import { parseFault } from '../../../src/core/mock/fault.js';
import { startMockServer, tokenFromText } from '../../../src/index.js';
import type { Reading } from '../../support/reading.js';
import { type Stage, test } from '../../support/stage.js';

/** Reads with our own client from a mock with faults. */
async function withFaults(
  faults: string[],
  read: Stage['read'],
  work: (client: Reading) => Promise<void>,
  deadAfterMs = 10_000,
): Promise<void> {
  await using server = await startMockServer({ rate: 200, faults: faults.map(parseFault) });
  const client = read({ url: server.url, token: tokenFromText(server.token, 'test'), deadAfterMs });
  await client.event();
  await work(client);
}

describe.concurrent('our client', () => {
  test.for<[string, object]>([
    ['close:1011@500ms', { code: 1011 }],
    ['close:1012@500ms', { code: 1012 }],
    ['close:1005@500ms', { code: 1005 }],
    ['drop@500ms', { code: 1006 }],
  ])('comes back after %s, with a gap', ([fault, closed], { read }) =>
    withFaults([fault], read, async (client) => {
      expect(await client.state('closed')).toMatchObject(closed);
      const open = await client.state('open');
      expect(open.gap_since).toBeDefined();
      await client.event();
      expect(client.subscription.summary().gaps.count).toBe(1);
    }),
  );

  test('comes back after garbage, and writes none of it', ({ read }) =>
    withFaults(['garbage@500ms'], read, async (client) => {
      await client.state('closed');
      await client.state('open');
      await client.event();
      expect(client.invalid.all).toEqual([]);
    }));

  test('gets through a refusal', ({ read }) =>
    withFaults(['drop@1s', 'refuse:503@1s+2s'], read, async (client) => {
      expect(await client.state('refused')).toMatchObject({ status: 503 });
      await client.state('open');
      await client.event();
    }));

  test('leaves a server that is silent, and is there again when it speaks', ({ read }) =>
    withFaults(
      // Again and again: a client that a busy machine holds up does not see each of them.
      ['stall@1s..2s+2s'],
      read,
      async (client) => {
        await client.state('closed');
        await client.state('open');
        await client.event();
      },
      300,
    ));
});
