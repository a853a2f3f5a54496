import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { join } from 'node:path';

/** An HTTPS server that does nothing but answer 1.4 KiB: what this machine and this client allow at most. */
const pki = process.argv[2] ?? '';
const body = Buffer.alloc(1400, 97);
const server = createSecureServer(
  {
    cert: readFileSync(join(pki, 'server.crt')),
    key: readFileSync(join(pki, 'server.key')),
    allowHTTP1: true,
  },
  (request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': body.length });
      response.end(body);
    });
  },
);
server.listen(0, '127.0.0.1', () => {
  console.log((server.address() as { port: number }).port);
});
