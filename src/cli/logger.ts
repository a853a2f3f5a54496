import type { Logger } from '../kube/index.ts';

export type LogFormat = 'pretty' | 'json';
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

export interface LoggerOptions {
  format: LogFormat;
  level: string;
  stream: NodeJS.WritableStream;
}

/** JSON lines by pino, or one readable line each. */
export async function createLogger(options: LoggerOptions): Promise<Logger> {
  if (options.format === 'pretty') return prettyLogger(options);
  const { pino } = await import('pino');
  const logger: Logger = pino({ level: options.level }, options.stream as never);
  return logger;
}

function prettyLogger({ level, stream }: LoggerOptions): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const line = (name: string) => (context: object, message: string) => {
    if (LOG_LEVELS.indexOf(name) < threshold) return;
    const fields = Object.entries(context).map(
      ([key, value]) => `${key}=${value instanceof Error ? value.message : JSON.stringify(value)}`,
    );
    stream.write(
      `${new Date().toISOString().slice(11, 19)} ${name.toUpperCase().padEnd(5)} ${message}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}\n`,
    );
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
