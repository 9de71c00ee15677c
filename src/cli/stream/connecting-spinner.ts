import type { ConnectionEvent, LifecycleEvent } from '../../index.js';
import { createLiveSpinner } from '../terminal/live-line.js';
import type { Messages } from '../terminal/terminal.js';

/** Turns while an endpoint has no connection; on a terminal only. */
export interface ConnectingSpinner {
  onLifecycle(event: LifecycleEvent): void;
  stop(): void;
}

const silent: ConnectingSpinner = { onLifecycle: () => undefined, stop: () => undefined };

/** Whether there is an attempt under way, or one to come. */
function isOnTheWay(connection: ConnectionEvent): boolean {
  return (
    connection.state === 'connecting' || ('retry_in_ms' in connection && connection.retry_in_ms !== undefined)
  );
}

/** Off a terminal there is none. */
export async function createConnectingSpinner(messages: Messages): Promise<ConnectingSpinner> {
  if (!messages.canShowLive) return silent;
  const spinner = await createLiveSpinner(messages);
  const waiting = new Set<string>();
  return {
    onLifecycle({ endpoint, connection }) {
      if (connection.state === 'open') waiting.delete(endpoint);
      else if (isOnTheWay(connection)) waiting.add(endpoint);
      else waiting.delete(endpoint);
      if (waiting.size === 0) spinner.stop();
      else spinner.start(`connecting: ${[...waiting].join(', ')}`);
    },
    stop: () => spinner.stop(),
  };
}
