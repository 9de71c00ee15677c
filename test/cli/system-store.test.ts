import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { CertificateAuthority, withoutOpenssl } from '../support/certificates.js';
import { event, text } from '../support/raw-frames.js';
import type { RawServer } from '../support/raw-server.js';
import { test } from '../support/stage.js';

/** Runs a command in a mount namespace of its own, where `/etc` has one file: `$0`, with the content of `$1`. */
const inOwnSystem = (path: string, content: string) => [
  ...['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), 'sh', '-ec'],
  'mount -t tmpfs none /etc; mkdir -p "$(dirname "$0")"; cp "$1" "$0"; shift; exec "$@"',
  ...[path, content],
];

const withoutNamespaces = (() => {
  const [command = '', ...args] = [...inOwnSystem('/etc/x/y', '/dev/null'), 'test', '-f', '/etc/x/y'];
  return spawnSync(command, args).status === 0 ? undefined : 'mount namespaces cannot be made here (unshare)';
})();
const why = withoutOpenssl ?? withoutNamespaces;

describe.skipIf(why).concurrent(`a CA in the system's store${why ? ` (${why})` : ''}`, () => {
  let authority: CertificateAuthority;
  beforeAll(() => {
    authority = new CertificateAuthority();
  });
  afterAll(() => authority.remove());

  const send = (server: RawServer) => server.onRequest((client) => client.accept(text(event(1))));

  test.for([
    ['Debian', '/etc/ssl/certs/ca-certificates.crt'],
    ['Fedora', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem'],
    ['SUSE', '/etc/ssl/ca-bundle.pem'],
    ['Alpine', '/etc/ssl/cert.pem'],
  ] as const)('is trusted where %s has it', async ([, path], { serve, command, expect }) => {
    const server = send(await serve({ tls: authority.issue('IP:127.0.0.1') }));
    const through = inOwnSystem(path, authority.path);
    const { code, stdout, stderr } = await command.tail(server, ['-n', '1'], { through }).ended;
    expect({ code, lines: stdout.split('\n').length, stderr }).toMatchObject({ code: 0, lines: 2 });
  });

  test('still counts when another CA is given with --ca, and so do those of Node.js', async ({
    serve,
    command,
    expect,
  }) => {
    const other = new CertificateAuthority('another CA');
    const path = join(command.sandbox.home, 'other.pem');
    writeFileSync(path, other.pem);
    other.remove();
    const server = send(await serve({ tls: authority.issue('IP:127.0.0.1') }));
    const through = inOwnSystem('/etc/ssl/cert.pem', authority.path);
    expect(await command.tail(server, ['-n', '1', '--ca', path], { through }).ended).toMatchObject({
      code: 0,
    });
    expect((await command.runTail(server, ['-n', '1', '--ca', path])).stderr).toContain(
      'not the one that signed',
    );
  });

  test('is trusted for questions to the REST API and for the checks of doctor', async ({
    serve,
    command,
    expect,
  }) => {
    const server = await serve({ tls: authority.issue('IP:127.0.0.1') });
    server.onRequest((client) =>
      client.path.startsWith('/api/v1/ws/')
        ? client.accept(text(event(1)))
        : client.respond('200 OK', ['Content-Type: application/json'], '{"username":"me"}'),
    );
    const through = inOwnSystem('/etc/ssl/cert.pem', authority.path);
    const { stdout } = await command.start(['doctor', 'devices', '-u', server.url], { through }).ended;
    expect(stdout).toMatch(/✓ tls .*\n✓ api .* accepts the token[\s\S]*✓ upgrade devices/);
  });
});
