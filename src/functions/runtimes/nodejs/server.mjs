// The program of an instance: it loads a function, and answers calls of it. It runs beside code of users, in a
// sandbox that belongs to that code: nothing here is secret from it, and nothing here is believed by the outside.
import { AsyncLocalStorage } from 'node:async_hooks';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const ROOT = process.env.FUNCTION_ROOT ?? '/function/src';
const MAX_BODY = 64 * 1024 * 1024;
const MAX_OUTPUT = 16 * 1024 * 1024;
const MAX_LOG_BYTES = 1024 * 1024;
const EXTENSIONS = ['', '.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '/index.js', '/index.mjs', '/index.ts'];

const runs = new AsyncLocalStorage();
let handler;
let takesEvents = process.env.CLOUD_EVENTS === '1';
let calls = 0;
let spoilt = false;

/** What the function prints belongs to the call that prints it, and goes out at once with the name of that call. */
function capture(name) {
  const stream = process[name];
  const write = stream.write.bind(stream);
  stream.write = (chunk, encoding, done) => {
    const run = runs.getStore();
    if (run === undefined) return write(chunk, encoding, done);
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    run.take(name, text, write);
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback) process.nextTick(callback);
    return true;
  };
  return write;
}
const print = { stdout: capture('stdout'), stderr: capture('stderr') };

class Run {
  constructor(id) {
    this.id = id;
    this.logs = { stdout: [], stderr: [] };
    this.open = { stdout: '', stderr: '' };
    this.bytes = 0;
    this.failed = undefined;
  }

  take(name, text) {
    const lines = (this.open[name] + text).split('\n');
    this.open[name] = lines.pop();
    for (const line of lines) this.line(name, line);
  }

  line(name, line) {
    print[name](`\x1e${this.id}\x1f${line}\n`);
    this.bytes += line.length + 1;
    if (this.bytes <= MAX_LOG_BYTES) this.logs[name].push(line);
  }

  end() {
    for (const name of ['stdout', 'stderr']) {
      if (this.open[name] !== '') this.line(name, this.open[name]);
      this.open[name] = '';
    }
    const { stdout, stderr } = this.logs;
    return stdout.length + stderr.length === 0 ? null : this.logs;
  }
}

function describe(error) {
  if (!(error instanceof Error)) {
    const message = typeof error === 'string' ? error : format('%o', error);
    return { type: 'FunctionError', message, stacktrace: [] };
  }
  const stack = (error.stack ?? '').split('\n').slice(1);
  const own = stack.findIndex((line) => line.includes(import.meta.url));
  return {
    type: error.name === 'InputError' ? 'InputError' : 'FunctionError',
    message: `${error.name}: ${error.message}`,
    stacktrace: (own < 0 ? stack : stack.slice(0, own)).map((line) => line.trim()),
  };
}

function fileOf(name) {
  const path = resolve(ROOT, name);
  if (path !== ROOT && !path.startsWith(`${ROOT}/`))
    throw new Error(`The handler ${name} is outside of the source.`);
  for (const extension of EXTENSIONS) {
    const found = statSync(path + extension, { throwIfNoEntry: false });
    if (found?.isFile()) return path + extension;
  }
  throw new Error(`The source has no file ${name}: give --handler one that it has.`);
}

function defaultFile() {
  const files = readdirSync(ROOT).filter((name) => /\.[mc]?[jt]s$/.test(name));
  if (files.length === 1) return files[0];
  const usual = files.find((name) => /^(?:index|handler|main)\.[mc]?[jt]s$/.test(name));
  if (usual === undefined)
    throw new Error('The source has several files: say which one with --handler ./file.js.');
  return usual;
}

/** "./file.js", or "./file.js::name" and "file.name" for one of several. */
async function load(name) {
  const [fileName, exported] = (name || defaultFile()).split('::');
  let path;
  let member = exported;
  try {
    path = fileOf(fileName);
  } catch (error) {
    const dot = fileName.lastIndexOf('.');
    if (dot <= 0) throw error;
    try {
      path = fileOf(fileName.slice(0, dot));
    } catch {
      throw error;
    }
    member = fileName.slice(dot + 1);
  }
  process.chdir(ROOT);
  globalThis.require ??= createRequire(join(ROOT, 'index.js'));
  const loaded = await import(pathToFileURL(path));
  const found =
    member === undefined
      ? [
          loaded.default,
          loaded.default?.default,
          loaded.handle,
          loaded.handler,
          loaded.default?.handle,
          loaded.default?.handler,
        ]
      : [loaded[member], loaded.default?.[member]];
  const value = found.find((item) => typeof item === 'function');
  if (value === undefined)
    throw new Error(
      `${fileName} exports no function${member === undefined ? '' : ` ${member}`}: write "module.exports = (context, payload) => …".`,
    );
  return value;
}

function place(files) {
  for (const { path, mode, data } of files) {
    const target = resolve(ROOT, path);
    if (!target.startsWith(`${ROOT}/`)) throw new Error(`The file ${path} is outside of the source.`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, Buffer.from(data, 'base64'), { mode: mode ?? 0o644 });
  }
}

const LEVELS = ['debug', 'info', 'warn', 'error'];

/** Where nobody gives them with a call, Secrets that are mounted: a directory for each, a file for each key. */
function mounted(place) {
  if (place === undefined) return {};
  const names = readdirSync(place).filter((name) => !name.startsWith('.'));
  return Object.fromEntries(names.sort().map((name) => [name, keysOf(join(place, name))]));
}

function keysOf(dir) {
  const keys = readdirSync(dir).filter((key) => !key.startsWith('..'));
  return Object.fromEntries(keys.map((key) => [key, readFileSync(join(dir, key), 'utf8')]));
}

/** What is printed finds its call by itself. */
const LOGGER = Object.fromEntries(
  LEVELS.map((level) => [
    level,
    (...words) =>
      void process[level === 'error' || level === 'warn' ? 'stderr' : 'stdout'].write(
        `${level.toUpperCase()} ${format(...words)}\n`,
      ),
  ]),
);

function contextOf(context) {
  const logger = { ...LOGGER };
  return {
    ...context,
    secrets: context.secrets ?? Object.assign({}, ...Object.values(mounted(process.env.SECRETS_DIR))),
    serviceBindings: context.serviceBindings ?? mounted(process.env.SERVICES_DIR),
    logger,
    log: logger,
  };
}

/** For handlers of events: the event that the call is about, or one that stands for the call. */
function eventOf(id, { event = {} }, data) {
  const own = Object.entries(event).filter(([name]) => /^[a-z0-9]+$/.test(name));
  return {
    specversion: '1.0',
    id,
    source: 'dispatch',
    type: 'dispatch.call',
    ...Object.fromEntries(own),
    data,
  };
}

const FEW_DESCRIPTORS = 512;

/** Looked at now and then: a function that leaves files and sockets open is replaced before it has none left. */
function leaks() {
  calls += 1;
  if (calls % 32 !== 0) return false;
  try {
    return readdirSync('/proc/self/fd').length > FEW_DESCRIPTORS;
  } catch {
    return true;
  }
}

async function call(id, { context = {}, payload = null }) {
  const run = new Run(id);
  let output;
  let error = null;
  try {
    const value = await runs.run(run, () =>
      Promise.race([
        takesEvents
          ? handler(eventOf(id, context, payload), contextOf(context))
          : handler(contextOf(context), payload),
        new Promise((_, reject) => {
          run.fail = reject;
        }),
      ]),
    );
    output = encode(value);
  } catch (thrown) {
    error = describe(thrown);
  }
  return { error, logs: run.end(), output: output ?? 'null' };
}

function encode(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    throw new Error(`The output cannot be written as JSON: ${error.message}`);
  }
  if (text === undefined) throw new Error(`The output cannot be written as JSON: it is a ${typeof value}.`);
  if (text.length > MAX_OUTPUT)
    throw new Error(`The output has ${text.length} bytes: ${MAX_OUTPUT} are allowed.`);
  return text;
}

// An error in a callback that nobody waits for belongs to the call whose callback it is. What state the process is
// in after that nobody knows: it answers what it has, and is replaced.
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => {
    spoilt = true;
    const run = runs.getStore();
    if (run?.fail !== undefined) run.fail(error);
    else print.stderr(`${error?.stack ?? error}\n`);
  });

function read(request) {
  return new Promise((done, failed) => {
    const chunks = [];
    let size = 0;
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size > MAX_BODY) failed(new Error('The request is too large.'));
      else chunks.push(chunk);
    });
    request.on('end', () => done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', failed);
  });
}

function reply(response, status, body, headers = {}) {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

async function answer(request, response) {
  if (request.method === 'GET') return reply(response, 200, '{}');
  const body = JSON.parse((await read(request)).toString() || '{}');
  if (request.method === 'PUT') {
    try {
      place(body.files ?? []);
      Object.assign(process.env, body.env ?? {});
      handler = await load(body.handler);
      takesEvents = body.cloudEvents === true;
      return reply(response, 200, '{}');
    } catch (error) {
      return reply(response, 422, JSON.stringify(describe(error)));
    }
  }
  if (handler === undefined) return reply(response, 503, '{"message":"There is no function yet."}');
  const { error, logs, output } = await call(request.headers['x-dispatch-run'] ?? '', body);
  const retire = spoilt || leaks() ? { 'x-dispatch-retire': '1' } : {};
  if (request.headers['x-dispatch-raw'] === undefined)
    return reply(
      response,
      200,
      `{"context":${JSON.stringify({ error, logs: logs ?? { stdout: [], stderr: [] } })},"payload":${output}}`,
      retire,
    );
  const head = error === null && logs === null ? '' : JSON.stringify({ error, logs });
  return reply(response, 200, head + output, { ...retire, 'x-dispatch-context': Buffer.byteLength(head) });
}

const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, response) => {
  answer(request, response).catch((error) => {
    if (!response.headersSent) reply(response, 400, JSON.stringify({ message: String(error.message) }));
    else response.destroy();
  });
});
process.on('SIGTERM', () => server.close(() => process.exit(0)));

mkdirSync(ROOT, { recursive: true });
if (process.env.HANDLER !== undefined) handler = await load(process.env.HANDLER);
const { DISPATCH_SOCKET: socket, PORT: port = '8080' } = process.env;
server.listen(socket === undefined ? Number(port) : socket, () => {
  // Whoever calls is somebody else out there; only those get as far as the socket who may.
  if (socket !== undefined) chmodSync(socket, 0o777);
  print.stdout('\x1eready\n');
});
