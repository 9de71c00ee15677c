import { expect, it } from 'vitest';
import { startMockServer } from '../../../src/index.js';
import { BrowserPage, chromium } from '../../support/browser.js';
import { startWebServer } from '../../support/web-server.js';

/** The client of the API's document, section "Example Implementation", with the parts that it leaves open. */
const page = (api: string) => `<!doctype html><script>
const seen = [];
class OPMASWebSocket {
  constructor(endpoint, token) {
    this.endpoint = endpoint;
    this.token = token;
    this.ws = null;
    this.reconnectAttempts = 0;
    this.maxReconnectAttempts = 5;
    this.reconnectDelay = 1000;
  }
  connect() {
    this.ws = new WebSocket(\`\${this.endpoint}?token=\${this.token}\`);
    this.ws.onopen = () => {
      seen.push('open');
      this.reconnectAttempts = 0;
      this.setupHeartbeat();
    };
    this.ws.onmessage = (event) => {
      const data = JSON.parse(event.data);
      this.handleMessage(data);
    };
    this.ws.onclose = (event) => {
      this.handleClose(event);
    };
  }
  setupHeartbeat() {
    this.heartbeatInterval = setInterval(() => {
      if (this.ws.readyState === WebSocket.OPEN) this.ws.send(JSON.stringify({ type: 'ping' }));
    }, 30000);
  }
  handleMessage(data) {
    if (seen.at(-1) !== data.type.split('.')[0]) seen.push(data.type.split('.')[0]);
  }
  handleClose(event) {
    clearInterval(this.heartbeatInterval);
    seen.push(event.code);
    if (event.code === 4001) {
      this.refreshToken().then(() => {
        this.connect();
      });
    } else if (this.reconnectAttempts < this.maxReconnectAttempts) {
      this.reconnectAttempts++;
      setTimeout(() => this.connect(), this.reconnectDelay * this.reconnectAttempts);
    }
  }
  async refreshToken() {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ refresh_token: this.refresh });
    const answer = await fetch('${api}/api/v1/auth/refresh', { method: 'POST', headers, body });
    this.token = (await answer.json()).access_token;
  }
}
async function start() {
  const body = new URLSearchParams({ username: 'operator', password: 'secret' });
  const answer = await fetch('${api}/api/v1/auth/login', { method: 'POST', body });
  const { access_token, refresh_token } = await answer.json();
  seen.push('login');
  const client = new OPMASWebSocket('${api.replace('http', 'ws')}/api/v1/ws/devices', access_token);
  client.refresh = refresh_token;
  client.connect();
}
start().catch((error) => seen.push(String(error)));
</script>`;

it.skipIf(chromium === undefined)(
  "the sample of the API's document, in a page on another port, logs in, meets 4001, refreshes and reconnects " +
    '(skipped where there is no Chromium)',
  async () => {
    await using mock = Object.assign(await startMockServer({ rate: 20, tokenLifeMs: 3000 }), {
      async [Symbol.asyncDispose]() {
        await mock.close();
      },
    });
    const api = mock.url.replace('ws', 'http');
    await using site = await startWebServer((_, response) => {
      response.setHeader('content-type', 'text/html').end(page(api));
    });
    await using browser = await BrowserPage.open();
    await browser.go(site.url.href);
    const expected = ['login', 'open', 'device', 4001, 'open', 'device'];
    await expect
      .poll(async () => (await browser.evaluate<unknown[]>('seen')).slice(0, expected.length), {
        timeout: 15_000,
      })
      .toEqual(expected);
  },
);
