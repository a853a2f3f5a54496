import { createServer } from 'node:http';
import { greeting } from './greeting.js';

createServer((request, response) =>
  response.end(`${greeting(new URL(request.url, 'http://localhost').searchParams.get('name'))}\n`),
).listen(8080);
