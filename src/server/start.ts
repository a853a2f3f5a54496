import type { EmbeddedOptions, EmbeddedServer } from './embedded.ts';

export type { EmbeddedOptions, EmbeddedServer };

/** The whole platform is loaded by who starts it, and not by every command that speaks to one. */
export async function startServer(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const embedded = await import('./embedded.ts');
  return embedded.EmbeddedServer.start(options);
}
