import { createServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { HttpRequest } from '../../../src/io/http/http-request.js';
import { textOf } from '../../../src/io/http/http-request.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';
import { CertificateAuthority, withoutOpenssl } from '../../support/certificates.js';
import { close, json, listen, startWebServer } from '../../support/web-server.js';

const httpRequest = ({ url, ca, ...request }: HttpRequest & { url: URL; ca?: string }) =>
  new ServerRoute(new URL(url.origin), { ca }).request(url.pathname, request);

describe('a request to the REST API', () => {
  it('sends method, headers and body, and gives status, headers and body', async () => {
    await using server = await startWebServer((_, response) =>
      json(response, 201, { ok: true }, { 'x-y': 'z' }),
    );
    const url = new URL(`ws://127.0.0.1:${server.port}/a`);
    const answer = await httpRequest({ url, method: 'POST', headers: { 'X-A': 'b' }, body: 'grüße' });
    expect(answer).toMatchObject({ status: 201, truncated: false });
    expect(answer.headers['x-y']).toBe('z');
    expect(JSON.parse(String(answer.body))).toEqual({ ok: true });
    expect(server.requests[0]).toMatchObject({ method: 'POST', url: '/a', body: 'grüße' });
    expect(server.requests[0]?.headers).toMatchObject({ 'x-a': 'b', 'content-length': '7' });
  });

  it('follows no redirect', async () => {
    await using trap = await startWebServer((_, response) => response.end());
    await using server = await startWebServer((_, response) =>
      response.writeHead(307, { location: trap.url.href }).end(),
    );
    expect((await httpRequest({ url: server.url, method: 'POST', body: 'secret' })).status).toBe(307);
    expect(trap.requests).toEqual([]);
  });

  it('stops reading a body that has no end', async () => {
    await using server = await startWebServer((_, response) => {
      const more = () => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    });
    const answer = await httpRequest({ url: server.url, maxBodyBytes: 1000 });
    expect(answer.body.length).toBe(1000);
    expect(answer.truncated).toBe(true);
  });

  it('counts its time from the first packet to the last, however often bytes come', async () => {
    await using server = await startWebServer((_, response) => {
      const timer = setInterval(() => response.write('.'), 10);
      response.on('close', () => clearInterval(timer));
    });
    await expect(httpRequest({ url: server.url, timeoutMs: 300 })).rejects.toMatchObject({ code: 'NETWORK' });
  });

  it('gives up on a server that never answers', async () => {
    const silent = createServer();
    const port = await listen(silent);
    const url = new URL(`http://127.0.0.1:${port}/x?token=sesame`);
    const error = await httpRequest({ url, timeoutMs: 200 }).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'NETWORK' });
    expect((error as Error).message).not.toContain('sesame');
    await close(silent);
  });

  it('ends early when it is told to', async () => {
    await using server = await startWebServer(() => stopping.abort());
    const stopping = new AbortController();
    await expect(httpRequest({ url: server.url, signal: stopping.signal })).rejects.toMatchObject({
      code: 'NETWORK',
    });
    await expect(httpRequest({ url: server.url, signal: stopping.signal })).rejects.toMatchObject({
      code: 'NETWORK',
    });
  });

  it('takes a cut connection for an error', async () => {
    await using server = await startWebServer((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x', () => response.destroy());
    });
    await expect(httpRequest({ url: server.url })).rejects.toMatchObject({ code: 'NETWORK' });
  });

  it.skipIf(withoutOpenssl)('calls an expired certificate of an unknown CA untrusted', async () => {
    const authority = new CertificateAuthority();
    await using server = await startWebServer(
      (_, response) => response.end(),
      authority.issue('DNS:localhost', -1),
    );
    const { pem: ca } = authority;
    authority.remove();
    await expect(httpRequest({ url: server.url })).rejects.toMatchObject({
      failure: 'certificate untrusted',
      hint: expect.stringContaining('signed by a CA that is not trusted here'),
    });
    await expect(httpRequest({ url: server.url, ca })).rejects.toMatchObject({
      failure: 'certificate expired',
    });
    expect(server.requests).toEqual([]);
  });
});

describe('the text of a body', () => {
  const text = JSON.stringify({ detail: 'not allowed' });

  it.each([
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['identity', Buffer.from(text)],
  ])('is unpacked: %s', (coding, body) => {
    expect(textOf(body, { 'content-encoding': coding })).toBe(text);
  });

  it('is read as far as it came', () => {
    const long = JSON.stringify(Array.from({ length: 2000 }, (_, n) => n * n));
    const half = gzipSync(long).subarray(0, 2000);
    const read = textOf(half, { 'content-encoding': 'gzip' });
    expect(read.length).toBeGreaterThan(1000);
    expect(long.startsWith(read)).toBe(true);
  });

  it('has the character set of its server', () => {
    expect(textOf(Buffer.from([0x6e, 0xe3, 0x6f]), { 'content-type': 'text/html; charset=iso-8859-1' })).toBe(
      'não',
    );
    expect(textOf(Buffer.from('ä'), { 'content-type': 'text/html; charset="no-such"' })).toBe('ä');
  });

  it('is not unpacked into more memory than a refusal needs, nor believed to be packed', () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    expect(textOf(bomb, { 'content-encoding': 'gzip' }).length).toBeLessThanOrEqual(bomb.length);
    expect(textOf(Buffer.from(text), { 'content-encoding': 'gzip' })).toBe(text);
  });
});
