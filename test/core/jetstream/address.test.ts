import { describe, expect, it } from 'vitest';
import { OpmasError } from '../../../src/core/errors.js';
import { isStreamAddress, parseStreamAddress } from '../../../src/core/jetstream/address.js';

describe('the address of a stream', () => {
  it.each([
    ['nats://nats.example.org/EVENTS', 'nats.example.org:4222', 'EVENTS', false],
    ['nats://127.0.0.1:14222/A-b_1', '127.0.0.1:14222', 'A-b_1', false],
    ['tls://nats.example.org:443/EVENTS', 'nats.example.org:443', 'EVENTS', true],
    ['nats://[::1]:80/EVENTS', '[::1]:80', 'EVENTS', false],
    ['NATS:///EVENTS', '', 'EVENTS', false],
    ['nats://nats.example.org/EVENTS/', 'nats.example.org:4222', 'EVENTS', false],
  ])('%s names a host and a stream', (text, host, stream, isSecure) => {
    expect(isStreamAddress(text)).toBe(true);
    expect(parseStreamAddress(text)).toEqual({ host, stream, isSecure, text });
  });

  it.each([
    'nats://host',
    'nats://host/',
    'nats://host/a.b',
    'nats://host/a/b',
    'nats://host/a//',
    'nats://one,two/EVENTS',
    'nats://host/a%20b',
    'nats://host/%zz',
    'nats://host/EVENTS?x=1',
    'nats://host/EVENTS#x',
    'nats://ho st/EVENTS',
    'nats://host:99999/EVENTS',
    'nats://host:0/EVENTS',
  ])('%s is refused', (text) => {
    expect(() => parseStreamAddress(text)).toThrow(OpmasError);
  });

  it.each([
    'nats://ann:s3cret@host/EVENTS',
    'nats://s3cret@host/EVENTS',
    'tls://:s3cret@/EVENTS',
    'nats:///ann:s3cret@host/EVENTS',
  ])('is refused with a login in it, which the message does not repeat', (text) => {
    expect(() => parseStreamAddress(text)).toThrow(/holds a user, a password or a token/);
    expect(() => parseStreamAddress(text)).not.toThrow(/s3cret/);
  });

  it.each(['capture.ndjson', '-', 'nats', './nats://x', 'ws://host/x'])('is not %s', (text) => {
    expect(isStreamAddress(text)).toBe(false);
  });
});
