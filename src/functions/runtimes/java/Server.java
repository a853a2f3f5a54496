// The program of an instance: it loads a function, and answers calls of it. It runs beside code of users, in a
// sandbox that belongs to that code: nothing here is secret from it, and nothing here is believed by the outside.
import java.io.*;
import java.lang.reflect.*;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.function.BiFunction;
import java.util.stream.*;
import javax.tools.*;

public final class Server {
  static final Path ROOT = Path.of(System.getenv().getOrDefault("FUNCTION_ROOT", "/function/src"));
  static final Path LIBRARIES = Path.of("/function/lib");
  static final int MAX_OUTPUT = 16 * 1024 * 1024;
  static final int MAX_LOG_CHARS = 1024 * 1024;
  static final PrintStream OUT = System.out;
  static final PrintStream ERR = System.err;
  static final ThreadLocal<Run> RUN = new InheritableThreadLocal<>();
  static volatile BiFunction<Object, Object, Object> handler;
  static volatile Type payloadType = Object.class;
  static volatile ClassLoader classLoader = Server.class.getClassLoader();
  static final String SPRING = "org.springframework.context.annotation.";

  /** What a call prints belongs to it, and goes out at once with its name. */
  static final class Run {
    final String id;
    final Map<String, List<String>> logs = Map.of("stdout", new ArrayList<>(), "stderr", new ArrayList<>());
    final Map<String, StringBuilder> open = Map.of("stdout", new StringBuilder(), "stderr", new StringBuilder());
    int chars;

    Run(String id) { this.id = id; }

    synchronized void take(String stream, String text) {
      StringBuilder rest = open.get(stream).append(text);
      for (int end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        line(stream, rest.substring(0, end));
        rest.delete(0, end + 1);
      }
    }

    void line(String stream, String line) {
      PrintStream to = stream.equals("stdout") ? OUT : ERR;
      synchronized (to) { to.print("\u001e" + id + "\u001f" + line + "\n"); to.flush(); }
      chars += line.length() + 1;
      if (chars <= MAX_LOG_CHARS) logs.get(stream).add(line);
    }

    synchronized Object end() {
      for (String stream : logs.keySet()) {
        if (open.get(stream).length() > 0) line(stream, open.get(stream).toString());
        open.get(stream).setLength(0);
      }
      return logs.get("stdout").isEmpty() && logs.get("stderr").isEmpty() ? null : logs;
    }
  }

  static PrintStream capturing(String stream, PrintStream original) {
    return new PrintStream(new OutputStream() {
      @Override public void write(int one) { write(new byte[] {(byte) one}, 0, 1); }
      @Override public void write(byte[] bytes, int from, int count) {
        Run run = RUN.get();
        if (run == null) original.write(bytes, from, count);
        else run.take(stream, new String(bytes, from, count, StandardCharsets.UTF_8));
      }
      @Override public void flush() { original.flush(); }
    }, true, StandardCharsets.UTF_8);
  }

  public static void main(String[] args) throws Exception {
    System.setOut(capturing("stdout", OUT));
    System.setErr(capturing("stderr", ERR));
    Files.createDirectories(ROOT);
    if (System.getenv("HANDLER") != null) load(System.getenv("HANDLER"));
    String socket = System.getenv("DISPATCH_SOCKET");
    ServerSocketChannel server;
    if (socket != null) {
      server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      server.bind(UnixDomainSocketAddress.of(socket), 512);
      // Whoever calls is somebody else out there; only those get as far as the socket who may.
      Files.setPosixFilePermissions(Path.of(socket), PosixFilePermissions.fromString("rwxrwxrwx"));
    } else {
      server = ServerSocketChannel.open();
      server.bind(new InetSocketAddress(Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"))), 512);
    }
    // The first compilation takes most of a second: it is done before anybody waits for it.
    if (System.getenv("HANDLER") == null) warmUp();
    OUT.print("\u001eready\n");
    OUT.flush();
    while (true) {
      SocketChannel connection = server.accept();
      Thread thread = new Thread(() -> serve(connection));
      thread.setDaemon(true);
      thread.start();
    }
  }

  /** Where nobody gives them with a call, Secrets that are mounted: a directory for each, a file for each key. */
  static Map<String, Map<String, Object>> mounted(String place) throws IOException {
    Map<String, Map<String, Object>> all = new TreeMap<>();
    if (place == null) return all;
    try (var names = Files.newDirectoryStream(Path.of(place), path -> !path.getFileName().toString().startsWith("."))) {
      for (Path name : names) all.put(name.getFileName().toString(), keysOf(name));
    }
    return all;
  }

  static Map<String, Object> keysOf(Path directory) throws IOException {
    Map<String, Object> keys = new LinkedHashMap<>();
    try (var files = Files.newDirectoryStream(directory, path -> !path.getFileName().toString().startsWith(".."))) {
      for (Path file : files) keys.put(file.getFileName().toString(), Files.readString(file));
    }
    return keys;
  }

  static void serve(SocketChannel connection) {
    try (connection;
        InputStream in = new BufferedInputStream(Channels.newInputStream(connection), 65536);
        OutputStream out = Channels.newOutputStream(connection)) {
      while (true) {
        String first = readLine(in);
        if (first == null) return;
        Map<String, String> headers = new HashMap<>();
        for (String line = readLine(in); line != null && !line.isEmpty(); line = readLine(in)) {
          int colon = line.indexOf(':');
          if (colon > 0) headers.put(line.substring(0, colon).trim().toLowerCase(), line.substring(colon + 1).trim());
        }
        byte[] body = in.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0")));
        Answer answer;
        try {
          answer = answer(first.split(" ", 2)[0], headers, body);
        } catch (Exception error) {
          answer = new Answer(400, Json.write(Map.of("message", String.valueOf(error.getMessage()))), Map.of());
        }
        byte[] bytes = answer.body.getBytes(StandardCharsets.UTF_8);
        StringBuilder head = new StringBuilder("HTTP/1.1 " + answer.status + " OK\r\ncontent-type: application/json\r\ncontent-length: " + bytes.length + "\r\n");
        answer.headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        whole.writeBytes(bytes);
        out.write(whole.toByteArray());
      }
    } catch (IOException error) {
      // The other end has gone.
    }
  }

  static String readLine(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int one = in.read(); ; one = in.read()) {
      if (one < 0) return line.size() == 0 ? null : line.toString(StandardCharsets.ISO_8859_1);
      if (one == '\n') {
        String text = line.toString(StandardCharsets.ISO_8859_1);
        return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
      }
      if (line.size() > 65536) throw new IOException("A header is too long.");
      line.write(one);
    }
  }

  record Answer(int status, String body, Map<String, String> headers) {}

  @SuppressWarnings("unchecked")
  static Answer answer(String method, Map<String, String> headers, byte[] body) {
    if (method.equals("GET")) return new Answer(200, "{}", Map.of());
    Object parsed = body.length == 0 ? Map.of() : Json.parse(new String(body, StandardCharsets.UTF_8));
    Map<String, Object> document = (Map<String, Object>) parsed;
    if (method.equals("PUT")) {
      try {
        place((List<Object>) document.getOrDefault("files", List.of()));
        load((String) document.get("handler"));
        return new Answer(200, "{}", Map.of());
      } catch (Throwable error) {
        return new Answer(422, Json.write(describe(error)), Map.of());
      }
    }
    if (handler == null) return new Answer(503, "{\"message\":\"There is no function yet.\"}", Map.of());
    Run run = new Run(headers.getOrDefault("x-dispatch-run", ""));
    Object error = null;
    String output = "null";
    RUN.set(run);
    Thread.currentThread().setContextClassLoader(classLoader);
    try {
      Map<String, Object> context = new LinkedHashMap<>((Map<String, Object>) document.getOrDefault("context", Map.of()));
      if (context.get("secrets") == null) {
        Map<String, Object> secrets = new LinkedHashMap<>();
        mounted(System.getenv("SECRETS_DIR")).values().forEach(secrets::putAll);
        context.put("secrets", secrets);
      }
      if (context.get("serviceBindings") == null) context.put("serviceBindings", mounted(System.getenv("SERVICES_DIR")));
      Object payload = Json.convert(document.get("payload"), payloadType);
      output = Json.write(handler.apply(context, payload));
      if (output.length() > MAX_OUTPUT)
        throw new IllegalStateException("The output has " + output.length() + " bytes: " + MAX_OUTPUT + " are allowed.");
    } catch (OutOfMemoryError out) {
      Runtime.getRuntime().halt(137);
    } catch (Throwable thrown) {
      error = describe(thrown);
      output = "null";
    } finally {
      RUN.remove();
    }
    Object logs = run.end();
    Map<String, Object> context = new LinkedHashMap<>();
    context.put("error", error);
    context.put("logs", logs);
    if (!headers.containsKey("x-dispatch-raw")) {
      if (logs == null) context.put("logs", run.logs);
      return new Answer(200, "{\"context\":" + Json.write(context) + ",\"payload\":" + output + "}", Map.of());
    }
    String head = error == null && logs == null ? "" : Json.write(context);
    int length = head.getBytes(StandardCharsets.UTF_8).length;
    return new Answer(200, head + output, Map.of("x-dispatch-context", String.valueOf(length)));
  }

  static Map<String, Object> describe(Throwable error) {
    Map<String, Object> result = new LinkedHashMap<>();
    boolean isInput = error.getClass().getSimpleName().equals("InputError");
    result.put("type", isInput ? "InputError" : "FunctionError");
    result.put("message", error instanceof LoadProblem || error instanceof InputError ? error.getMessage() : error.getClass().getName() + ": " + error.getMessage());
    result.put("stacktrace", error instanceof LoadProblem ? List.of() : Arrays.stream(error.getStackTrace())
        .takeWhile(frame -> !frame.getClassName().startsWith(Server.class.getName())).map(StackTraceElement::toString).toList());
    return result;
  }

  /** The caller is wrong, not the function. */
  static final class InputError extends IllegalArgumentException {
    InputError(String message) { super(message); }
  }

  static final class LoadProblem extends Exception {
    LoadProblem(String message) { super(message); }
  }

  @SuppressWarnings("unchecked")
  static void place(List<Object> files) throws Exception {
    for (Object item : files) {
      Map<String, Object> file = (Map<String, Object>) item;
      Path target = ROOT.resolve((String) file.get("path")).normalize();
      if (!target.startsWith(ROOT)) throw new LoadProblem("The file " + file.get("path") + " is outside of the source.");
      Files.createDirectories(target.getParent());
      Files.write(target, Base64.getDecoder().decode((String) file.get("data")));
    }
  }

  static void warmUp() {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    if (compiler == null) return;
    try {
      Path dir = Files.createTempDirectory("warm");
      Path file = Files.writeString(dir.resolve("Warm.java"), "class Warm { java.util.List<String> a = new java.util.ArrayList<>(); }");
      compiler.run(null, OutputStream.nullOutputStream(), OutputStream.nullOutputStream(), "-d", dir.toString(), file.toString());
    } catch (IOException error) {
      // It only takes longer then.
    }
  }

  /** Compiles the sources, and makes the handler: a class with a function of context and payload. */
  @SuppressWarnings("unchecked")
  static void load(String name) throws Exception {
    List<String> sources;
    try (Stream<Path> walk = Files.walk(ROOT)) {
      sources = walk.map(Path::toString).filter(path -> path.endsWith(".java")).sorted().toList();
    }
    List<URL> places = new ArrayList<>();
    Path classes = Files.createTempDirectory("classes");
    places.add(classes.toUri().toURL());
    places.add(ROOT.toUri().toURL());
    for (Path dir : List.of(ROOT, LIBRARIES)) {
      if (!Files.isDirectory(dir)) continue;
      try (Stream<Path> walk = Files.walk(dir)) {
        for (Path jar : walk.filter(path -> path.toString().endsWith(".jar")).sorted().toList()) places.add(jar.toUri().toURL());
      }
    }
    if (!sources.isEmpty()) compile(sources, classes, places);
    URLClassLoader loader = new URLClassLoader(places.toArray(new URL[0]), Server.class.getClassLoader());
    Class<?> type;
    if (name != null && !name.isEmpty()) {
      try {
        type = loader.loadClass(name);
      } catch (ClassNotFoundException error) {
        throw new LoadProblem("The source has no class " + name + ": give --handler one that it has, with its package.");
      }
    } else type = onlyHandler(classes, loader);
    // What a function uses may look for its classes by the thread that calls it.
    Thread.currentThread().setContextClassLoader(loader);
    classLoader = loader;
    if (isConfiguration(type)) {
      handler = fromSpring(type, loader);
      return;
    }
    if (!BiFunction.class.isAssignableFrom(type))
      throw new LoadProblem(type.getName() + " is no function: let it implement BiFunction<Map, T, R>.");
    Constructor<?> constructor = type.getDeclaredConstructor();
    constructor.setAccessible(true);
    payloadType = payloadOf(type);
    handler = (BiFunction<Object, Object, Object>) constructor.newInstance();
  }

  static boolean isConfiguration(Class<?> type) {
    return Arrays.stream(type.getAnnotations()).anyMatch(item -> item.annotationType().getName().equals(SPRING + "Configuration"));
  }

  /** The function among the beans of a configuration of Spring, which the source or the image brings along. */
  @SuppressWarnings("unchecked")
  static BiFunction<Object, Object, Object> fromSpring(Class<?> type, ClassLoader loader) throws Exception {
    Class<?> contextType = loader.loadClass(SPRING + "AnnotationConfigApplicationContext");
    Map<String, Object> beans;
    try {
      Object context = contextType.getConstructor(Class[].class).newInstance((Object) new Class<?>[] {type});
      beans = (Map<String, Object>) contextType.getMethod("getBeansOfType", Class.class).invoke(context, BiFunction.class);
    } catch (InvocationTargetException error) {
      throw new LoadProblem(type.getName() + ": " + error.getCause().getMessage());
    }
    if (beans.size() != 1)
      throw new LoadProblem(type.getName() + " has " + beans.size() + " beans that are a BiFunction<Map, T, R>: let it have one.");
    BiFunction<Object, Object, Object> bean = (BiFunction<Object, Object, Object>) beans.values().iterator().next();
    payloadType = payloadOf(bean.getClass());
    for (Method method : type.getDeclaredMethods())
      if (method.getGenericReturnType() instanceof ParameterizedType of && of.getRawType() == BiFunction.class) payloadType = of.getActualTypeArguments()[1];
    return bean;
  }

  static void compile(List<String> sources, Path classes, List<URL> places) throws Exception {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    if (compiler == null) throw new LoadProblem("The image has no compiler: use one with a JDK, or give the function as classes.");
    String path = places.stream().map(place -> Path.of(URI.create(place.toString())).toString()).collect(Collectors.joining(File.pathSeparator));
    List<String> arguments = new ArrayList<>(List.of("-nowarn", "-d", classes.toString(), "-cp", path));
    arguments.addAll(sources);
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    if (compiler.run(null, said, said, arguments.toArray(new String[0])) != 0)
      throw new LoadProblem(said.toString(StandardCharsets.UTF_8).replace(ROOT + "/", "").trim());
  }

  static Class<?> onlyHandler(Path classes, ClassLoader loader) throws Exception {
    List<Class<?>> found = new ArrayList<>();
    try (Stream<Path> walk = Files.walk(classes)) {
      for (Path file : walk.filter(path -> path.toString().endsWith(".class")).sorted().toList()) {
        String name = classes.relativize(file).toString().replace('/', '.').replaceAll("\\.class$", "");
        Class<?> type = loader.loadClass(name);
        boolean isFunction = BiFunction.class.isAssignableFrom(type) && !type.isInterface() && !type.isSynthetic();
        if (isFunction || isConfiguration(type)) found.add(type);
      }
    }
    if (found.size() == 1) return found.get(0);
    throw new LoadProblem(found.isEmpty() ? "No class of the source implements BiFunction<Map, T, R>." : "The source has several functions: say which one with --handler package.Class.");
  }

  static Type payloadOf(Class<?> type) {
    for (Type item : type.getGenericInterfaces())
      if (item instanceof ParameterizedType of && of.getRawType() == BiFunction.class) return of.getActualTypeArguments()[1];
    return Object.class;
  }

  /** JSON as the language has nothing for it. */
  static final class Json {
    final String text;
    int at;

    Json(String text) { this.text = text; }

    static Object parse(String text) {
      Json json = new Json(text);
      Object value = json.value(0);
      json.space();
      if (json.at < text.length()) throw json.bad();
      return value;
    }

    IllegalArgumentException bad() { return new IllegalArgumentException("no JSON at " + at); }

    void space() { while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++; }

    Object value(int depth) {
      if (depth > 512) throw bad();
      space();
      if (at >= text.length()) throw bad();
      char first = text.charAt(at);
      if (first == '{') return object(depth);
      if (first == '[') return list(depth);
      if (first == '"') return string();
      for (Object[] word : new Object[][] {{"true", true}, {"false", false}, {"null", null}})
        if (text.startsWith((String) word[0], at)) { at += ((String) word[0]).length(); return word[1]; }
      int start = at;
      while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
      String number = text.substring(start, at);
      if (number.isEmpty()) throw bad();
      if (number.matches("-?\\d{1,9}")) return Integer.parseInt(number);
      if (number.matches("-?\\d{1,18}")) return Long.parseLong(number);
      return Double.parseDouble(number);
    }

    Map<String, Object> object(int depth) {
      Map<String, Object> result = new LinkedHashMap<>();
      at++;
      space();
      if (text.charAt(at) == '}') { at++; return result; }
      while (true) {
        space();
        String key = string();
        space();
        if (text.charAt(at++) != ':') throw bad();
        result.put(key, value(depth + 1));
        space();
        char next = text.charAt(at++);
        if (next == '}') return result;
        if (next != ',') throw bad();
      }
    }

    List<Object> list(int depth) {
      List<Object> result = new ArrayList<>();
      at++;
      space();
      if (text.charAt(at) == ']') { at++; return result; }
      while (true) {
        result.add(value(depth + 1));
        space();
        char next = text.charAt(at++);
        if (next == ']') return result;
        if (next != ',') throw bad();
      }
    }

    String string() {
      if (text.charAt(at) != '"') throw bad();
      StringBuilder result = new StringBuilder();
      for (at++; text.charAt(at) != '"'; at++) {
        char one = text.charAt(at);
        if (one != '\\') { result.append(one); continue; }
        char escaped = text.charAt(++at);
        if (escaped == 'u') { result.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16)); at += 4; continue; }
        int known = "bfnrt".indexOf(escaped);
        result.append(known < 0 ? escaped : "\b\f\n\r\t".charAt(known));
      }
      at++;
      return result.toString();
    }

    /** A value as the handler has declared it: maps and lists as they are, other classes field by field. */
    static Object convert(Object value, Type wanted) {
      Class<?> type = wanted instanceof ParameterizedType of ? (Class<?>) of.getRawType() : wanted instanceof Class<?> plain ? plain : Object.class;
      if (value instanceof List<?> items && type.isAssignableFrom(ArrayList.class) && wanted instanceof ParameterizedType of) {
        List<Object> converted = new ArrayList<>();
        for (Object item : items) converted.add(convert(item, of.getActualTypeArguments()[0]));
        return converted;
      }
      if (value == null || type == Object.class || type.isInstance(value)) return value;
      if (type.isEnum()) {
        for (Object constant : type.getEnumConstants()) if (((Enum<?>) constant).name().equals(value)) return constant;
        throw new InputError(Json.write(value) + " is no " + type.getSimpleName() + ".");
      }
      if (value instanceof Number number) {
        if (type == int.class || type == Integer.class) return number.intValue();
        if (type == long.class || type == Long.class) return number.longValue();
        if (type == double.class || type == Double.class) return number.doubleValue();
        if (type == float.class || type == Float.class) return number.floatValue();
      }
      if (type == boolean.class && value instanceof Boolean) return value;
      if (type == String.class) return value instanceof Map || value instanceof List ? write(value) : String.valueOf(value);
      if (!(value instanceof Map<?, ?> fields)) throw new InputError("The input is no " + type.getSimpleName() + ".");
      try {
        if (type.isRecord()) return recordOf(type, fields);
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        Object result = constructor.newInstance();
        for (Class<?> owner = type; owner != null && owner != Object.class; owner = owner.getSuperclass())
          for (Field field : owner.getDeclaredFields())
            if (fields.containsKey(field.getName()) && !Modifier.isStatic(field.getModifiers())) {
              field.setAccessible(true);
              field.set(result, convert(fields.get(field.getName()), field.getGenericType()));
            }
        return result;
      } catch (ReflectiveOperationException error) {
        throw new InputError("The input cannot be made a " + type.getSimpleName() + ": " + error.getMessage());
      }
    }

    static Object recordOf(Class<?> type, Map<?, ?> fields) throws ReflectiveOperationException {
      RecordComponent[] components = type.getRecordComponents();
      Class<?>[] types = new Class<?>[components.length];
      Object[] values = new Object[components.length];
      for (int at = 0; at < components.length; at++) {
        types[at] = components[at].getType();
        values[at] = convert(fields.get(components[at].getName()), components[at].getGenericType());
        // What is not there has no value, which a primitive cannot say.
        if (values[at] == null && types[at].isPrimitive()) values[at] = Array.get(Array.newInstance(types[at], 1), 0);
      }
      Constructor<?> constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(values);
    }

    static String write(Object value) {
      StringBuilder out = new StringBuilder();
      write(value, out, 0);
      return out.toString();
    }

    static void write(Object value, StringBuilder out, int depth) {
      if (depth > 512) throw new IllegalStateException("The output is too deep: it may hold itself.");
      if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long || value instanceof Short || value instanceof Byte || value instanceof java.math.BigInteger) out.append(value);
      else if (value instanceof Number number) out.append(Double.isFinite(number.doubleValue()) ? number.toString() : "null");
      else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum<?>) quote(value.toString(), out);
      else if (value instanceof Map<?, ?> map) each(map.entrySet(), out, '{', '}', entry -> { quote(String.valueOf(entry.getKey()), out); out.append(':'); write(entry.getValue(), out, depth + 1); });
      else if (value instanceof Iterable<?> list) each(list, out, '[', ']', item -> write(item, out, depth + 1));
      else if (value instanceof Object[] array) each(Arrays.asList(array), out, '[', ']', item -> write(item, out, depth + 1));
      else write(fieldsOf(value), out, depth + 1);
    }

    static <T> void each(Iterable<T> items, StringBuilder out, char open, char close, java.util.function.Consumer<T> one) {
      out.append(open);
      boolean isFirst = true;
      for (T item : items) {
        if (!isFirst) out.append(',');
        isFirst = false;
        one.accept(item);
      }
      out.append(close);
    }

    static Map<String, Object> fieldsOf(Object value) {
      Map<String, Object> result = new LinkedHashMap<>();
      try {
        for (Class<?> owner = value.getClass(); owner != null && owner != Object.class; owner = owner.getSuperclass())
          for (Field field : owner.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || Modifier.isTransient(field.getModifiers()) || field.isSynthetic()) continue;
            field.setAccessible(true);
            result.put(field.getName(), field.get(value));
          }
      } catch (RuntimeException | IllegalAccessException error) {
        throw new IllegalStateException("The output cannot be written as JSON: it is a " + value.getClass().getName() + ".");
      }
      return result;
    }

    static void quote(String text, StringBuilder out) {
      out.append('"');
      for (int at = 0; at < text.length(); at++) {
        char one = text.charAt(at);
        if (one == '"' || one == '\\') out.append('\\').append(one);
        else if (one == '\n') out.append("\\n");
        else if (one < 0x20) out.append(String.format("\\u%04x", (int) one));
        else out.append(one);
      }
      out.append('"');
    }
  }
}
