# The program of an instance: it loads a function, and answers calls of it. It runs beside code of users, in a
# sandbox that belongs to that code: nothing here is secret from it, and nothing here is believed by the outside.
import base64
import importlib
import importlib.util
import io
import json
import os
import signal
import socket
import sys
import threading
import traceback

ROOT = os.environ.get("FUNCTION_ROOT", "/function/src")
MAX_OUTPUT = 16 * 1024 * 1024
MAX_LOG_BYTES = 1024 * 1024

local = threading.local()
handler = None
takes_events = os.environ.get("CLOUD_EVENTS") == "1"
calls = 0
printing = threading.Lock()


class InputError(Exception):
    """Raised by handlers that are given what they cannot work with."""


class Run:
    def __init__(self, name):
        self.name = name
        self.logs = {"stdout": [], "stderr": []}
        self.open = {"stdout": "", "stderr": ""}
        self.bytes = 0

    def take(self, name, text):
        lines = (self.open[name] + text).split("\n")
        self.open[name] = lines.pop()
        for line in lines:
            self.line(name, line)

    def line(self, name, line):
        put(name, "\x1e%s\x1f%s\n" % (self.name, line))
        self.bytes += len(line) + 1
        if self.bytes <= MAX_LOG_BYTES:
            self.logs[name].append(line)

    def end(self):
        for name in ("stdout", "stderr"):
            if self.open[name]:
                self.line(name, self.open[name])
            self.open[name] = ""
        return self.logs if self.logs["stdout"] or self.logs["stderr"] else None


def put(name, text):
    with printing:
        os.write(1 if name == "stdout" else 2, text.encode("utf-8", "replace"))


class Stream(io.TextIOBase):
    """What a function prints belongs to the call that prints it."""

    def __init__(self, name):
        self.stream = name

    def writable(self):
        return True

    def write(self, text):
        run = getattr(local, "run", None)
        if run is None:
            put(self.stream, text)
        else:
            run.take(self.stream, text)
        return len(text)

    def flush(self):
        pass

    def fileno(self):
        return 1 if self.stream == "stdout" else 2

    @property
    def encoding(self):
        return "utf-8"


def mounted(place):
    """Where nobody gives them with a call, Secrets that are mounted: a directory for each, a file for each key."""
    names = sorted(name for name in os.listdir(place) if not name.startswith(".")) if place else []
    return {name: keys_of(os.path.join(place, name)) for name in names}


def keys_of(directory):
    keys = {}
    for key in os.listdir(directory):
        if not key.startswith(".."):
            with open(os.path.join(directory, key), encoding="utf-8") as file:
                keys[key] = file.read()
    return keys


class Context(dict):
    """A dictionary whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


class Logger:
    def debug(self, text, *words):
        print("DEBUG", text % words if words else text)

    def info(self, text, *words):
        print("INFO", text % words if words else text)

    def warning(self, text, *words):
        print("WARN", text % words if words else text, file=sys.stderr)

    warn = warning

    def error(self, text, *words):
        print("ERROR", text % words if words else text, file=sys.stderr)


def describe(error):
    frames = traceback.extract_tb(error.__traceback__)
    own = os.path.abspath(__file__)
    lines = [
        'File "%s", line %s, in %s' % (frame.filename, frame.lineno, frame.name)
        for frame in frames
        if os.path.abspath(frame.filename) != own and "importlib" not in frame.filename
    ]
    kind = "InputError" if type(error).__name__ == "InputError" else "FunctionError"
    text = str(error)
    if isinstance(error, SyntaxError):
        text = "%s (%s, line %s)" % (error.msg, os.path.basename(error.filename or ""), error.lineno)
    return {"type": kind, "message": "%s: %s" % (type(error).__name__, text), "stacktrace": lines}


def load(name):
    os.makedirs(ROOT, exist_ok=True)
    os.chdir(ROOT)
    for path in (ROOT, "/function/lib"):
        if path not in sys.path:
            sys.path.insert(0, path)
    if not name:
        files = [item[:-3] for item in os.listdir(ROOT) if item.endswith(".py")]
        usual = [item for item in files if item in ("handler", "main", "function")]
        if len(files) != 1 and not usual:
            raise Exception("The source has several files: say which one with --handler module.function.")
        name = (files[0] if len(files) == 1 else usual[0]) + ".handle"
    module, _, member = name.rpartition(".")
    if member == "py":
        module, member = module, "handle"
    if not module:
        module, member = member, "handle"
    # A file may have a name that no module has, like "hello-world.py".
    path = os.path.join(ROOT, *module.split(".")) + ".py"
    if os.path.exists(path) and not module.replace(".", "_").isidentifier():
        spec = importlib.util.spec_from_file_location("function_source", path)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    else:
        importlib.invalidate_caches()
        loaded = importlib.import_module(module)
    found = getattr(loaded, member, None)
    if not callable(found):
        raise Exception("%s has no function %s: write \"def %s(ctx, payload)\"." % (module, member, member))
    return found


def place(files):
    for item in files:
        target = os.path.normpath(os.path.join(ROOT, item["path"]))
        if not target.startswith(ROOT + "/"):
            raise Exception("The file %s is outside of the source." % item["path"])
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(base64.b64decode(item["data"]))
        os.chmod(target, item.get("mode", 0o644))


def event_of(name, context, data):
    event = {"specversion": "1.0", "id": name, "source": "dispatch", "type": "dispatch.call"}
    event.update((key, value) for key, value in (context.get("event") or {}).items() if key.islower())
    event["data"] = data
    return Context(event)


def leaks():
    """Looked at now and then: what leaves files and sockets open is replaced before it has none left."""
    global calls
    calls += 1
    try:
        return calls % 32 == 0 and len(os.listdir("/proc/self/fd")) > 512
    except OSError:
        return True


def call(name, body):
    run = Run(name)
    local.run = run
    error, output = None, "null"
    try:
        context = Context(body.get("context") or {})
        if "secrets" not in context:
            secrets = mounted(os.environ.get("SECRETS_DIR")).values()
            context["secrets"] = {key: value for keys in secrets for key, value in keys.items()}
        if "serviceBindings" not in context:
            context["serviceBindings"] = mounted(os.environ.get("SERVICES_DIR"))
        context["logger"] = Logger()
        if takes_events:
            value = handler(event_of(name, context, body.get("payload")), context)
        else:
            value = handler(context, body.get("payload"))
        try:
            output = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        except (TypeError, ValueError) as problem:
            raise TypeError("the output cannot be written as JSON: %s" % problem) from None
        if len(output) > MAX_OUTPUT:
            raise ValueError("the output has %d bytes: %d are allowed" % (len(output), MAX_OUTPUT))
    except SystemExit as stop:
        # As a program of its own it would be gone; so it is here.
        run.end()
        code = stop.code if isinstance(stop.code, int) else (0 if stop.code is None else 1)
        os._exit(code)
    except BaseException as thrown:
        error, output = describe(thrown), "null"
    finally:
        logs = run.end()
        local.run = None
    return error, logs, output


def answer(method, headers, body):
    global handler, takes_events
    if method == "GET":
        return 200, {}, b"{}"
    document = json.loads(body or b"{}")
    if method == "PUT":
        try:
            place(document.get("files") or [])
            os.environ.update(document.get("env") or {})
            handler = load(document.get("handler"))
            takes_events = document.get("cloudEvents") is True
            return 200, {}, b"{}"
        except BaseException as error:
            return 422, {}, json.dumps(describe(error)).encode()
    if handler is None:
        return 503, {}, b'{"message":"There is no function yet."}'
    error, logs, output = call(headers.get("x-dispatch-run", ""), document)
    if "x-dispatch-raw" not in headers:
        context = json.dumps({"error": error, "logs": logs or {"stdout": [], "stderr": []}})
        return 200, {}, ('{"context":%s,"payload":%s}' % (context, output)).encode()
    head = b"" if error is None and logs is None else json.dumps({"error": error, "logs": logs}).encode()
    extra = {"x-dispatch-context": str(len(head))}
    if leaks():
        extra["x-dispatch-retire"] = "1"
    return 200, extra, head + output.encode()


def serve(connection):
    reader = connection.makefile("rb", buffering=65536)
    try:
        while True:
            line = reader.readline(65536)
            if not line:
                return
            method = line.split(b" ", 1)[0].decode("latin-1")
            headers = {}
            while True:
                line = reader.readline(65536)
                if line in (b"\r\n", b"\n", b""):
                    break
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", "0")))
            try:
                status, extra, content = answer(method, headers, body)
            except Exception as error:
                status, extra, content = 400, {}, json.dumps({"message": str(error)}).encode()
            head = "HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (status, len(content))
            head += "".join("%s: %s\r\n" % item for item in extra.items())
            connection.sendall(head.encode("latin-1") + b"\r\n" + content)
    except OSError:
        pass
    finally:
        connection.close()


def listen():
    path = os.environ.get("DISPATCH_SOCKET")
    if path:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        # Whoever calls is somebody else out there; only those get as far as the socket who may.
        os.chmod(path, 0o777)
    else:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", int(os.environ.get("PORT", "8080"))))
    server.listen(512)
    return server


def main():
    global handler
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    sys.modules.setdefault("dispatch_function", sys.modules["__main__"])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.stack_size(512 * 1024)
    if "HANDLER" in os.environ:
        handler = load(os.environ["HANDLER"])
    server = listen()
    put("stdout", "\x1eready\n")
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
