import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { close, listen } from './web-server.js';

/** A local SOCKS proxy for one test: versions 4, 4a and 5. Use it with `await using`. */
export interface SocksServer extends AsyncDisposable {
  readonly port: number;
  /** The version and the target of each request, as it named it, with the user who asked. */
  readonly seen: { version: number; target: string; user?: string }[];
}

export interface SocksBehavior {
  /** Where all tunnels lead, whatever host they name. */
  port: number;
  /** Wants this user and password. */
  login?: { user: string; password: string };
  /** Answers requests with this code of the protocol instead of a tunnel. */
  reply?: number;
  /** Answers requests for IPv6 addresses so. */
  replyToIPv6?: number;
}

/** Reads so many bytes of a handshake. */
async function take(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(length);
    if (bytes !== null) return bytes;
    // Forgotten when the client has gone.
    await once(socket, 'readable');
  }
}

async function takeText(socket: Socket): Promise<string> {
  let text = '';
  for (let byte = await take(socket, 1); byte[0] !== 0; byte = await take(socket, 1)) text += byte.toString();
  return text;
}

async function login(socket: Socket, { login: wanted }: SocksBehavior): Promise<string | undefined | false> {
  const methods = await take(socket, (await take(socket, 1))[0]!);
  const method = wanted === undefined ? 0 : 2;
  if (!methods.includes(method)) {
    socket.end(Buffer.from([5, 255]));
    return false;
  }
  socket.write(Buffer.from([5, method]));
  if (wanted === undefined) return undefined;
  await take(socket, 1);
  const user = (await take(socket, (await take(socket, 1))[0]!)).toString();
  const password = (await take(socket, (await take(socket, 1))[0]!)).toString();
  const isRight = user === wanted.user && password === wanted.password;
  socket.write(Buffer.from([1, isRight ? 0 : 1]));
  if (isRight) return user;
  socket.end();
  return false;
}

async function serve5(socket: Socket, behavior: SocksBehavior, seen: SocksServer['seen']): Promise<void> {
  const user = await login(socket, behavior);
  if (user === false) return;
  const [, , , type] = await take(socket, 4);
  let host: string;
  if (type === 1) host = [...(await take(socket, 4))].join('.');
  else if (type === 4) {
    host = `[${(await take(socket, 16)).toString('hex')}]`;
  } else host = (await take(socket, (await take(socket, 1))[0]!)).toString();
  const port = (await take(socket, 2)).readUInt16BE();
  seen.push({ version: 5, target: `${host}:${port}`, ...(user === undefined ? {} : { user }) });
  const code = (type === 4 ? behavior.replyToIPv6 : undefined) ?? behavior.reply ?? 0;
  if (code !== 0) {
    socket.end(Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
    return;
  }
  relay(socket, behavior.port, Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 80]));
}

async function serve4(socket: Socket, behavior: SocksBehavior, seen: SocksServer['seen']): Promise<void> {
  const request = await take(socket, 7);
  const user = await takeText(socket);
  const address = request.subarray(3);
  const isNamed = address.readUInt32BE() < 256;
  const host = isNamed ? await takeText(socket) : [...address].join('.');
  seen.push({ version: 4, target: `${host}:${request.readUInt16BE(1)}`, user });
  if (behavior.reply !== undefined) {
    socket.end(Buffer.from([0, behavior.reply, 0, 0, 0, 0, 0, 0]));
    return;
  }
  relay(socket, behavior.port, Buffer.from([0, 90, 0, 0, 0, 0, 0, 0]));
}

function relay(socket: Socket, port: number, welcome: Buffer): void {
  const upstream = connect(port, '127.0.0.1', () => {
    socket.write(welcome);
    socket.pipe(upstream).pipe(socket);
  });
  upstream.on('error', () => socket.destroy());
  socket.on('close', () => upstream.destroy());
}

/** Starts a SOCKS proxy. */
export async function startSocks(behavior: SocksBehavior): Promise<SocksServer> {
  const seen: SocksServer['seen'] = [];
  const server = createServer(async (socket) => {
    try {
      const [version] = await take(socket, 1);
      await (version === 5 ? serve5 : serve4)(socket, behavior, seen);
    } catch {
      socket.destroy();
    }
  });
  const port = await listen(server);
  return { port, seen, [Symbol.asyncDispose]: () => close(server) };
}
