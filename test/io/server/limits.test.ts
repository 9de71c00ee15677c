import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../../src/core/websocket-frame.js';
import {
  type MockServer,
  type ServerActivity,
  type ServingOptions,
  startServer,
} from '../../../src/index.js';
import { HandSource } from './hand-source.js';
import { rawConnect, rawRequest, readToEnd, statusOf, upgradeRequest } from './raw-client.js';
import { StreamClient, streamUrl } from './stream-client.js';

const servers: MockServer[] = [];
const departures = new EventEmitter();

async function serve(source: HandSource, options: ServingOptions = {}): Promise<MockServer> {
  const onActivity = (activity: ServerActivity) => {
    if (activity.kind === 'ended') departures.emit('ended', activity);
  };
  const server = await startServer(source, { onActivity, ...options });
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** Resolves when so few clients are left. */
async function hasOnly(server: MockServer, clients: number): Promise<void> {
  while (server.clients > clients) await once(departures, 'ended');
}

/** An open stream on a bare socket, nothing read from it beyond the upgrade. */
async function openRaw(server: MockServer): Promise<Socket> {
  const socket = await rawConnect(server.port);
  socket.write(upgradeRequest(`/api/v1/ws/devices?token=${server.token}`));
  await once(socket, 'readable');
  return socket;
}

/** A masked text frame, as clients send them; the mask is zero. */
function clientFrame(payload: Buffer, opcode = 1): Buffer {
  const frame = encodeFrame(payload, opcode);
  const header = frame.length - payload.length;
  frame[1]! |= 0x80;
  return Buffer.concat([frame.subarray(0, header), Buffer.alloc(4), payload]);
}

describe('messages that a client may send', () => {
  it('a JSON ping gets no answer, a protocol ping its pong', async () => {
    const source = new HandSource();
    const client = await new StreamClient(streamUrl(await serve(source))).opened();
    const pong = once(client.socket, 'pong');
    client.socket.send('{"type":"ping"}');
    client.socket.ping('are you there?');
    expect(String((await pong)[0])).toBe('are you there?');
    // The pong came after the JSON ping was read, and nothing else did.
    expect(client.messages).toEqual([]);
  });

  it('20 messages a second are fine, one more is 1008', async () => {
    const source = new HandSource();
    const server = await serve(source);
    const calm = await new StreamClient(streamUrl(server)).opened();
    for (let i = 0; i < 20; i++) calm.socket.send('{"type":"ping"}');
    const pong = once(calm.socket, 'pong');
    calm.socket.ping();
    await pong;
    const hasty = await new StreamClient(streamUrl(server)).opened();
    for (let i = 0; i < 100_000; i++) hasty.socket.send('{"type":"ping"}');
    expect(await hasty.end).toMatchObject({ code: 1008, reason: 'Too many messages' });
    expect(calm.socket.readyState).toBe(calm.socket.OPEN);
  });

  it('a message of 64 KiB is fine, a byte more is 1009', async () => {
    const server = await serve(new HandSource());
    const client = await new StreamClient(streamUrl(server)).opened();
    client.socket.send('x'.repeat(64 * 1024));
    const pong = once(client.socket, 'pong');
    client.socket.ping();
    await pong;
    client.socket.send('x'.repeat(64 * 1024 + 1));
    expect((await client.end).code).toBe(1009);
  });

  it.each([
    ['100 MB, header only', Buffer.from('81ff0000000005f5e10000000000', 'hex'), 1009],
    ['2^62 bytes, header only', Buffer.from('81ff400000000000000000000000', 'hex'), 1009],
    ['2^63 bytes, header only', Buffer.from('81ff800000000000000000000000', 'hex'), 1009],
    ['no mask', Buffer.from('81027b7d', 'hex'), 1002],
    ['reserved bits', Buffer.from('f1820000000000007b7d', 'hex'), 1002],
    ['reserved opcode', Buffer.from('838200000000', 'hex'), 1002],
    ['invalid UTF-8', clientFrame(Buffer.from([0xff, 0xfe])), 1007],
    ['binary', clientFrame(Buffer.from('{}'), 2), 1003],
    ['a close of one byte', clientFrame(Buffer.from([3]), 8), 1002],
    ['a ping of 126 bytes', clientFrame(Buffer.alloc(126), 9), 1002],
  ])('ends a client that sends %s', async (_name, bytes, code) => {
    const server = await serve(new HandSource(), { limits: { closePatienceMs: 20 } });
    const socket = await openRaw(server);
    const answer = readToEnd(socket);
    socket.write(bytes);
    const close = Buffer.from(await answer, 'latin1').subarray(-64);
    const at = close.lastIndexOf(0x88);
    expect(close.readUInt16BE(at + 2)).toBe(code);
  });

  it('survives a real message of 100 MB', async () => {
    const server = await serve(new HandSource());
    const client = await new StreamClient(streamUrl(server)).opened();
    client.socket.send(Buffer.alloc(100_000_000, 0x78), { binary: false });
    expect([1009, 1006]).toContain((await client.end).code);
    await hasOnly(server, 0);
  });

  it('fragments that never end are limited, too', async () => {
    const server = await serve(new HandSource(), { limits: { closePatienceMs: 20 } });
    const socket = await openRaw(server);
    const answer = readToEnd(socket);
    socket.write(Buffer.from('018100000000', 'hex').fill(0x61, 5));
    const piece = Buffer.concat([Buffer.from('008100000000', 'hex').subarray(0, 6), Buffer.from('a')]);
    for (let i = 0; i < 70_000; i++) socket.write(piece);
    await answer;
    await hasOnly(server, 0);
  });
});

describe('frames that a client must take', () => {
  const block = encodeFrame(
    Buffer.from(JSON.stringify({ type: 'device.error', data: { x: 'x'.repeat(65_000) } })),
  );

  it('caps a client that does not read and closes it with 1013, while others get everything', async () => {
    const source = new HandSource();
    const server = await serve(source, { limits: { closePatienceMs: 50 } });
    const ends: ServerActivity[] = [];
    departures.on('ended', (activity) => ends.push(activity));
    const stopped = await openRaw(server);
    const reader = await new StreamClient(streamUrl(server)).opened();
    const [deaf, hearing] = await source.hasClients(2);
    let sent = 0;
    let most = 0;
    while (deaf!.open) {
      for (const client of source.clients) client.send(block, 1);
      sent++;
      most = Math.max(most, deaf!.pending);
      await hearing!.drained();
    }
    const limit = 16 * 1024 * 1024;
    expect(most).toBeGreaterThan(limit);
    expect(most).toBeLessThan(limit + 2 * block.length);
    await reader.received(sent);
    expect(reader.socket.readyState).toBe(reader.socket.OPEN);
    // It goes on not reading, so it is cut off.
    await hasOnly(server, 1);
    expect(source.left).toBe(1);
    expect(ends).toMatchObject([{ code: 1006, why: 'Client reads too slowly' }]);
    stopped.destroy();
  });

  it('blames no client that is being closed for something else', async () => {
    const ends: ServerActivity[] = [];
    const source = new HandSource();
    const server = await serve(source);
    departures.on('ended', (activity) => ends.push(activity));
    const client = await new StreamClient(streamUrl(server)).opened();
    const [served] = await source.hasClients(1);
    served!.close(1011, 'over');
    client.socket.send(Buffer.from('binary'));
    expect((await client.end).code).toBe(1011);
    await hasOnly(server, 0);
    expect(ends).toEqual([{ kind: 'ended', endpoint: 'devices', code: 1011, clients: 0 }]);
  });

  it('sends a slow client all that was queued, then says 1013', async () => {
    const source = new HandSource();
    const server = await serve(source, { limits: { pendingBytes: 4 * block.length } });
    const client = await new StreamClient(streamUrl(server)).opened();
    const [served] = await source.hasClients(1);
    client.socket.pause();
    let sent = 0;
    while (served!.open) {
      served!.send(block, 1);
      sent++;
      if (sent % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.resume();
    expect(await client.end).toMatchObject({ code: 1013, reason: 'Client reads too slowly' });
    expect(client.messages.length).toBe(sent);
    expect(server.eventsSent).toBe(sent);
  });

  it('keeps frames whole and in order while pongs and closes go to the same socket', async () => {
    const source = new HandSource();
    const server = await serve(source, { limits: { messagesPerSecond: 1_000_000 } });
    const client = await new StreamClient(streamUrl(server)).opened();
    const [served] = await source.hasClients(1);
    let pongs = 0;
    client.socket.on('pong', () => pongs++);
    client.socket.on('message', () => client.messages.length % 50 === 0 && client.socket.ping());
    const total = 20_000;
    for (let i = 0; i < total; i += 50) {
      const frames = Array.from({ length: 50 }, (_, n) =>
        encodeFrame(Buffer.from(JSON.stringify({ n: i + n }))),
      );
      if (!served!.send(Buffer.concat(frames), 50)) await served!.ready();
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    served!.close(4321, 'done');
    expect(served!.send(block, 1)).toBe(false);
    const { code, reason, messages } = await client.end;
    expect({ code, reason }).toEqual({ code: 4321, reason: 'done' });
    expect(messages.map((text) => JSON.parse(text).n)).toEqual(Array.from({ length: total }, (_, n) => n));
    expect(pongs).toBeGreaterThan(0);
  });

  it('pings as uvicorn does, and gives up a client that does not answer', async () => {
    const source = new HandSource();
    const server = await serve(source, { limits: { pingIntervalMs: 50, closePatienceMs: 50 } });
    const alive = await new StreamClient(streamUrl(server)).opened();
    const dead = await new StreamClient(streamUrl(server), { autoPong: false }).opened();
    expect(await dead.end).toMatchObject({ code: 1011, reason: 'Keepalive ping timeout' });
    await once(alive.socket, 'ping');
    expect(alive.socket.readyState).toBe(alive.socket.OPEN);
  });
});

describe('how many', () => {
  it('refuses the client above the limit with 503, and takes one again when there is room', async () => {
    const source = new HandSource();
    const server = await serve(source, { limits: { clients: 2 } });
    const first = await new StreamClient(streamUrl(server)).opened();
    await new StreamClient(streamUrl(server)).opened();
    expect((await new StreamClient(streamUrl(server)).end).status).toBe(503);
    first.socket.close();
    await first.end;
    await hasOnly(server, 1);
    await new StreamClient(streamUrl(server)).opened();
  });

  it('closes connections above the cap at once', async () => {
    const server = await serve(new HandSource(), { limits: { connections: 3 } });
    const sockets = await Promise.all([1, 2, 3].map(() => rawConnect(server.port)));
    const fourth = await rawConnect(server.port);
    expect(await readToEnd(fourth)).toBe('');
    sockets[0]!.destroy();
    let status = 0;
    while (status !== 200) {
      status = statusOf(
        await rawRequest(server.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
      );
    }
    for (const socket of sockets) socket.destroy();
  });

  it('cuts off clients that do not finish a header or a body, or never begin', async () => {
    const server = await serve(new HandSource(), { limits: { headerMs: 200 } });
    const beginnings = [
      '',
      'GET /api/v1/ws/devices HTTP/1.1\r\nHost: localhost\r\nX-Dribble: ',
      'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{',
    ];
    const answers = beginnings.map(async (beginning) => {
      const socket = await rawConnect(server.port);
      const answer = readToEnd(socket);
      socket.write(beginning);
      // One more byte now and then must not buy time.
      const dribble = setInterval(() => beginning !== '' && socket.write('x'), 20);
      const text = await answer;
      clearInterval(dribble);
      return text;
    });
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  it('1,000 clients and 400 half-open connections come and go, and none stays', async () => {
    const source = new HandSource();
    const server = await serve(source);
    const halfOpen = await Promise.all(Array.from({ length: 400 }, () => rawConnect(server.port)));
    const clients: StreamClient[] = [];
    for (let i = 0; i < 1000; i += 100) {
      const some = Array.from({ length: 100 }, () => new StreamClient(streamUrl(server)));
      clients.push(...(await Promise.all(some.map((client) => client.opened()))));
    }
    expect(server.clients).toBe(1000);
    const frame = encodeFrame(Buffer.from('{"type":"system.status"}'));
    for (const client of source.clients) client.send(frame, 1);
    await Promise.all(clients.map((client) => client.received(1)));
    for (const client of clients) client.socket.terminate();
    for (const socket of halfOpen) socket.destroy();
    await hasOnly(server, 0);
    expect(source.left).toBe(1000);
    await new StreamClient(streamUrl(server)).opened();
  });
});
