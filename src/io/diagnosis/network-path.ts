import { lookup } from 'node:dns/promises';
import * as net from 'node:net';
import * as tls from 'node:tls';

/** Where to connect to. */
export interface Target {
  host: string;
  port: number;
}

/** Limit of each step. */
const STEP_LIMIT_MS = 5000;

/** The host and port of a URL, ready for a socket. */
export function targetOf(url: URL): Target {
  const secure = url.protocol === 'wss:' || url.protocol === 'https:';
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || (secure ? 443 : 80)) };
}

/** Addresses of a host; a literal address is its own. */
export async function resolveName(host: string): Promise<string[]> {
  const found = await withLimit(lookup(host, { all: true }), 'the name server did not answer in 5 s');
  return found.map(({ address }) => address);
}

/** Opens and closes a TCP connection. @returns The address that answered. */
export async function reach(target: Target): Promise<string> {
  const socket = net.connect({ ...target, autoSelectFamily: true });
  try {
    await untilEvent(socket, 'connect', 'no answer in 5 s');
    return socket.remoteAddress ?? target.host;
  } finally {
    socket.destroy();
  }
}

/** What a server showed in a TLS handshake. */
export interface TlsGreeting {
  protocol: string;
  /** The names in the certificate. */
  names: string;
  /** Until when it is good. */
  validTo: string;
  /** Why it would not be trusted; only when that was to be looked over. */
  distrust: string | undefined;
}

/** Does a TLS handshake. @throws Node's error when the certificate is not trusted and that is not to be looked over. */
export async function greetTls(
  target: Target,
  trust: { ca?: string | undefined; insecure?: boolean | undefined },
): Promise<TlsGreeting> {
  const options: tls.ConnectionOptions & net.TcpNetConnectOpts = {
    ...target,
    ...(net.isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    rejectUnauthorized: trust.insecure !== true,
    autoSelectFamily: true,
  };
  const socket = tls.connect(options);
  try {
    await untilEvent(socket, 'secureConnect', 'no TLS answer in 5 s');
    const { subjectaltname, subject, valid_to: validTo } = socket.getPeerCertificate();
    // Node's types promise an error and a subject where there is text or nothing.
    const distrust: unknown = socket.authorizationError;
    return {
      protocol: socket.getProtocol() ?? 'TLS',
      names: subjectaltname ?? String((subject as { CN?: string } | undefined)?.CN ?? 'no name'),
      validTo,
      distrust: socket.authorized
        ? undefined
        : distrust instanceof Error
          ? distrust.message
          : String(distrust),
    };
  } finally {
    socket.destroy();
  }
}

/** Whether something at the target answers in TLS, trusted or not. */
export async function speaksTls(target: Target): Promise<boolean> {
  return greetTls(target, { insecure: true }).then(
    () => true,
    () => false,
  );
}

function untilEvent(socket: net.Socket, event: string, late: string): Promise<void> {
  const arrival = new Promise<void>((resolve, reject) => {
    socket.once(event, () => resolve());
    // It may fail again after the first error; once would leave the second unhandled.
    socket.on('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
  return withLimit(arrival, late);
}

async function withLimit<T>(work: Promise<T>, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(late), { code: 'ETIMEDOUT' })), STEP_LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
