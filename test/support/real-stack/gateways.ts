/** Gateways in front of the API: what stands in the `server` block of each. `{usual}` is the port of that version. */
const upgrade = `proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection "upgrade";
  proxy_set_header Host $http_host;`;
const all = (version: string) => `location / { proxy_pass http://127.0.0.1:{${version}}; ${upgrade} }`;
const streams = (version = 'usual') =>
  `location /api/v1/ws/ { proxy_pass http://127.0.0.1:{${version}}; ${upgrade} }`;
const basic = 'auth_basic "operators only"; auth_basic_user_file no-users;';
/** The header of a `return` stands on error answers only with `always`. */
const header = (name: string, value: string) => `add_header ${name} "${value}" always;`;
const html = 'default_type text/html;';
const json = 'default_type application/json;';

/** User and password that a gateway lets in, and the header that another one lets in. */
export const OPERATOR = 'operator:open-sesame-of-the-gateway';
const gateKey = 'key-of-the-gate-that-nobody-sees';
export const GATE_HEADER = `X-Gate-Key: ${gateKey}`;

export const gateways = {
  /** Passes all on, as it should. */
  plain: all('usual'),
  /** The API's versions, each behind a plain gateway. */
  'plain, accepts first': all('accepts first'),
  'plain, with rights': all('with rights'),
  /** A firewall: nginx's own page with 403. */
  'denies all': 'deny all; location / { }',
  'denies all with a page of its own': `${header('CF-RAY', '8f1-VIE')} ${html} location / { return 403 "<h1>Access denied</h1><p>Ray 8f1</p>"; }`,
  'denies all in JSON': `${json} location / { return 403 '{"message":"Forbidden"}'; }`,
  'denies all as text': `default_type text/plain; location / { return 403 "RBAC: access denied"; }`,
  'denies all with 401 HTML': `${html} location / { return 401 "<h1>VPN login</h1>"; }`,
  'denies streams only': `location /api/v1/ws/ { deny all; } ${all('usual')}`,
  'denies by country': `${html} location / { return 451 "<h1>Not available in your country</h1>"; }`,
  'wants Basic': `${basic} ${all('usual')}`,
  'wants Basic for streams only': `location /api/v1/ws/ { ${basic} proxy_pass http://127.0.0.1:{usual}; } ${all('usual')}`,
  'wants Basic for all but streams': `${streams()} location / { ${basic} }`,
  /** Let in who has the password of {@link OPERATOR}, or the header {@link GATE_HEADER}. */
  'lets an operator in': `auth_basic "operators only"; auth_basic_user_file users; ${all('usual')}`,
  'lets a header in': `if ($http_x_gate_key != "${gateKey}") { return 403; } ${all('usual')}`,
  'lets a header in, else shows a login page': `if ($http_x_gate_key != "${gateKey}") {
    return 302 https://sso.example.org/login?from=$request_uri; } ${all('usual')}`,
  /** Passes the token of the header on in the query; refuses it in the query. */
  'takes the token in the header': `access_log access.log; ${all('usual')} location /api/v1/ws/ {
    if ($arg_token) { return 403; }
    set $bearer ""; if ($http_authorization ~ "^Bearer (.+)$") { set $bearer $1; }
    proxy_pass http://127.0.0.1:{usual}$uri?token=$bearer; ${upgrade} }`,
  'wants Negotiate': `${header('WWW-Authenticate', 'Negotiate')} location / { return 401; }`,
  /** Only the streams reach the API; all else is the page of a single-page application. */
  'page for the rest': `${streams()} location / { ${html} return 200 "<!doctype html><div id=app></div>"; }`,
  'page for all': `location / { ${html} return 200 "<!doctype html><div id=app></div>"; }`,
  '200 for the rest': `${streams()} location / { return 200; }`,
  '204 for the rest': `${streams()} location / { return 204; }`,
  'JSON that is no user for the rest': `${streams()} location / { ${json} return 200 '{"status":"ok"}'; }`,
  'JSON list for the rest': `${streams()} location / { ${json} return 200 '[]'; }`,
  'user in HTML for the rest': `${streams()} location / { ${html} return 200 '{"username":"admin"}'; }`,
  '404 for the rest': `${streams()} location / { return 404; }`,
  'redirects the rest': `${streams()} location / { return 302 https://sso.example.org/login?from=$request_uri; }`,
  'page for the rest, accepts first': `${streams('accepts first')} location / { ${html} return 200 "<p>app</p>"; }`,
  'drops Upgrade': 'location / { proxy_pass http://127.0.0.1:{usual}; }',
  /** The API is below /opmas. */
  'other prefix': `location /opmas/ { proxy_pass http://127.0.0.1:{usual}/; ${upgrade} }`,
  /** The published container for the UI: its pages, and the API below /api. */
  "OPMAS's UI": `root .; error_page 404 /index.html; location / { ${html} return 200 "<!doctype html><div id=root>"; }
    location /api/ { proxy_pass http://127.0.0.1:{usual}/; ${upgrade} }`,
  'moved with 307': 'location / { return 307 https://opmas.example.org:8443$request_uri; }',
  'moved with 301': 'location / { return 301 https://opmas.example.org$request_uri; }',
  'login page of a single sign-on':
    'location / { return 302 https://sso.example.org/login?from=$request_uri; }',
  'upstream is down': 'location / { proxy_pass http://127.0.0.1:1; }',
  maintenance: `${html} ${header('Retry-After', '1')} location / { return 503 "<h1>Back soon</h1>"; }`,
  'streams are down': `location /api/v1/ws/ { proxy_pass http://127.0.0.1:1; } ${all('usual')}`,
  'rate limit': `${header('Retry-After', '1')} location / { return 429; }`,
  'wrong host': `default_type text/plain; location / { return 400 "Invalid host header"; }`,
  /** Text that must not reach a terminal as it is. */
  'escape sequences': `default_type text/plain; location / { return 403 "no\x1b[31m entry"; }`,
  'long refusal': `default_type text/plain; location / { return 403 "blocked ${'no'.repeat(400)}"; }`,
  'repeats the token': `default_type text/plain; location / { return 403 "blocked $arg_token$http_authorization"; }`,
  'mock under another name': `location / { proxy_pass http://127.0.0.1:{mock}; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    proxy_set_header Host opmas.example.org; }`,
} as const;

export type Gateway = keyof typeof gateways;

/** The configuration of one nginx that plays all gateways. Every path is below the prefix folder. */
export function nginxConfiguration(
  listen: Record<Gateway, number>,
  upstreams: Record<string, number>,
): string {
  const servers = Object.entries(gateways).map(([name, block]) => {
    const filled = block.replace(/\{([a-z][\w ]*)\}/gi, (_, version: string) => `${upstreams[version] ?? 1}`);
    return `server { listen 127.0.0.1:${listen[name as Gateway]} reuseport; ${filled} }`;
  });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path temp;`).join(' ')}
  ${servers.join('\n  ')}
}
`;
}
