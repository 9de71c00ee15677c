/** Publishes the lines of a file with the client of NATS alone, 256 at a time: node nats-client.mjs FILE HOST SUBJECT. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const IN_FLIGHT = 256;
const [file = '', servers = '', subject = ''] = process.argv.slice(2);
const nc = await connect({ servers });
const js = jetstream(nc);
let inFlight = 0;
let number = 0;
/** @type {() => void} */
let onRoom = () => undefined;
for await (const line of createInterface({ input: createReadStream(file) })) {
  if (inFlight === IN_FLIGHT) {
    await new Promise((resolve) => {
      onRoom = () => resolve(undefined);
    });
  }
  inFlight++;
  void js.publish(subject, line, { msgID: `${process.pid}-${number++}` }).then(() => {
    inFlight--;
    onRoom();
  });
}
while (inFlight > 0) {
  await new Promise((resolve) => {
    onRoom = () => resolve(undefined);
  });
}
await nc.close();
