import { once } from 'node:events';
import { deflateRawSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { close, event, frame, text } from '../../support/raw-frames.js';
import { test } from '../../support/stage.js';

const MiB = 1024 * 1024;

/** Rows of the catalog, the bytes that a server sends after `101`, and the close code that they come to. */
const faults: [string, number, Buffer][] = [
  ['a header that says 200 MiB', 1009, frame({ claimedLength: 200 * MiB })],
  ['a header that says 2^62', 1009, frame({ claimedLength: 2n ** 62n })],
  ['a header that says 2^63', 1009, frame({ claimedLength: 2n ** 63n })],
  ['a header just above the limit', 1009, frame({ claimedLength: 16 * MiB + 1 })],
  ['fragments that are too much together', 1009, fragments(17, Buffer.alloc(MiB, 'x'))],
  ['compression that nobody agreed to', 1002, frame({ rsv: 4, payload: deflateRawSync(Buffer.alloc(MiB)) })],
  ['corrupt compression that nobody agreed to', 1002, frame({ rsv: 4, payload: 'no deflate at all' })],
  ['20,000 fragments', 1009, fragments(20_000, Buffer.from('x'))],
  ['invalid UTF-8', 1007, frame({ payload: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) })],
  ['a surrogate in UTF-8', 1007, frame({ payload: Buffer.from([0xed, 0xa0, 0x80]) })],
  ['UTF-8 that ends too soon', 1007, frame({ payload: Buffer.from([0x22, 0xe2, 0x82]) })],
  ['RSV2', 1002, frame({ rsv: 2, payload: '{}' })],
  ['RSV3', 1002, frame({ rsv: 1, payload: '{}' })],
  ['a reserved opcode', 1002, frame({ opcode: 3, payload: '{}' })],
  ['a reserved control opcode', 1002, frame({ opcode: 11 })],
  ['a masked frame', 1002, frame({ masked: true, payload: '{}' })],
  ['a close frame of 1 byte', 1002, frame({ opcode: 8, payload: 'x' })],
  ['a ping of 126 bytes', 1002, frame({ opcode: 9, payload: Buffer.alloc(126) })],
  ['a fragmented ping', 1002, frame({ opcode: 9, fin: false })],
  ['a continuation of nothing', 1002, frame({ opcode: 0, payload: '{}' })],
  ['a message within a message', 1002, Buffer.concat([frame({ fin: false, payload: '{' }), text('{}')])],
  ['close code 999', 1002, close(999)],
  ['close code 1004', 1002, close(1004)],
  ['close code 1005', 1002, close(1005)],
  ['close code 1006', 1002, close(1006)],
  ['close code 1015', 1002, close(1015)],
  ['close code 5000', 1002, close(5000)],
  ['a close reason that is no UTF-8', 1007, close(1000, Buffer.from([0xff, 0xff]))],
];

function fragments(count: number, payload: Buffer): Buffer {
  const first = frame({ fin: false, payload });
  const further = frame({ fin: false, opcode: 0, payload });
  return Buffer.concat([first, ...Array<Buffer>(count - 1).fill(further)]);
}

describe.concurrent('frames that break the rules', () => {
  test.for(faults)(
    '%s is closed with %i and given up after 2',
    async ([name, code, bytes], { serve, read }) => {
      const server = await serve();
      server.onRequest((client) => client.accept(bytes));
      const reading = read({ url: server.url });
      expect(await reading.state('closed')).toMatchObject({ code });
      const end = await reading.end;
      expect(end?.code).toBe('NETWORK');
      expect(end?.message).toContain(`closed with ${code}`);
      expect(server.connections.all).toHaveLength(2);
      // Nothing of a message that is not whole, or not allowed, is in the stream.
      expect(reading.events.all).toEqual([]);
      expect(reading.invalid.all).toEqual([]);
      // The server is told why; where there are too many fragments, `ws` says 1008, and a close it answers with its code.
      const told = await server.requests.all[0]!.frames.next();
      expect(told.opcode).toBe(8);
      expect([code, 1008, ...(name.startsWith('a close reason') ? [1000] : [])]).toContain(
        told.payload.readUInt16BE(),
      );
    },
  );

  test.for([
    ['a message above our limit', frame({ claimedLength: 17 * MiB }), /larger than `maxMessageBytes`: raise/],
    ['a length that no message has', frame({ claimedLength: 2n ** 62n }), /breaks the rules of WebSocket/],
    ['1009 of the server', close(1009, 'too big'), /`maxMessageBytes` changes nothing/],
    ['1002 of the server', close(1002), /the URL is right, but the server, this client or a proxy/],
    ['1003 of the server', close(1003), /the server, this client or a proxy/],
    ['1010 of the server', close(1010), /the URL is right/],
  ] as const)('the next step fits %s', async ([, bytes, hint], { serve, read }) => {
    const server = (await serve()).onRequest((client) => client.accept(bytes));
    expect((await read({ url: server.url }).end)?.hint).toMatch(hint);
  });

  test('end the connection soon, though the server does nothing about it', async ({ serve, read }) => {
    const server = await serve();
    server.onRequest((client) => {
      client.answersClose = false;
      client.accept(frame({ rsv: 2 }));
    });
    const reading = read({ url: server.url, deadAfterMs: 60_000 });
    expect(await reading.end).toMatchObject({ code: 'NETWORK' });
  });

  test('after events they end the connection, not the endpoint', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    for (let i = 0; i < 4; i++) {
      (await server.request()).accept(text(event(i)), frame({ rsv: 2 }));
      await reading.event();
      expect(await reading.state('closed')).toMatchObject({ code: 1002, retry_in_ms: expect.any(Number) });
    }
  });

  test('the limit is the one that was asked for, to the byte', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url, maxMessageBytes: 50 });
    const client = await server.request();
    const fits = `{"type":"${'x'.repeat(50 - 11)}"}`;
    client.accept(text(fits), text(`${fits} `));
    await reading.event();
    expect(await reading.state('closed')).toMatchObject({ code: 1009 });
  });
});

describe.concurrent('frames that are odd and allowed', () => {
  test('a character that is split over fragments', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const message = Buffer.from('{"type":"a","data":{"text":"€😀é"}}');
    const parts = [...message].map((byte, i) =>
      frame({ fin: i === message.length - 1, opcode: i === 0 ? 1 : 0, payload: Buffer.from([byte]) }),
    );
    const client = await server.request();
    client.accept();
    for (const part of parts) client.write(part);
    expect((await reading.event()).data).toEqual({ text: '€😀é' });
  });

  test('pings between fragments are answered', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const client = await server.request();
    client.accept(frame({ fin: false, payload: '{"type":' }));
    await client.roundTrips(2);
    client.write(frame({ opcode: 0, payload: '"whole"}' }));
    expect((await reading.event()).type).toBe('whole');
  });

  test('a flood of pings to a client whose pongs are not read', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const client = await server.request();
    client.accept();
    await reading.state('open');
    client.socket.pause();
    const before = process.memoryUsage().rss;
    const pings = Buffer.concat(Array<Buffer>(5000).fill(frame({ opcode: 9, payload: 'x'.repeat(100) })));
    const closed = once(client.socket, 'close');
    for (let i = 0; i < 40 && !client.socket.destroyed; i++) {
      if (!client.socket.write(pings)) await Promise.race([once(client.socket, 'drain'), closed]);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * MiB);
    client.socket.resume();
    client.text(event(1));
    await reading.event();
    expect(reading.states).not.toContain('closed');
  });

  test('more pings in one packet than anybody wants answered: the latest is', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const pings = Array.from({ length: 200 }, (_, i) => frame({ opcode: 9, payload: String(i) }));
    const client = await server.request();
    client.accept(...pings, text(event(1)));
    await reading.event();
    await client.frames.next(({ opcode, payload }) => opcode === 10 && String(payload) === '199');
    const pongs = client.frames.all.filter(({ opcode }) => opcode === 10);
    expect(pongs.length).toBeLessThan(pings.length / 2);
    client.write(frame({ opcode: 9, payload: 'later' }));
    await client.frames.next(({ opcode, payload }) => opcode === 10 && String(payload) === 'later');
  });

  test('an empty message, a binary one, and one that is both binary and JSON', async ({ serve, read }) => {
    const server = await serve();
    const reading = read({ url: server.url });
    const bytes = Buffer.from([0, 1, 0x0a, 0xff]);
    (await server.request()).accept(
      text(''),
      frame({ opcode: 2, payload: bytes }),
      frame({ opcode: 2, payload: event(1) }),
      text(event(2)),
    );
    await reading.event();
    expect(reading.invalid.all.map(({ invalid }) => invalid)).toEqual([
      { reason: 'not JSON', text: '' },
      { reason: 'binary frame', base64: bytes.toString('base64') },
      { reason: 'binary frame', base64: Buffer.from(event(1)).toString('base64') },
    ]);
    expect(reading.subscription.summary()).toMatchObject({ events: { devices: 1 }, invalid: 3 });
  });
});
