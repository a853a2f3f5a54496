/** The part of a structured logger that rooms use; pino has this shape. */
export interface Logger {
  debug: (context: object, message: string) => void;
  info: (context: object, message: string) => void;
  warn: (context: object, message: string) => void;
  error: (context: object, message: string) => void;
}

export const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
