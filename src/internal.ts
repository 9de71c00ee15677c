/** Inner parts that the command line uses beside `index.ts`. They may change in any version. */
export { isLoopback } from './core/address.js';
export { type NextCommand, withServerChoice } from './core/failure/next-command.js';
export { keepsLine } from './core/filter/filter.js';
export { FrameReader } from './core/json/frame.js';
export { FAULT_EXAMPLES } from './core/mock/fault.js';
export { isEndpointName } from './core/protocol.js';
export { withoutLifecycleLines } from './core/recording/format.js';
export { LineView } from './core/recording/line-view.js';
export { editDistance, escapeUnsafeJson, escapeUnsafeOutput, relativeTime } from './core/text.js';
export { firstToMend } from './io/client/stream-control.js';
export { LARGEST_MESSAGE_LIMIT } from './io/client/stream-options.js';
export { apiFinding } from './io/diagnosis/checks.js';
export { type FileLock, tryLock } from './io/file-lock.js';
export { askApi } from './io/http/ask-api.js';
export { accountOf, parseCredentials, serializeCredentials } from './io/token/credentials.js';
export { exposure } from './io/token/secret-file.js';
export { cleanToken } from './io/token/token.js';
export { splitCommand } from './io/token/token-command.js';
