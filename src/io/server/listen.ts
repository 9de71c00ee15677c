import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OpmasError } from '../../core/errors.js';

/** Errors of an address that this machine does not have. */
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'EPROTONOSUPPORT']);
/** A free port on one address may be taken on the other. */
const FREE_PORT_TRIES = 20;

/**
 * Makes the servers listen, each on its address, all on the same port. An address beyond the first that this machine
 * does not have (IPv6 switched off) is left out.
 *
 * @param port 0 = any that is free on all addresses.
 * @returns The port. @throws {OpmasError} `LOCAL`, naming the port, when it is in use or not permitted.
 */
export async function listenTogether(
  servers: readonly { server: Server; host: string }[],
  port: number,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      let actual = port;
      for (const [index, { server, host }] of servers.entries()) {
        try {
          actual = await listen(server, host, actual);
        } catch (error) {
          if (index === 0 || !NO_SUCH_ADDRESS.has(codeOf(error))) throw error;
        }
      }
      return actual;
    } catch (error) {
      for (const { server } of servers) stopListening(server);
      if (port === 0 && codeOf(error) === 'EADDRINUSE' && tries < FREE_PORT_TRIES) continue;
      throw listenError(error, servers[0]?.host ?? '', port);
    }
  }
}

/** Stops listening; connections that are open stay. */
export function stopListening(server: Server): void {
  // The listening socket is closed at once; the callback that we don't use would wait for all connections to end.
  if (server.listening) server.close();
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: host === '::1' }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function listenError(error: unknown, host: string, port: number): OpmasError {
  const code = codeOf(error);
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  if (code === 'EADDRINUSE') {
    return new OpmasError('LOCAL', `port ${port} is in use (${where})`, {
      hint: 'Choose another with --port, or --port 0 for any free one.',
      cause: error,
    });
  }
  if (code === 'EACCES') {
    return new OpmasError('LOCAL', `port ${port} is not permitted for this user (${where})`, {
      hint: 'Choose one above 1023 with --port.',
      cause: error,
    });
  }
  const what =
    code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'there is no such host' : (error as Error).message;
  return new OpmasError('LOCAL', `cannot listen on ${where}: ${what}`, { cause: error });
}
