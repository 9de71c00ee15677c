import { expect, it } from 'vitest';
import { checkHeader, secretsIn } from '../../src/core/headers.js';

it.each([
  ['X-Api-Key', 'a b\tc'],
  ['authorization', 'Basic dXNlcjpwYXNz'],
  ['X_odd!#$%&*+.^`|~', 'ümläut'],
  ['Cookie', 'a=1; b=2'],
])('takes %s: %s', (name, value) => {
  expect(() => checkHeader(name, value)).not.toThrow();
});

it.each<[string, string, RegExp]>([
  ['', 'x', /name/],
  ['X Y', 'x', /name/],
  ['X-Ä', 'x', /name/],
  ['X-A\r\nX-B', 'x', /name/],
  ['X-A', '', /X-A has no value/],
  ['X-A', ' \t', /X-A has no value/],
  ['X-A', 'sesame\r\nX-B: c', /line breaks/],
  ['X-A', 'sesame\n', /line breaks/],
  ['X-A', 'sesame\0', /control characters/],
  ['X-A', 'sesame\u007f', /control characters/],
  ['X-A', 'sesame'.repeat(4000), /too long/],
  ...[
    ['Host', 'connection', 'UPGRADE', 'Sec-WebSocket-Key', 'sec-websocket-protocol'],
    ['Content-Length', 'Transfer-Encoding', 'Proxy-Authorization'],
  ]
    .flat()
    .map((name): [string, string, RegExp] => [name, 'sesame', /the connection sets it/]),
])('refuses %j: %j, and does not show the value', (name, value, message) => {
  const refused = () => checkHeader(name, value);
  expect(refused).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }),
  );
  expect(refused).not.toThrow(/sesame/);
});

it.each([
  ['X-Key', 'k1', ['k1']],
  ['Authorization', 'Bearer abc.def', ['Bearer abc.def', 'abc.def']],
  ['Authorization', `Basic ${btoa('user:pass:word')}`, ['user:pass:word', 'pass:word']],
  ['Cookie', 'session=s3cret; theme=', ['s3cret']],
])('finds the secrets in %s: %s', (name, value, secrets) => {
  expect(secretsIn(name, value)).toEqual(expect.arrayContaining(secrets));
});
