import type { LookupAddress } from 'node:dns';
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOfError } from '../../../src/core/failure/from-error.js';
import { Dial, type DialOptions } from '../../../src/io/http/dial.js';
import { Reading } from '../../support/reading.js';
import { startSilentAddress, withoutSilentAddresses } from '../../support/silent-address.js';
import { close, listen } from '../../support/web-server.js';

let server: Server;
let port: number;
beforeAll(async () => {
  server = createServer();
  port = await listen(server);
});
afterAll(() => close(server));

/** Connects to a host that has these addresses. @returns The address that answered, and the time that it took. */
async function dial(addresses: string[], at: number, options: DialOptions = {}) {
  const resolve = async (): Promise<LookupAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const attempt = new Dial({ host: 'opmas.test', port: at }, { ...options, resolve });
  const startMs = performance.now();
  const socket = await attempt.socket;
  const tookMs = performance.now() - startMs;
  const { remoteAddress } = socket;
  socket.destroy();
  return { remoteAddress, tookMs, errors: attempt.errors, silent: attempt.silent };
}

describe.skipIf(withoutSilentAddresses)('Dial', () => {
  it('connects to the next address after a quarter of a second when the first is silent', async () => {
    await using silent = await startSilentAddress('127.0.0.2', port);
    const { remoteAddress, tookMs, ...dialed } = await dial([silent.host, '127.0.0.1'], port);
    expect(remoteAddress).toBe('127.0.0.1');
    expect(dialed.silent).toEqual([`127.0.0.2:${port}`]);
    expect(tookMs).toBeGreaterThan(240);
    // The system itself would try for minutes.
    expect(tookMs).toBeLessThan(8000);
  });

  it('connects to the next address at once when the first refuses', async () => {
    const refusing = Array<string>(40).fill('127.0.0.2');
    const { remoteAddress, tookMs, errors } = await dial([...refusing, '127.0.0.1'], port);
    expect(remoteAddress).toBe('127.0.0.1');
    expect(errors).toMatchObject(refusing.map((address) => ({ code: 'ECONNREFUSED', address })));
    // A quarter of a second for each of them would make 10 s.
    expect(tookMs).toBeLessThan(8000);
  });

  it('keeps the first attempt while it tries the next: a slow link works, though the other family is dead', async () => {
    await using slow = await startSilentAddress('127.0.0.3');
    await using dead = await startSilentAddress('127.0.0.2', slow.port);
    const dialing = dial([slow.host, dead.host], slow.port);
    // The other address is tried after a quarter of a second.
    await delay(600);
    slow.answer();
    expect(await dialing).toMatchObject({ remoteAddress: '127.0.0.3', silent: [`127.0.0.2:${slow.port}`] });
  });

  it('tries all addresses in the first half of a short limit', async () => {
    await using silent = await startSilentAddress('127.0.0.2', port);
    const addresses = [...Array<string>(30).fill(silent.host), '127.0.0.1'];
    const { tookMs } = await dial(addresses, port, { limitMs: 1000 });
    // A quarter of a second for each of them would make 7.5 s.
    expect(tookMs).toBeLessThan(6000);
  });

  it('names every address when none answers', async () => {
    const error = await dial(['127.0.0.2', '127.0.0.3'], port).catch((caught: unknown) => caught);
    expect(failureOfError(error)).toMatchObject({
      kind: 'connection refused',
      event: { error: `connection refused (127.0.0.2:${port}, 127.0.0.3:${port})` },
    });
  });

  it('takes addresses of the wanted family only', async () => {
    // The server listens on 127.0.0.1 only.
    (await new Dial({ host: 'localhost', port }, { family: 4 }).socket).destroy();
    await expect(new Dial({ host: 'localhost', port }, { family: 6 }).socket).rejects.toThrow();
  });

  it('ends all attempts when it is destroyed', async () => {
    await using silent = await startSilentAddress('127.0.0.2', port);
    const attempt = new Dial({ host: silent.host, port });
    attempt.destroy();
    await expect(attempt.socket).rejects.toThrow('stopped');
  });
});

it.skipIf(withoutSilentAddresses)(
  'a stream to a silent address says which address did not answer, not that the server hangs',
  async () => {
    await using silent = await startSilentAddress('127.0.0.2');
    const url = `ws://127.0.0.2:${silent.port}`;
    const end = await new Reading({ url, connectTimeoutMs: 200, retry: { reconnect: false } }).end;
    expect(end).toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining(`no answer (127.0.0.2:${silent.port})`),
    });
  },
);
