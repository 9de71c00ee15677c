import { describe, expect, it } from 'vitest';
import { chooseProxy, displayProxy } from '../../../src/io/http/proxy-choice.js';
import { ServerRoute } from '../../../src/io/http/server-route.js';

const proxyFor = (target: string, environment: Record<string, string>) =>
  chooseProxy(new URL(target), environment).proxy;
const chosen = (target: string, environment: Record<string, string>) =>
  proxyFor(target, environment)?.url.origin;

describe('chooseProxy', () => {
  it.each([
    ['ws://a.test/', { http_proxy: 'http://p:1' }, 'http://p:1'],
    ['http://a.test/', { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
    ['wss://a.test/', { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://q:1' }, 'http://p:1'],
    ['https://a.test/', { https_proxy: 'https://p' }, 'https://p'],
    ['wss://a.test/', { HTTP_PROXY: 'http://q:1' }, undefined],
    ['ws://a.test/', { HTTPS_PROXY: 'http://q:1' }, undefined],
    ['ws://a.test/', { ALL_PROXY: 'http://p:1' }, 'http://p:1'],
    ['wss://a.test/', { all_proxy: 'http://p:1', https_proxy: '' }, 'http://p:1'],
    ['ws://a.test/', { http_proxy: 'http://lower:1', HTTP_PROXY: 'http://upper:1' }, 'http://lower:1'],
    ['ws://a.test/', {}, undefined],
  ])('for %s with %j takes %s', (target, environment, expected) => {
    expect(chosen(target, environment as Record<string, string>)).toBe(expected);
  });

  it('takes a proxy without a scheme as http, for TLS targets too', () => {
    const proxy = proxyFor('wss://a.test/', { https_proxy: 'proxy.test:3128' });
    expect(proxy?.url.href).toBe('http://proxy.test:3128/');
  });

  it.each([
    ['a.test', 'ws://a.test/'],
    ['.a.test', 'ws://a.test/'],
    ['a.test', 'ws://b.a.test/'],
    ['*.a.test', 'ws://b.a.test/'],
    ['A.Test', 'ws://a.test/'],
    ['x,  a.test ', 'ws://a.test/'],
    ['a.test:80', 'ws://a.test/'],
    ['a.test:443', 'wss://a.test/'],
    ['a.test:8000', 'ws://a.test:8000/'],
    ['127.0.0.1', 'ws://127.0.0.1:8000/'],
    ['::1', 'ws://[::1]:8000/'],
    ['[::1]', 'ws://[::1]:8000/'],
    ['[::1]:8000', 'ws://[::1]:8000/'],
    ['*', 'ws://anything/'],
    ['127.0.0.0/8', 'ws://127.9.9.9'],
    ['x, 10.1.2.3/16', 'ws://10.1.200.3:8000'],
    ['0.0.0.0/0', 'ws://8.8.8.8'],
    ['fd00::/8', 'ws://[fd12::1]'],
  ])('NO_PROXY=%s exempts %s', (noProxy, target) => {
    expect(chosen(target, { all_proxy: 'http://p:1', NO_PROXY: noProxy })).toBeUndefined();
    expect(chosen(target, { all_proxy: 'http://p:1', no_proxy: noProxy })).toBeUndefined();
  });

  it.each([
    ['a.test', 'ws://xa.test/'],
    ['a.test', 'ws://a.test.evil/'],
    ['b.a.test', 'ws://a.test/'],
    ['a.test:81', 'ws://a.test/'],
    [',', 'ws://a.test/'],
    ['127.0.0.0/8', 'ws://128.0.0.1'],
    ['10.0.0.0/33', 'ws://10.0.0.1'],
    ['10.0.0.0/', 'ws://10.0.0.1'],
    ['example/8', 'ws://example'],
    ['0.0.0.0/0', 'ws://example'],
    ['::/0', 'ws://10.0.0.1'],
    ['fd00::/8', 'ws://[fe80::1]'],
  ])('NO_PROXY=%s does not exempt %s', (noProxy, target) => {
    expect(chosen(target, { all_proxy: 'http://p:1', no_proxy: noProxy })).toBe('http://p:1');
  });

  it('keeps the credentials apart from the URL', () => {
    const proxy = proxyFor('ws://a.test/', { http_proxy: 'http://user:p%40ss%zz@p:1' });
    expect(proxy?.url.href).toBe('http://p:1/');
    expect(proxy?.credentials).toEqual({ user: 'user', password: 'p%40ss%zz' });
    const decoded = proxyFor('ws://a.test/', { http_proxy: 'http://us%20er:p%40ss@p:1' });
    expect(decoded?.credentials).toEqual({ user: 'us er', password: 'p@ss' });
  });

  it.each([
    'gopher://user:sesame@p:1',
    'http://',
    'http://[',
    'ftp://sesame',
    `socks5://u:sesame${'x'.repeat(255)}@p`,
  ])('refuses %s without repeating it', (value) => {
    let message = '';
    try {
      proxyFor('ws://a.test/', { http_proxy: value });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain('http_proxy');
    expect(message).not.toContain('sesame');
  });

  it.each([
    ['socks5://p', 'socks5://p:1080'],
    ['socks5h://p:9', 'socks5h://p:9'],
    ['socks4://user@p', 'socks4://p:1080'],
    ['SOCKS4A://p', 'socks4a://p:1080'],
    ['socks://[::1]/', 'socks://[::1]:1080'],
  ])('takes the SOCKS proxy %s', (value, shown) => {
    const proxy = proxyFor('wss://a.test/', { ALL_PROXY: value })!;
    expect(displayProxy(proxy)).toBe(shown);
  });

  it('prefers a named proxy to the environment, for this machine and in spite of NO_PROXY, too', () => {
    const environment = { all_proxy: 'http://p:1', no_proxy: '*' };
    const options = { proxy: 'q:2', sources: { proxy: 'context office' }, environment };
    for (const target of ['ws://a.test/', 'ws://localhost:8000/', 'wss://127.0.0.1/']) {
      const { proxy } = new ServerRoute(new URL(target), options);
      expect(proxy).toMatchObject({ source: 'context office' });
      expect(displayProxy(proxy!)).toBe('http://q:2');
    }
  });

  it.each(['none', '', ' '])('connects directly for %j, whatever the environment says', (proxy) => {
    const environment = { all_proxy: 'http://p:1' };
    expect(new ServerRoute(new URL('ws://a.test/'), { proxy, environment }).proxy).toBeUndefined();
  });
});
