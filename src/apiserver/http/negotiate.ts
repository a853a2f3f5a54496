import { ApiError } from '../../kube/index.ts';
import type { View } from '../registry/index.ts';
import { type ApiRequest, headerOf } from './request.ts';

export interface MediaRange {
  type: string;
  parameters: Map<string, string>;
  quality: number;
}

export function parseAccept(header: string): MediaRange[] {
  return header
    .split(',')
    .map((item) => {
      const [type = '', ...rest] = item.split(';').map((part) => part.trim());
      const parameters = new Map(rest.map((part) => part.split('=', 2) as [string, string]));
      return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? 1) };
    })
    .filter((range) => range.type !== '' && range.quality > 0);
}

const JSON_RANGES = new Set(['application/json', '*/*', 'application/*']);

/** The form in which this client wants objects: the first that we can give. */
export function viewFor(request: ApiRequest, now: number): View {
  const accept = headerOf(request, 'accept');
  const view: View = { form: 'object', rowObject: 'Metadata', now };
  if (accept === '' || accept === 'application/json' || accept === '*/*') return view;
  for (const range of parseAccept(accept)) {
    if (!JSON_RANGES.has(range.type)) continue;
    const as = range.parameters.get('as') ?? '';
    if (as === '') return view;
    if (range.parameters.get('g') !== 'meta.k8s.io') continue;
    if (as === 'Table') return { ...view, form: 'table', rowObject: rowObject(request) };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList')
      return { ...view, form: 'metadata' };
  }
  throw new ApiError(
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1',
  );
}

function rowObject(request: ApiRequest): View['rowObject'] {
  const wanted = request.query.get('includeObject') ?? 'Metadata';
  if (wanted !== 'None' && wanted !== 'Metadata' && wanted !== 'Object') {
    throw new ApiError(
      'BadRequest',
      `includeObject must be None, Metadata or Object, not ${JSON.stringify(wanted)}.`,
    );
  }
  return wanted;
}
