import { randomUUID } from 'node:crypto';
import { RenderError, type TemplateFunction } from '../go-template/index.ts';
import { mapArg, textArg } from './arguments.ts';

const URL_PARTS =
  /^(?:([A-Za-z][A-Za-z\d+.-]*):)?(\/\/(?:([^/?#@]*)@)?([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/;

export const URLS: Readonly<Record<string, TemplateFunction>> = {
  urlParse: (text) => {
    const found = URL_PARTS.exec(textArg(text, 0));
    if (found === null) throw new RenderError(`unable to parse url: ${String(text)}`);
    const [, scheme = '', authority, user = '', host = '', path = '', query = '', fragment = ''] = found;
    const isOpaque = scheme !== '' && authority === undefined && !path.startsWith('/');
    return new Map<string, unknown>([
      ['scheme', scheme.toLowerCase()],
      ['host', host],
      ['hostname', host.replace(/:\d*$/, '').replace(/^\[|\]$/g, '')],
      ['path', isOpaque ? '' : decodeURI(path)],
      ['query', query],
      ['opaque', isOpaque ? path : ''],
      ['fragment', fragment],
      ['userinfo', user],
    ]);
  },
  urlJoin: (map) => {
    const parts = mapArg(map, 0);
    const of = (name: string): string =>
      typeof parts.get(name) === 'string' ? (parts.get(name) as string) : '';
    const [scheme, host, user, path] = [of('scheme'), of('host'), of('userinfo'), of('path')];
    let out = scheme === '' ? '' : `${scheme}:`;
    if (of('opaque') !== '') out += of('opaque');
    else {
      if (scheme !== '' || host !== '' || user !== '') out += host !== '' || user !== '' ? '//' : '';
      out += user === '' ? '' : `${user}@`;
      out += host;
      out += path !== '' && !path.startsWith('/') && host !== '' ? `/${path}` : path;
    }
    return (
      out +
      (of('query') === '' ? '' : `?${of('query')}`) +
      (of('fragment') === '' ? '' : `#${of('fragment')}`)
    );
  },
  uuidv4: () => randomUUID(),
};
