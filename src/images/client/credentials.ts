/** A name and password, or a token, for one registry. */
export interface Credential {
  username: string;
  password: string;
}

/** Credentials by registry, as a docker configuration file has them. */
export class Keychain {
  readonly #entries: { pattern: string; credential: Credential }[] = [];

  /** Adds what a `.dockerconfigjson` or `.dockercfg` says. What is malformed is left out. */
  addDockerConfig(text: string): this {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      return this;
    }
    const auths =
      (document as { auths?: Record<string, unknown> }).auths ?? (document as Record<string, unknown>);
    for (const [pattern, value] of Object.entries(auths)) {
      const credential = credentialOf(value);
      if (credential !== undefined) this.add(pattern, credential);
    }
    return this;
  }

  add(pattern: string, credential: Credential): this {
    this.#entries.push({ pattern: normal(pattern), credential });
    return this;
  }

  /** The closest entry: for the repository, for a part of its path, or for its host. Never for another host. */
  find(host: string, repository: string): Credential | undefined {
    const path = `${normal(host)}/${repository}`;
    return this.#entries
      .filter(({ pattern }) => path === pattern || path.startsWith(`${pattern}/`))
      .sort((a, b) => b.pattern.length - a.pattern.length)[0]?.credential;
  }
}

function normal(pattern: string): string {
  const plain = pattern.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  return plain === 'index.docker.io' || plain === 'registry-1.docker.io' ? 'docker.io' : plain;
}

function credentialOf(value: unknown): Credential | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { username, password, auth } = value as { username?: unknown; password?: unknown; auth?: unknown };
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  if (typeof auth !== 'string') return undefined;
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
