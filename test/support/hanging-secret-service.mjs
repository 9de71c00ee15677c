// A program that owns the name of the Secret Service on the session bus and never answers a call.
import { connect } from 'node:net';

const [, kind, path] = /unix:(path|abstract)=([^,;]+)/.exec(process.env.DBUS_SESSION_BUS_ADDRESS ?? '') ?? [];
const bus = connect(kind === 'abstract' ? `\0${path}` : `${path}`);

/** @param {Buffer} bytes @param {number} to */
const pad = (bytes, to) => Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);
/** @param {number} value */
const uint32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
/** @param {string} value */
const text = (value) => Buffer.concat([uint32(value.length), Buffer.from(`${value}\0`)]);

/**
 * A method call to the bus itself (D-Bus specification, "Message Format").
 *
 * @param {number} serial @param {string} member
 */
function call(serial, member, signature = '', body = Buffer.alloc(0)) {
  let fields = Buffer.alloc(0);
  /** @param {number} code @param {string} type @param {Buffer} value */
  const field = (code, type, value) => {
    fields = Buffer.concat([pad(fields, 8), Buffer.from([code, type.length]), Buffer.from(`${type}\0`)]);
    fields = Buffer.concat([type === 'g' ? fields : pad(fields, 4), value]);
  };
  field(1, 'o', text('/org/freedesktop/DBus'));
  field(2, 's', text('org.freedesktop.DBus'));
  field(3, 's', text(member));
  field(6, 's', text('org.freedesktop.DBus'));
  if (signature !== '') field(8, 'g', Buffer.from(`${String.fromCharCode(signature.length)}${signature}\0`));
  const head = Buffer.concat([
    Buffer.from('l\x01\x00\x01'),
    uint32(body.length),
    uint32(serial),
    uint32(fields.length),
  ]);
  return Buffer.concat([pad(Buffer.concat([head, fields]), 8), body]);
}

bus.write(`\0AUTH EXTERNAL ${Buffer.from(String(process.getuid?.())).toString('hex')}\r\n`);
bus.once('data', () => {
  bus.write('BEGIN\r\n');
  bus.write(call(1, 'Hello'));
  bus.write(
    call(2, 'RequestName', 'su', Buffer.concat([pad(text('org.freedesktop.secrets'), 4), uint32(0)])),
  );
  let received = '';
  bus.on('data', (chunk) => {
    received += chunk.toString('latin1');
    // The bus says so when the name is ours.
    if (received.includes('org.freedesktop.secrets')) process.stdout.write('owned\n');
  });
});
