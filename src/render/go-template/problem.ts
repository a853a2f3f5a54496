/** A template, chart or manifest that cannot be rendered: its author reads the message. */
export class RenderError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RenderError';
  }
}

/** A rendering that would not end, or not soon: told as it is, without the calls that led to it. */
export class EndlessError extends RenderError {}
