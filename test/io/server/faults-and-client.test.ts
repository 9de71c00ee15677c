import { afterEach, expect, it } from 'vitest';
import { parseFault } from '../../../src/core/mock/fault.js';
import { type MockServer, startMockServer, tokenFromText } from '../../../src/index.js';
import { Reading } from '../../support/reading.js';

let server: MockServer | undefined;
let reading: Reading | undefined;
afterEach(async () => {
  await reading?.stop();
  await server?.close();
});

/** Our own client at a mock with faults. */
async function read(faults: string[], deadAfterMs = 10_000): Promise<Reading> {
  server = await startMockServer({ rate: 200, faults: faults.map(parseFault) });
  reading = new Reading({ url: server.url, token: tokenFromText(server.token, 'test'), deadAfterMs });
  await reading.event();
  return reading;
}

it.each([
  ['close:1011@500ms', { code: 1011 }],
  ['close:1012@500ms', { code: 1012 }],
  ['close:1005@500ms', { code: 1005 }],
  ['drop@500ms', { code: 1006 }],
])('our client comes back after %s, with a gap', async (fault, closed) => {
  const client = await read([fault]);
  expect(await client.state('closed')).toMatchObject(closed);
  const open = await client.state('open');
  expect(open.gap_since).toBeDefined();
  await client.event();
  expect(client.subscription.summary().gaps.count).toBe(1);
});

it('our client comes back after garbage, and writes none of it', async () => {
  const client = await read(['garbage@500ms']);
  await client.state('closed');
  await client.state('open');
  await client.event();
  expect(client.invalid.all).toEqual([]);
});

it('our client gets through a refusal', async () => {
  const client = await read(['drop@500ms', 'refuse:503@500ms+300ms']);
  expect(await client.state('refused')).toMatchObject({ status: 503 });
  await client.state('open');
  await client.event();
});

it('our client leaves a server that is silent, and is there again when it speaks', async () => {
  const client = await read(['stall@500ms+1s'], 300);
  await client.state('closed');
  await client.state('open');
  await client.event();
});
